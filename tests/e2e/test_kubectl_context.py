"""What a right depends on besides the policy ends: a time window closes, a fact turns, a device is no longer compliant. Live kubectls on the real cluster
that depended on it end, each with its own reason, and nobody else notices.
"""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from authority import Authority
from lab.cluster import RealCluster
from lab.gate import ALICE, ALL, BOB, Gate, rule, started, write_kubeconfig
from lab.kubectl import Kubectl, Live, one_of_them
from lab.waiting import eventually
from ports import free_port

PROMISE = 1.0
"""Seconds from the change to the end of the person's kubectl."""
PLAYS = 5
"""A busy machine may be late once; a gate that is slow is late each time."""
WHY = re.compile(r'kgate: closed by policy: rule "alice" no longer allows it: ([^()]*) \(request (\w+)\)')


def policy(**when: object) -> dict[str, Any]:
    """alice may do everything while this holds, bob always."""
    return {"rules": [{**rule("alice", ALICE, ALL), **({"when": when} if when else {})}, rule("bob", BOB, ALL)]}


@pytest.fixture(scope="session")
def client(cluster: RealCluster) -> str:
    return one_of_them(cluster.admin)


@pytest.fixture(scope="module")
def gate(cluster: RealCluster, any_gate: Gate | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    if any_gate is None:
        pytest.skip("needs the gate itself, and KGATE_E2E_STAND_IN is set")
    made = Gate(tmp_path_factory.mktemp("context-gate"), cluster.gate)
    machines = Authority("kgate end-to-end machines")
    machines.leaf(common_name="lap-1", client=True).write(made.directory, "device")
    (made.directory / "device-ca.crt").write_bytes(machines.certificate)
    made.settings["identity"]["devices"] = {"authority": "device-ca.crt", "file": "devices.yaml"}
    made.settings["facts"] = [{"source": "hand", "file": "facts.yaml"}]
    replace(made, "devices.yaml", device(True))
    replace(made, "facts.yaml", incident(False))
    made.write(policy())
    with started(made):
        yield made


def device(compliant: bool) -> object:
    return {"devices": [{"name": "lap-1", "compliant": compliant}]}


def incident(opened: bool) -> object:
    return {"incident": {"open": opened}}


def replace(gate: Gate, name: str, document: object) -> None:
    """A file of the gate's directory, in one step."""
    new = gate.directory / f".{name}.new"
    new.write_text(json.dumps(document))
    new.rename(gate.directory / name)


@pytest.fixture
def alice(gate: Gate, direct: Kubectl, cluster: RealCluster, tmp_path: Path) -> Kubectl:
    """alice on her machine, which has a certificate of its own."""
    user = {
        "token": ALICE.token,
        "client-certificate": str(gate.directory / "device.crt"),
        "client-key": str(gate.directory / "device.key"),
    }
    path = write_kubeconfig(tmp_path / "alice", f"https://localhost:{gate.port}", gate.authority.certificate, user, cluster.namespace)
    return evolve(direct, kubeconfig=path, home=tmp_path / "home", name="alice, through the context gate")


@contextmanager
def three_of_hers_and_one_of_his(
    gate: Gate, alice: Kubectl, cluster: RealCluster, tmp_path: Path
) -> Iterator[tuple[dict[str, Live], Live]]:
    """An exec, a watch and a port-forward in use of alice's; an exec of bob's."""
    path = tmp_path / "bob"
    path.unlink(missing_ok=True)
    bob = evolve(alice, kubeconfig=gate.kubeconfig(BOB, cluster.namespace, path), home=tmp_path / "bob-home")
    with ExitStack() as opened:
        his = opened.enter_context(bob.live("exec", "-i", "box", "--", "cat", stdin=True))
        shell = opened.enter_context(alice.live("exec", "box", "--", "sh", "-c", "echo up; exec sleep 1000"))
        watch = opened.enter_context(alice.live("get", "pods", "--watch"))
        port = free_port()
        forward = opened.enter_context(alice.live("port-forward", "pod/web", f"{port}:7000", "--address=127.0.0.1"))
        shell.until(b"up")
        watch.until(b"web")
        forward.until(b" -> ")
        connection = opened.enter_context(closing(socket.create_connection(("127.0.0.1", port), timeout=20)))
        connection.sendall(b"there and back")
        assert connection.recv(14, socket.MSG_WAITALL) == b"there and back"
        yield {"exec": shell, "watch": watch, "port-forward": forward}, his


def slowest_end(gate: Gate, lives: dict[str, Live], says: str, changed: Callable[[], float]) -> float:
    """Every one of them ends and says why; the gate's records say the same. Gives how long the slowest took (seconds after the change)."""
    at = changed()
    took = []
    for what, live in lives.items():
        ran = live.wait(100)
        assert live.ended is not None
        took.append(live.ended - at)
        why = WHY.search(" ".join(ran.text.replace('\\"', '"').split()))
        assert why and says in why[1], f"{what} does not say why:\n{ran.text}"
        assert ran.code == (0 if what == "watch" else 1), ran.text
        id_ = why[2]
        record = eventually("the record of the end", lambda id_=id_: [each for each in gate.records("stream-end") if each["id"] == id_])[0]  # type: ignore[misc]
        took.append(record["revocation_ms"] / 1000)
    return max(took)


def cut_since(gate: Gate, before: int) -> list[str]:
    """By what the streams were closed that the gate ended behind the first ``before``."""
    return [record["closed_by"] for record in gate.records("stream-end")[before:] if "closed_by" in record]


@pytest.mark.parametrize(
    ("when", "turn", "back", "says", "closed_by"),
    [
        (
            {"facts": {"incident": {"open": False}}},
            ("facts.yaml", incident(True)),
            ("facts.yaml", incident(False)),
            "fact incident is",
            "fact",
        ),
        (
            {"expression": "!facts.incident.open"},
            ("facts.yaml", incident(True)),
            ("facts.yaml", incident(False)),
            "expression !facts",
            "expression",
        ),
        (
            {"device": {"compliant": True}},
            ("devices.yaml", device(False)),
            ("devices.yaml", device(True)),
            "device lap-1 is not compliant",
            "device",
        ),
    ],
    ids=["a fact turns", "an expression's fact turns", "a device is no longer compliant"],
)
def test_a_change_ends_what_depended_on_it(
    gate: Gate,
    alice: Kubectl,
    cluster: RealCluster,
    tmp_path: Path,
    measured: Callable[[str], None],
    when: dict[str, object],
    turn: tuple[str, object],
    back: tuple[str, object],
    says: str,
    closed_by: str,
) -> None:
    def changed() -> float:
        replace(gate, *turn)
        return time.monotonic()

    for _ in range(PLAYS):
        replace(gate, *back)
        gate.adopt(policy(**when))
        eventually("alice may again", lambda: alice.run("get", "pods").code == 0, every=0.2)
        before = len(gate.records("stream-end"))
        with three_of_hers_and_one_of_his(gate, alice, cluster, tmp_path) as (hers, his):
            took = slowest_end(gate, hers, says, changed)
            his.write(b"still here\n")
            his.until(b"still here\n")
        eventually("their ends on record", lambda before=before: len(cut_since(gate, before)) >= 3)  # type: ignore[misc]
        assert cut_since(gate, before) == [closed_by] * 3
        if took < PROMISE:
            measured(f"{says}: exec, watch and port-forward over within {took:.2f} s")
            return
    raise AssertionError(f"none of {PLAYS} was over within {PROMISE:g} s; the last took {took:.2f} s")


def test_a_window_closes(gate: Gate, alice: Kubectl, cluster: RealCluster, tmp_path: Path, measured: Callable[[str], None]) -> None:
    for _ in range(PLAYS):
        gate.adopt(policy())
        with three_of_hers_and_one_of_his(gate, alice, cluster, tmp_path) as (hers, his):
            edge = (int(time.time() + 5) // 60 + 1) * 60  # the first full minute that leaves time for the policy to be taken over
            hours = f"{time.strftime('%H:%M', time.gmtime(edge - 600))}-{time.strftime('%H:%M', time.gmtime(edge))}"
            gate.adopt(policy(time={"hours": hours, "zone": "UTC"}))

            def closes(edge: float = edge) -> float:
                return time.monotonic() + edge - time.time()

            took = slowest_end(gate, hers, f"time is outside {hours} UTC", closes)
            his.write(b"still here\n")
            his.until(b"still here\n")
        if took < PROMISE:
            measured(f"a window closes: exec, watch and port-forward over within {took:.2f} s")
            return
    raise AssertionError(f"none of {PLAYS} was over within {PROMISE:g} s; the last took {took:.2f} s")
