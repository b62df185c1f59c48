"""``kgate lock`` and ``kgate sessions cut`` take every live kubectl of whoever they name on the real cluster with them within a second, say why, and leave
the others alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from attrs import evolve
from lab.cluster import RealCluster
from lab.gate import ALICE, ALL, BOB, Gate, rule, running_gate
from lab.kubectl import Kubectl, one_of_them
from lab.three import CODES, Running, instant
from lab.waiting import eventually

PROMISE = 1.0
"""Seconds from the lock to the end of the person's kubectl."""
PLAYS = 5
POLICY = {"rules": [rule("developers", ALICE, ALL), rule("sre", BOB, ALL)]}


@pytest.fixture(scope="session")
def client(cluster: RealCluster) -> str:
    return one_of_them(cluster.admin)


@pytest.fixture(scope="module")
def own_gate(cluster: RealCluster, any_gate: Gate | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    if any_gate is None:
        pytest.skip("needs the gate itself, and KGATE_E2E_STAND_IN is set")
    with running_gate(tmp_path_factory.mktemp("locking-gate"), cluster.gate) as gate:
        gate.adopt(POLICY)
        yield gate


@pytest.fixture
def people(own_gate: Gate, cluster: RealCluster, direct: Kubectl, tmp_path: Path) -> dict[str, Kubectl]:
    found = {}
    for person in (ALICE, BOB):
        own_gate.kubeconfig(person, cluster.namespace, tmp_path / f"{person.user}.kubeconfig")
        found[person.user] = evolve(direct, kubeconfig=tmp_path / f"{person.user}.kubeconfig", home=tmp_path / "home", name=person.user)
    return found


def kgate(gate: Gate, who: Kubectl, home: Path, *arguments: str) -> str:
    """``kgate …`` as somebody; what it prints."""
    ran = subprocess.run(
        [str(Path(sys.executable).with_name("kgate")), *arguments, "--gate", f"https://127.0.0.1:{gate.port}"],
        env={**os.environ, "KUBECONFIG": str(who.kubeconfig), "KGATE_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_a_lock_ends_exec_watch_and_port_forward_of_whom_it_names(
    own_gate: Gate, people: dict[str, Kubectl], tmp_path: Path, measured: Callable[[str], None]
) -> None:
    alice, bob = people["alice"], people["bob"]
    late: dict[str, float] = {}
    for play in range(PLAYS):
        name = f"incident-{play}"
        with ExitStack() as stack:
            running = Running(stack, alice)
            other = stack.enter_context(bob.live("exec", "box", "--", "sh", "-c", "echo up; exec sleep 1000"))
            other.until(b"up")
            assert f'lock "{name}" on user alice, by bob, counts until' in kgate(
                own_gate, bob, tmp_path, "lock", "add", name, "--user", "alice"
            )
            recorded = eventually("it is on record", lambda name=name: [r for r in own_gate.records("lock") if r["lock"]["name"] == name])
            added = instant(recorded[-1]["time"])
            ends = running.ended()
            assert other.ended is None
        for what, each in ends.items():
            assert each.code == CODES[what], (what, each.text)
            assert f'kgate: closed by policy: lock "{name}" on user alice, by bob (request ' in each.text, (what, each.text)
        denied = alice.run("get", "pods")
        assert denied.code == 1 and f'lock "{name}" on user alice, by bob (request ' in denied.text
        kgate(own_gate, bob, tmp_path, "lock", "remove", name)
        assert alice.run("get", "pods").code == 0
        late = {what: each.at - added for what, each in ends.items()}
        if max(late.values()) < PROMISE and max(own_gate.three_ended("lock", f'"{name}"')) < 1000 * PROMISE:
            break
    else:
        raise AssertionError(f"none of {PLAYS} was over within {PROMISE:g} s; the last: {late}")
    measured("a lock: " + ", ".join(f"{what} over {seconds:.2f} s after" for what, seconds in late.items()))


def test_sessions_are_listed_as_kubectl_holds_them_and_end_where_they_are_cut(
    own_gate: Gate, people: dict[str, Kubectl], tmp_path: Path, measured: Callable[[str], None]
) -> None:
    alice, bob = people["alice"], people["bob"]
    with ExitStack() as stack:
        running = Running(stack, alice)
        found = json.loads(kgate(own_gate, bob, tmp_path, "sessions", "list", "--user", "alice", "-o", "json"))
        by_what = {each.get("action", each["verb"]): each for each in found}
        assert set(by_what) == {"exec", "watch", "port-forward"}
        assert by_what["exec"]["command"] == ["sh", "-c", "echo up; exec sleep 1000"] and by_what["port-forward"]["port"] == [7000]
        assert json.loads(kgate(own_gate, alice, tmp_path, "sessions", "show", by_what["watch"]["id"], "-o", "json"))["kubectl"]
        told = kgate(own_gate, bob, tmp_path, "sessions", "cut", *(each["id"] for each in found), "--reason", "upgrade of the lab")
        assert told.startswith("3 sessions of alice cut")
        ends = running.ended()

    def cut_at() -> dict[str, float]:
        return {each["wanted"]["id"]: instant(each["time"]) for each in own_gate.records("cut")}

    eventually("the cuts are on record", lambda: cut_at().keys() >= {each["id"] for each in found})
    cuts = cut_at()
    late = {what: each.at - cuts[by_what[what]["id"]] for what, each in ends.items()}
    for what, each in ends.items():
        assert each.code == CODES[what] and "kgate: closed by bob: upgrade of the lab (request " in each.text, (what, each.text)
    measured("a cut: " + ", ".join(f"{what} over {seconds:.2f} s after" for what, seconds in late.items()))
    assert alice.run("get", "pods").code == 0
