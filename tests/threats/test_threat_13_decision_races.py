"""Class 13: a right that goes while its request waits for the cluster, and one revision for each request."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from arena import ALICE, HEAD, Arena
from lab.waiting import eventually
from recording_cluster import Connection

pytestmark = pytest.mark.threat("13")

NOBODY = {
    "rules": [
        {"name": "nobody", "who": {"users": ["nobody"]}, "clusters": {"names": ["*"]}, "allow": [{"verbs": ["get"], "resources": ["pods"]}]}
    ]
}
WEBSOCKET = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n"
)


@pytest.fixture
def own(_arena: Arena, tmp_path: Path) -> Iterator[Arena]:
    """A gate whose policy the test changes."""
    made = _arena.beside(tmp_path / "gate")
    yield made
    made.gate.stop()


@pytest.mark.parametrize(
    ("head", "late"),
    [
        (b"GET /clusters/lab/api/v1/pods HTTP/1.1\r\n" + HEAD, b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret"),
        (
            b"GET /clusters/lab/api/v1/namespaces/a/pods/web/exec?command=id&stdout=true HTTP/1.1\r\n" + HEAD + WEBSOCKET,
            (
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n\x82\x07\x01secret"
            ),
        ),
    ],
    ids=["before the answer", "before the 101"],
)
def test_a_right_that_goes_while_the_cluster_thinks_ends_the_request(own: Arena, head: bytes, late: bytes) -> None:
    asked, gone = threading.Event(), threading.Event()

    def slow(connection: Connection, _head: bytes) -> None:
        asked.set()
        gone.wait(60)
        connection.send(late)

    own.cluster.answer = slow
    with own.client() as client:
        client.send(head + b"\r\n")
        assert asked.wait(60)
        own.gate.write_policy(NOBODY)
        own.gate.reload()
        assert client.status() == 403
        assert b"closed by policy" in client.last_body
        gone.set()
        assert b"secret" not in client.last_body


def test_each_request_is_recorded_under_one_revision_and_the_next_under_the_new(own: Arena) -> None:
    assert own.get(b"/api/v1/pods") == 200
    own.gate.write_policy(NOBODY)
    own.gate.reload()
    with own.client() as client:
        status = 200
        for _ in range(20_000):
            client.send(b"GET /clusters/lab/api/v1/pods HTTP/1.1\r\nHost: localhost\r\n" + ALICE + b"\r\n\r\n")
            status = client.status()
            if status == 403 and b"closed by policy" not in client.last_body:  # which is one that was under way
                break
    assert status == 403

    def denials() -> list[object]:
        return [record for record in own.gate.records() if record["event"] == "request" and not record["allowed"]]

    eventually("the denial is on record, for which nobody waits", denials)
    requests = [record for record in own.gate.records() if record["event"] == "request"]
    allowed = {record["policy_revision"] for record in requests if record["allowed"]}
    denied = {record["policy_revision"] for record in requests if not record["allowed"]}
    assert len(allowed) == len(denied) == 1 and allowed != denied
