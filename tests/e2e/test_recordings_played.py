"""A shell on the real cluster, recorded over both transports: what was seen and typed is there, plays, is found by its words, and is proved."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import evolve
from lab.cluster import RealCluster
from lab.gate import ALICE, ALL, Gate, rule, running_gate
from lab.kubectl import Kubectl, one_of_them
from lab.terminal import terminal
from lab.waiting import eventually

POLICY = {"rules": [{**rule("watched", ALICE, ALL), "record": "full"}]}
BIN = Path(sys.executable).parent


@pytest.fixture(scope="session")
def client(cluster: RealCluster) -> str:
    """It is the protocol that a recording differs by."""
    return one_of_them(cluster.admin)


@pytest.fixture(scope="module")
def own_gate(cluster: RealCluster, any_gate: Gate | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    if any_gate is None:
        pytest.skip("needs the gate itself, and KGATE_E2E_STAND_IN is set")
    with running_gate(tmp_path_factory.mktemp("recording-gate"), cluster.gate) as gate:
        gate.adopt(POLICY)
        yield gate


@pytest.fixture(params=["websocket", "spdy"])
def alice(request: pytest.FixtureRequest, own_gate: Gate, cluster: RealCluster, direct: Kubectl, tmp_path: Path) -> Kubectl:
    own_gate.kubeconfig(ALICE, cluster.namespace, tmp_path / "alice.kubeconfig")
    return evolve(direct, kubeconfig=tmp_path / "alice.kubeconfig", home=tmp_path / "home", name="alice").over(request.param)


def kgate(gate: Gate, *arguments: str) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run([BIN / "kgate", *arguments], cwd=gate.directory, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran
    return ran


def last_end(gate: Gate) -> dict[str, object]:
    """The end of the stream that began last. kubectl does not wait for that record, nor for those of the streams before."""
    began = gate.records("stream-start")[-1]["id"]
    return eventually("its end on record", lambda: [each for each in gate.records("stream-end") if each["id"] == began])[0]


def test_a_shell_in_a_terminal(own_gate: Gate, alice: Kubectl, tmp_path: Path) -> None:
    with terminal(alice.argv("exec", "-it", "box", "--", "sh"), alice.environment, tmp_path, 100, 30) as window:
        window.until("/ #")
        window.type("printf 'gr\\303\\274n \\033]52;c;aGFybQ==\\007 %s\\n' $((6*7))")
        window.until("\ngrün  42")
        window.resize(132, 43)
        window.type("vi /etc/hostname")
        window.until("~\n")
        window.type(":q!")
        window.until("\n/ #")
        window.type("exit 3")
        assert window.ended()[0] == 3
    end = last_end(own_gate)
    path = own_gate.directory / "audit" / "recordings" / str(end["recording"])
    header, *events = [json.loads(line) for line in path.read_text().splitlines()]
    assert header["kgate"]["command"] == ["sh"] and header["kgate"]["tty"] is True and header["kgate"]["name"] == "box"
    assert next(event[2] for event in events if event[1] == "r") == "100x30"
    assert "132x43" in [event[2] for event in events if event[1] == "r"]
    shown = kgate(own_gate, "play", str(end["id"]), "--text", "--input").stdout.splitlines()
    assert "grün  42" in shown and "> vi /etc/hostname" in shown and "> exit 3" in shown, shown
    assert all(line.isprintable() for line in shown), shown
    cast = subprocess.run([BIN / "asciinema", "cat", path], capture_output=True, check=True, env={"HOME": str(tmp_path), "LANG": "C.UTF-8"})
    assert "grün ".encode() in cast.stdout and b"\x1b]52;c;aGFybQ==\x07" in cast.stdout, "asciinema lets through what kgate play does not"
    found = json.loads(kgate(own_gate, "play", "--search", "grün", "--search", "42", "-o", "json").stdout)
    assert str(end["id"]) in [each["id"] for each in found]
    assert "recording" in kgate(own_gate, "audit", "verify").stdout


def test_it_is_played_in_a_terminal_and_leaves_that_as_it_was(own_gate: Gate, alice: Kubectl, tmp_path: Path) -> None:
    with terminal(alice.argv("exec", "-it", "box", "--", "sh"), alice.environment, tmp_path, 100, 30) as window:
        window.until("/ #")
        window.type("printf '\\033[?1049h\\033[?25l\\033[31mred \\033[6n\\033]2;owned\\007'; sleep 0.3; exit")
        window.ended()
    end = last_end(own_gate)
    argv = [str(BIN / "kgate"), "play", str(end["id"]), "--speed", "5", "-c", str(own_gate.directory / "kgate.yaml")]
    with terminal(argv, {**alice.environment, "TERM": "tmux", "LANG": "C.UTF-8"}, tmp_path, 100, 30) as window:
        assert window.ended()[0] == 0
        screen = window.last_screen()
        assert "alice: exec real/" in screen and "[6n" not in screen.replace("\\033[6n", "") and "R" not in screen.splitlines()[-1]
        assert "-echo" not in screen and "-icanon" not in screen


def test_a_command_without_a_terminal_and_what_is_copied(
    own_gate: Gate, alice: Kubectl, tmp_path: Path, measured: Callable[[str], None]
) -> None:
    assert alice.run("exec", "-i", "box", "--", "sh", stdin=b"echo out; echo err >&2\n").out == b"out\n"
    end = last_end(own_gate)
    shown = kgate(own_gate, "play", str(end["id"]), "--input").stdout.splitlines()
    assert sorted(shown) == ["> echo out; echo err >&2", "err", "out"]
    (tmp_path / "file").write_bytes(bytes(range(256)) * 64)
    alice.run("cp", str(tmp_path / "file"), "box:/tmp/recorded").must()
    copied = last_end(own_gate)  # kubectl asks first whether the target is a folder, by an exec of its own
    (began,) = (record for record in own_gate.records("stream-start") if record["id"] == copied["id"])
    assert began["action"] == "cp" and copied["recorded"]["bytes"] > 10_000  # type: ignore[index]
    bulk = alice.run("exec", "box", "--", "sh", "-c", "seq 1 2000000", timeout=120)
    assert bulk.code == 0 and bulk.out.endswith(b"\n2000000\n")
    end = last_end(own_gate)
    recorded = end["recorded"]
    assert isinstance(recorded, dict) and "problem" not in recorded
    measured(f"{len(bulk.out) / 2**20:.0f} MB of output recorded as {recorded['bytes'] / 2**20:.0f} MB in {end['duration_ms']} ms")
    assert kgate(own_gate, "play", str(end["id"]), "--text").stdout.encode() == bulk.out


def test_what_is_attached_to(own_gate: Gate, alice: Kubectl) -> None:
    with alice.live("attach", "talker") as attached:
        shown = attached.until(b"\n").splitlines()[0].decode()
    end = last_end(own_gate)
    assert shown in kgate(own_gate, "play", str(end["id"])).stdout.splitlines()
    assert own_gate.records("stream-start")[-1]["action"] == "attach"
