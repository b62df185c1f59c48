"""A session of real kubectls on the real cluster, and every decision of it asked again: explain says what the gate did, a replay finds nothing different.

It goes over a fact that flips, an edge of time and changes of the policy, of which each ends something that lives. With ``KGATE_RECORD=DIRECTORY`` what the
gate wrote is kept there: that is how tests/review/session was made.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lab.cluster import RealCluster
from lab.gate import ALICE, BOB, MALLORY, Gate, Person, rule, started
from lab.kubectl import Kubectl, binaries
from on_record import ask_again
from ports import free_port

from kgate.audit.chain import Chain

ADMIN = os.environ.get("KGATE_E2E_ADMIN", "")
LEAD = 12.0
"""Seconds that a gate has at least to take a policy over."""


def policy(namespace: str, hours: str, *, watching: bool = True) -> dict[str, Any]:
    """What alice may do: read and write for good, a shell while there is no incident, logs until an hour, nothing of secrets."""
    verbs = ["get", "list", "create", "update", "patch", "delete", *(["watch"] if watching else [])]
    resources = ["*", "!secrets", "!pods/log"]
    work = rule(
        "work", ALICE, [{"verbs": verbs, "resources": resources, "namespaces": [namespace]}, {"verbs": ["get"], "paths": ["/healthz"]}]
    )
    shell = rule("shell", ALICE, [{"actions": ["exec", "attach", "cp", "port-forward"], "namespaces": [namespace]}])
    logs = rule("logs", ALICE, [{"actions": ["logs"], "names": ["talker"]}])
    no_logs = rule("no-logs", ALICE, []) | {"deny": [{"verbs": ["*"], "resources": ["pods/log"]}]}
    del no_logs["allow"]
    impersonator = rule("impersonator", BOB, [{"actions": ["impersonate"], "resources": ["users"], "names": [ALICE.user]}])
    return {
        "rules": [
            {**work, "clusters": {"labels": {"env": "lab"}}},
            {**shell, "when": {"facts": {"incident": {"open": False}}}},
            logs,
            {**no_logs, "when": {"time": {"hours": hours, "zone": "UTC"}}},
            impersonator,
        ]
    }


class Session:
    """A gate of its own and who talks to it."""

    def __init__(self, gate: Gate, cluster: RealCluster, folder: Path) -> None:
        self.gate, self.cluster, self._folder = gate, cluster, folder

    def kubectl(self, person: Person) -> Kubectl:
        path = self.gate.kubeconfig(person, self.cluster.namespace, self._folder / f"{person.user}.kubeconfig")
        binary = list(binaries(Path(ADMIN)).values())[-1]
        return Kubectl(binary, path, self._folder / person.user, person.user)

    def tell(self, incident: bool) -> None:
        new = self.gate.directory / "facts.json.new"
        new.write_text(json.dumps({"incident": {"open": incident}}))
        new.rename(self.gate.directory / "facts.json")


@pytest.fixture
def session(cluster: RealCluster, tmp_path: Path) -> Iterator[Session]:
    if os.environ.get("KGATE_E2E_STAND_IN"):
        pytest.skip("needs the gate itself, and KGATE_E2E_STAND_IN is set")
    gate = Gate(tmp_path / "gate", cluster.gate)
    gate.directory.mkdir()
    made = Session(gate, cluster, tmp_path)
    made.tell(False)
    gate.settings["facts"] = [{"source": "by-hand", "file": "facts.json"}]
    gate.write(policy(cluster.namespace, hours_from(time.time() + 7200)))
    with started(gate):
        yield made


def hours_from(instant: float) -> str:
    """The hour that begins then, or would with the minute."""
    return "-".join(datetime.fromtimestamp(each, UTC).strftime("%H:%M") for each in (instant, instant + 3600))


def at_an_edge(session: Session, namespace: str) -> None:
    """A policy is in force by which logs end with the next full minute. One that came into force too late for that would end them at once, by itself."""
    edge = (int(time.time() + LEAD) // 60 + 1) * 60
    session.gate.adopt(policy(namespace, hours_from(edge)))
    assert time.time() < edge, f"the gate did not take a policy over within {LEAD:g} s"


def test_every_decision_of_a_session_comes_out_the_same_again(session: Session, cluster: RealCluster) -> None:
    alice, bob, mallory = map(session.kubectl, (ALICE, BOB, MALLORY))
    _work(alice, bob, mallory)
    shell, logs, watch = ("exec", "-i", "echoer", "--", "cat"), ("logs", "-f", "talker"), ("get", "pods", "-w", "-o", "name")
    with alice.live(*shell, stdin=True) as exec_, alice.live(*logs) as following, alice.live(*watch) as watching:
        exec_.write(b"hello\n")
        exec_.until(b"hello")
        following.until(b"tick")
        watching.until(b"pod/box")
        session.tell(True)
        assert b"closed by policy" in exec_.wait().err
        assert alice.run("exec", "box", "--", "id").code != 0
        at_an_edge(session, cluster.namespace)
        assert "closed by policy" in following.wait(120).text
        session.gate.adopt(policy(cluster.namespace, "00:00-24:00", watching=False))
        watching.wait()
    alice.run("get", "pods", "-w").must(1)
    session.gate.stop()
    _keep(session.gate.directory / "audit")
    asked = ask_again(session.gate.directory / "audit")
    assert asked.policies == 3 and asked.facts >= 2
    assert asked.events["decision-change"] == 3 and asked.events["stream-start"] >= 5 and asked.events["request"] >= 20


def _work(alice: Kubectl, bob: Kubectl, mallory: Kubectl) -> None:
    """What people do, most of it allowed."""
    alice.run("get", "pods,deployments").must()
    alice.run("get", "pods", "-l", "app=box", "-o", "yaml").must()
    alice.run("describe", "pod", "box").must()
    alice.run("create", "configmap", "colours", "--from-literal=sky=blue").must()
    alice.run("label", "configmap", "colours", "season=autumn").must()
    alice.run("delete", "configmap", "colours").must()
    alice.run("logs", "talker", "--tail=2").must()
    alice.run("exec", "box", "--", "sh", "-c", "echo $((6 * 7))").must()
    alice.run("cp", "box:/etc/passwd", "/dev/null")
    alice.run("get", "--raw", "/healthz")
    alice.run("get", "secrets").must(1)
    alice.run("get", "pods", "-n", "kube-system").must(1)
    alice.run("logs", "box").must(1)
    bob.run("get", "pods").must(1)
    bob.run("get", "pods", "--as", ALICE.user)
    bob.run("get", "pods", "--as", "system:admin").must(1)
    mallory.run("get", "pods").must(1)
    port = free_port()
    with alice.live("port-forward", "pod/web", f"{port}:8080") as forwarding:
        forwarding.until(b"Forwarding from")


def _keep(audit: Path) -> None:
    """Keep what the gate wrote, as some gate of no name wrote it."""
    to = os.environ.get("KGATE_RECORD", "")
    if not to:
        return
    chain, folder = Chain(), Path(to)
    (folder / "policies").mkdir(parents=True, exist_ok=True)
    lines = [json.loads(line) for path in sorted(audit.glob("*.jsonl")) for line in path.read_bytes().splitlines()]
    nameless = [{name: value for name, value in line.items() if name not in ("prev", "hash")} | {"gate": "gate"} for line in lines]
    (folder / "audit-20261125-0001.jsonl").write_bytes(b"".join(map(chain.seal, nameless)))
    for kept in (audit / "policies").iterdir():
        (folder / "policies" / kept.name).write_bytes(kept.read_bytes())
