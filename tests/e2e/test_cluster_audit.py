"""What the cluster itself has on record of what came through the gate: the person, never the gate as the one who asked, and nothing of theirs."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve
from lab.account import Account, account_of_its_own
from lab.cluster import RealCluster, caller
from lab.gate import ALICE, Gate, running_gate
from lab.kubectl import Kubectl
from lab.waiting import eventually
from ports import free_port

SUBRESOURCES = {"", "log", "exec", "portforward"}


@pytest.fixture(scope="module")
def account(cluster: RealCluster, any_gate: Gate | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """The credential of this module's gate: other gates of the run ask the same cluster at the same time, and share theirs."""
    if any_gate is None:
        pytest.skip("needs the gate itself, and KGATE_E2E_STAND_IN is set")
    with account_of_its_own(cluster, tmp_path_factory.mktemp("account") / "gate.kubeconfig") as made:
        yield made


@pytest.fixture(scope="module")
def own_gate(account: Account, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    with running_gate(tmp_path_factory.mktemp("audited-gate"), account.kubeconfig) as gate:
        yield gate


@pytest.fixture
def alice(own_gate: Gate, direct: Kubectl, cluster: RealCluster, tmp_path: Path) -> Kubectl:
    """alice's kubectl through that gate."""
    path = own_gate.kubeconfig(ALICE, cluster.namespace, tmp_path / "alice.kubeconfig")
    return evolve(direct, kubeconfig=path, home=tmp_path / "home", name="alice, through the audited gate")


def test_the_cluster_sees_only_the_impersonated_person(own_gate: Gate, alice: Kubectl, account: Account, cluster: RealCluster) -> None:
    log = cluster.audit_log
    if log is None:
        pytest.skip("the cluster keeps no audit log beside its kubeconfigs")
    since, before = log.stat().st_size, len(own_gate.records("request", "stream-start"))
    alice.run("get", "pods").must()
    alice.run("logs", "web", "--limit-bytes=1").must()
    for transport in ("websocket", "spdy"):
        kubectl, port = alice.over(transport), free_port()
        kubectl.run("exec", "box", "--", "true").must()
        with kubectl.live("port-forward", "pod/web", f"{port}:7000", "--address=127.0.0.1") as forward:
            forward.until(b" -> ")
            with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
                connection.sendall(b"x")
                assert connection.recv(1) == b"x"

    asked = {record["id"] for record in own_gate.records("request", "stream-start")[before:] if record["user"] == "alice"}
    assert len(asked) >= 6

    def complete() -> list[dict[str, object]]:
        events = cluster.audited(since)
        done = {event["auditID"] for event in events if event["stage"] == "ResponseComplete"}
        return events if asked <= done else []

    events = eventually("the cluster's audit log has every request under the id that the gate gave it", complete)
    carried = [event for event in events if event["auditID"] in asked]
    for event in carried:
        assert caller(event) == account.user
        assert event["impersonatedUser"]["username"] == "alice"
        assert event["impersonatedUser"]["groups"] == [ALICE.group, "system:authenticated"]
    assert {event["objectRef"].get("subresource", "") for event in carried if "objectRef" in event} == SUBRESOURCES
    # Nobody else was behind it, and what the gate asks in its own name is nothing but whether the cluster is there.
    assert not [event for event in events if caller(event) == "alice"]
    own = [event for event in events if caller(event) == account.user and "impersonatedUser" not in event]
    assert {event["requestURI"].split("?")[0] for event in own} <= {"/readyz", "/livez", "/version"}
    assert ALICE.token.encode() not in log.read_bytes()
