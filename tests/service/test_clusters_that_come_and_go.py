"""A cluster that is not as it should be: the person reads whose fault it is and what to do, soon; nothing hangs; and when it is mended, it works."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from arena import Arena
from authority import Authority
from lab.waiting import eventually
from ports import free_port
from recording_cluster import Connection, RecordingCluster
from running import Make

PODS = b"/api/v1/pods"


def told(arena: Arena) -> tuple[int, str]:
    """Status and message of one request."""
    with arena.client() as client:
        started = time.monotonic()
        client.send(b"GET /clusters/lab/api/v1/pods HTTP/1.1\r\n" + arena.head + b"\r\n")
        status = client.status()
        assert time.monotonic() - started < 8
        return status, client.last_body.decode()


def not_ready(arena: Arena, words: str) -> None:
    """The admin page names the cluster and the reason."""
    eventually("readyz says so", lambda: arena.gate.admin("/readyz")[0] == 503)
    page = arena.gate.admin("/readyz")[1]
    assert "clusters: none of them can be reached\n" in page and f"warning: cluster lab: {words}" in page


def test_nobody_listens_there_and_then_somebody_does(make: Make, authority: Authority, tmp_path: Path) -> None:
    port = free_port()
    arena = make({"server": f"https://127.0.0.1:{port}"})
    arena.gate.start()
    status, message = told(arena)
    assert status == 503
    assert "kgate: cluster lab cannot be reached: connection refused; ask whoever runs this gate (request " in message
    not_ready(arena, "connection refused")
    (tmp_path / "later").mkdir()
    later = RecordingCluster(tmp_path / "later", authority, port=port)
    try:
        assert told(arena)[0] == 200
        eventually("ready again", lambda: arena.gate.admin("/readyz")[0] == 200)
    finally:
        later.stop()


@pytest.mark.parametrize(
    ("starts", "ends", "words"),
    [(-9, -2, "certificate verify failed: certificate has expired"), (3, 9, "certificate verify failed: certificate is not yet valid")],
)
def test_a_certificate_that_is_not_in_force(make: Make, authority: Authority, tmp_path: Path, starts: int, ends: int, words: str) -> None:
    (tmp_path / "other").mkdir()
    other = RecordingCluster(tmp_path / "other", authority, leaf=authority.leaf("127.0.0.1", starts=starts, ends=ends))
    try:
        arena = make({"server": f"https://127.0.0.1:{other.port}"})
        arena.gate.start()
        status, message = told(arena)
        assert status == 503 and f"cluster lab cannot be reached: {words}" in message
        not_ready(arena, words)
        assert other.heads == []
    finally:
        other.stop()


@pytest.fixture(scope="module")
def _arena(make_shared: Make) -> Arena:
    made = make_shared()
    made.gate.start()
    return made


@pytest.fixture
def arena(_arena: Arena) -> Arena:
    """A gate whose cluster is well at first."""
    _arena.cluster.reset()
    return _arena


def answering(arena: Arena, data: bytes, *, close: bool = False) -> None:
    """The cluster answers everything so."""

    def answer(connection: Connection, _head: bytes) -> None:
        connection.send(data)
        if close:
            connection.close()

    arena.cluster.answer = answer


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200 OK\r\nContent-"], ids=["without a word", "in its head"])
def test_a_cluster_that_closes_instead_of_an_answer(arena: Arena, data: bytes) -> None:
    answering(arena, data, close=True)
    status, message = told(arena)
    assert status in (502, 503) and "cluster lab" in message


def test_a_cluster_that_speaks_something_else(arena: Arena) -> None:
    answering(arena, b"SSH-2.0-OpenSSH_9.7\r\n")
    status, message = told(arena)
    assert status == 503 and "cluster lab cannot be reached: the cluster broke the protocol: the answer is not HTTP/1.x" in message


def test_a_cluster_that_dies_in_mid_answer_is_not_taken_for_whole(arena: Arena) -> None:
    answering(arena, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", close=True)
    with arena.client() as client:
        client.send(b"GET /clusters/lab/api/v1/pods HTTP/1.1\r\n" + arena.head + b"\r\n")
        assert client.status() == 200
        assert not client.rest().endswith(b"0\r\n\r\n")


def test_a_restarted_cluster_is_dialled_anew(arena: Arena) -> None:
    assert told(arena)[0] == 200
    arena.cluster.hang_up()
    assert told(arena)[0] == 200
