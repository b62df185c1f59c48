"""What the cluster itself has on record of what came through the gate: the person, never the gate as the one who asked, and nothing of theirs."""

from __future__ import annotations

import json
import socket

import pytest
from lab.cluster import RealCluster
from lab.endpoint import Endpoint
from lab.gate import ALICE, Gate, free_port
from lab.same import Through
from lab.waiting import eventually

SUBRESOURCES = {"", "log", "exec", "portforward"}


def gate_itself(cluster: RealCluster) -> str:
    """Who the gate's credential is to the cluster."""
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    status, body = Endpoint.of(cluster.gate).ask("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    assert status == 201, body
    return str(json.loads(body)["status"]["userInfo"]["username"])


def test_the_cluster_sees_only_the_impersonated_person(gate: Gate, cluster: RealCluster, through: Through) -> None:
    log = cluster.audit_log
    if log is None:
        pytest.skip("the cluster keeps no audit log beside its kubeconfigs")
    itself, since, before = gate_itself(cluster), log.stat().st_size, len(gate.records("request", "stream-start"))
    alice = through(ALICE)
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

    asked = {record["id"] for record in gate.records("request", "stream-start")[before:] if record["user"] == "alice"}
    assert len(asked) >= 6

    def complete() -> list[dict[str, object]]:
        events = cluster.audited(since)
        done = {event["auditID"] for event in events if event["stage"] == "ResponseComplete"}
        return events if asked <= done else []

    events = eventually("the cluster's audit log has every request under the id that the gate gave it", complete)
    carried = [event for event in events if event["auditID"] in asked]
    for event in carried:
        assert event["user"]["username"] == itself
        assert event["impersonatedUser"]["username"] == "alice"
        assert event["impersonatedUser"]["groups"] == [ALICE.group, "system:authenticated"]
    assert {event["objectRef"].get("subresource", "") for event in carried if "objectRef" in event} == SUBRESOURCES
    # Nobody else was behind it, and what the gate asks in its own name is nothing but whether the cluster is there.
    assert not [event for event in events if event["user"]["username"] == "alice"]
    own = [event for event in events if event["user"]["username"] == itself and "impersonatedUser" not in event]
    assert {event["requestURI"].split("?")[0] for event in own} <= {"/readyz", "/livez", "/version"}
    assert ALICE.token.encode() not in log.read_bytes()
