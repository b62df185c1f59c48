"""Class 07: only the cluster's 101 opens a tunnel (CVE-2018-1002105); what comes early or does not fit is never passed on."""

from __future__ import annotations

import pytest
from arena import HEAD, Arena
from recording_cluster import Connection

pytestmark = pytest.mark.threat("07")

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""RFC 6455 section 1.3's own example."""
EXEC = b"GET /clusters/lab/api/v1/namespaces/a/pods/web/exec?command=id&stdout=true HTTP/1.1\r\n" + HEAD
WEBSOCKET = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY
UPGRADE = EXEC + WEBSOCKET + b"\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n"
SMUGGLED = b"GET /clusters/lab/api/v1/namespaces/smuggled/secrets HTTP/1.1\r\n" + HEAD + b"\r\n"


def switching(*lines: bytes) -> bytes:
    return b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


GOOD = switching(b"Upgrade: websocket", b"Sec-WebSocket-Accept: " + ACCEPT, b"Sec-WebSocket-Protocol: v5.channel.k8s.io")


def test_an_answer_other_than_101_is_relayed_and_both_ends_close(arena: Arena) -> None:
    arena.cluster.answer = lambda connection, _head: connection.send(
        b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nno"
    )
    with arena.client() as client:
        client.send(UPGRADE)
        assert client.status() == 403
        client.send(SMUGGLED)
        assert client.rest() == b""
    assert len(arena.cluster.heads) == 1


def test_bytes_before_the_101_never_reach_the_cluster_as_a_request(arena: Arena) -> None:
    arena.cluster.answer = lambda connection, _head: connection.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    with arena.client() as client:
        client.send(UPGRADE + SMUGGLED)
        assert client.status() == 400
        assert client.rest() == b""
    assert len(arena.cluster.heads) == 1 and b"smuggled" not in arena.cluster.heads[0]


@pytest.mark.parametrize(
    "answer",
    {
        "another protocol": switching(b"Upgrade: h2c"),
        "a wrong accept": GOOD.replace(ACCEPT, b"AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        "no accept": GOOD.replace(b"Sec-WebSocket-Accept", b"X-Other"),
        "a subprotocol that nobody offered": GOOD.replace(b"v5.channel", b"v4.channel"),
        "an extension": GOOD[:-2] + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
        "no Upgrade": switching(b"Sec-WebSocket-Accept: " + ACCEPT),
    }.values(),
)
def test_a_101_that_does_not_answer_what_was_asked_is_a_502(arena: Arena, answer: bytes) -> None:
    arena.cluster.answer = lambda connection, _head: connection.send(answer)
    assert arena.ask(UPGRADE) == 502


def test_a_101_to_a_request_that_asked_for_no_upgrade_is_a_502(arena: Arena) -> None:
    arena.cluster.answer = lambda connection, _head: connection.send(GOOD)
    assert arena.get(b"/api/v1/pods") in (502, 503)


@pytest.mark.parametrize(
    "request_",
    {
        "h2c": EXEC + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
        "two Upgrades": EXEC + WEBSOCKET + b"\r\nUpgrade: SPDY/3.1\r\n\r\n",
        "Connection without Upgrade": EXEC + b"Connection: Upgrade\r\n\r\n",
        "a protocol that nobody knows": EXEC + b"Connection: Upgrade\r\nUpgrade: tls/1.3\r\n\r\n",
        "a body": EXEC + WEBSOCKET + b"\r\nContent-Length: 5\r\n\r\nhello",
    }.values(),
)
def test_an_upgrade_that_could_be_read_in_two_ways_is_refused(arena: Arena, request_: bytes) -> None:
    assert arena.ask(request_) in (400, 403)
    assert arena.cluster.heads == []


def test_after_the_101_bytes_pass_and_no_request_is_read(arena: Arena) -> None:
    def serve(connection: Connection, _head: bytes) -> None:
        connection.send(GOOD + b"\x82\x03\x01hi")
        connection.receive()

    arena.cluster.answer = serve
    with arena.client() as client:
        client.send(UPGRADE)
        assert client.status() == 101
        assert client.until(b"hi") == b"\x82\x03\x01hi"
        client.send(SMUGGLED)  # not a masked frame: the tunnel ends, and nothing of it is a request
        client.rest()
    assert len(arena.cluster.heads) == 1
