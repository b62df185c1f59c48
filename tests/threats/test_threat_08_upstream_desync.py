"""Class 08: a cluster whose answers could be read in two ways, or that answers what was not asked."""

from __future__ import annotations

import pytest
from arena import ALICE, Arena
from recording_cluster import OK, Connection

pytestmark = pytest.mark.threat("08")

BODY = b"Content-Type: application/json\r\n"
BAD = {
    "CL and TE": b"HTTP/1.1 200 OK\r\n" + BODY + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\n" + BODY + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "an obs-fold": b"HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "no HTTP": b"SSH-2.0-OpenSSH\r\n\r\n",
    "a control byte in a value": b"HTTP/1.1 200 OK\r\nX-A: b\x00c\r\nContent-Length: 0\r\n\r\n",
    "a flood of 1xx": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 200 + OK,
}


@pytest.mark.parametrize("name", BAD)
def test_it_is_a_bad_gateway_and_the_next_request_is_unharmed(arena: Arena, name: str) -> None:
    arena.cluster.answer = lambda connection, _head: connection.send(BAD[name])
    assert arena.get(b"/api/v1/pods") in (502, 503)
    arena.cluster.reset()
    assert arena.get(b"/api/v1/pods") == 200


def test_excess_bytes_are_nobody_elses_answer(arena: Arena) -> None:
    poison = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\npoisoned"
    arena.cluster.answer = lambda connection, _head: connection.send(OK + poison)
    with arena.client() as client:
        for _ in range(4):
            client.send(b"GET /clusters/lab/api/v1/pods HTTP/1.1\r\nHost: localhost\r\n" + ALICE + b"\r\n\r\n")
            assert client.status() == 200
            assert client.last_body == b"{}"


def test_an_answer_to_nothing_closes_that_connection_only(arena: Arena) -> None:
    assert arena.get(b"/api/v1/pods") == 200
    for connection in list(arena.cluster.connections):
        if not connection.closed.is_set():
            connection.send(OK)
    assert [arena.get(b"/api/v1/pods") for _ in range(3)] == [200, 200, 200]


def test_an_answer_cut_short_is_not_passed_off_as_whole(arena: Arena) -> None:
    def short(connection: Connection, _head: bytes) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\n" + BODY + b"Content-Length: 100\r\n\r\n{}")
        connection.close()

    arena.cluster.answer = short
    with arena.client() as client:
        client.send(b"GET /clusters/lab/api/v1/pods HTTP/1.1\r\nHost: localhost\r\n" + ALICE + b"\r\n\r\n")
        answer = client.rest()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-length: 100" in head.lower() and len(body) < 100
