"""Class 16: clients that take their time: with the handshake, the head, the body, and with what they never read.

The gate of these tests waits 1 to 2 seconds where the defaults say 5 to 120; the last test reads the defaults.
"""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from arena import HEAD, Arena
from lab.waiting import eventually
from live_gate import TOKENS
from raw_client import Http2Client, RawClient
from recording_cluster import Connection

from kgate.settings.operation import DeadlineSettings

pytestmark = pytest.mark.threat("16")

DEADLINES = {"handshake": "1s", "head": "2s", "body": "1s", "reader": "2s", "idle": "2s"}
PODS = b"GET /clusters/lab/api/v1/pods HTTP/1.1\r\n" + HEAD
POST = b"POST /clusters/lab/api/v1/namespaces/a/pods HTTP/1.1\r\nContent-Type: application/json\r\n" + HEAD
HEADERS = [
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":authority", b"localhost"),
    (b":path", b"/clusters/lab/api/v1/pods"),
    (b"authorization", b"Bearer " + TOKENS["alice"].encode()),
]


@pytest.fixture(scope="module")
def _hasty(_arena: Arena, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    made = _arena.beside(tmp_path_factory.mktemp("hasty"), settings={"deadlines": DEADLINES})
    yield made
    made.gate.stop()


@pytest.fixture
def hasty(_hasty: Arena) -> Arena:
    """A gate that waits a second or two."""
    _hasty.cluster.reset()
    return _hasty


def connect(arena: Arena, source: str = "127.0.0.1") -> socket.socket:
    """TCP, and nothing yet."""
    return socket.create_connection(("127.0.0.1", arena.gate.port), 60, source_address=(source, 0))


def closed_after(sock: socket.socket, seconds: float = 8.0) -> float:
    """How long until the gate closes; AssertionError where it does not."""
    started = time.monotonic()
    sock.settimeout(seconds)
    try:
        while sock.recv(65536):
            pass
    except TimeoutError:
        raise AssertionError(f"still open after {seconds} s") from None
    except OSError:
        pass
    return time.monotonic() - started


def trickled(client: RawClient | Http2Client, crumb: bytes, seconds: float = 8.0) -> float:
    """How long ``crumb`` after ``crumb`` is taken, one each tenth of a second."""
    started = time.monotonic()
    client.tls.settimeout(0.1)
    while time.monotonic() - started < seconds:
        try:
            client.tls.sendall(crumb)
            while client.tls.recv(65536):
                pass
            break
        except TimeoutError:
            continue
        except OSError:
            break
    return time.monotonic() - started


@pytest.mark.parametrize("begun", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00"])
def test_silence_instead_of_a_handshake_is_ended(hasty: Arena, begun: bytes) -> None:
    with connect(hasty) as raw:
        raw.sendall(begun)
        assert 0.5 < closed_after(raw) < 4


def test_bytes_that_are_no_handshake_are_ended_at_once(arena: Arena) -> None:
    with connect(arena) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert closed_after(raw) < DeadlineSettings().handshake - 1


@pytest.fixture
def patient(_arena: Arena, tmp_path: Path) -> Iterator[Arena]:
    """A gate that waits for a handshake for longer than any test takes."""
    made = _arena.beside(tmp_path / "gate", settings={"deadlines": {"handshake": "5m"}})
    yield made
    made.gate.stop()


def test_a_flood_of_handshakes_that_never_end_costs_the_flood_and_nobody_else(patient: Arena) -> None:
    """256 of one address wait for their deadline, the others are closed as they come; who comes from elsewhere is served."""
    arena = patient
    flood = [connect(arena) for _ in range(600)]
    try:
        context = arena.gate.context()
        with context.wrap_socket(connect(arena, "127.0.0.2"), server_hostname="localhost") as tls:
            tls.sendall(PODS + b"\r\n")
            assert tls.recv(100).startswith(b"HTTP/1.1 200 ")

        def ended() -> int:
            return sum(_has_ended(sock) for sock in flood)

        eventually("the ones past 256 are closed", lambda: ended() >= 600 - 256)
        assert ended() == 600 - 256
    finally:
        for sock in flood:
            sock.close()
    eventually("the address may come again", lambda: _served(arena))


def _has_ended(sock: socket.socket) -> bool:
    sock.setblocking(False)
    try:
        return sock.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _served(arena: Arena) -> bool:
    with contextlib.suppress(OSError, ssl.SSLError):
        return arena.get(b"/api/v1/pods") == 200
    return False


def test_a_head_that_never_ends_is_ended_however_it_trickles(hasty: Arena) -> None:
    with hasty.client() as client:
        client.send(PODS)
        assert 1 < trickled(client, b"X-A: b\r\n") < 6


def test_so_is_a_head_over_http2(hasty: Arena) -> None:
    """A HEADERS frame whose bytes come one by one."""
    with hasty.http2() as client:
        client.raw((500).to_bytes(3, "big") + b"\x01\x04\x00\x00\x00\x01")
        assert 1 < trickled(client, b"\x82") < 6


@pytest.mark.parametrize("alpn", ["http/1.1", "h2"])
def test_a_connection_that_never_asks_is_ended(hasty: Arena, alpn: str) -> None:
    with hasty.http2() if alpn == "h2" else hasty.client() as client:
        assert 1 < closed_after(client.tls) < 6


def test_pings_do_not_count_as_asking(hasty: Arena) -> None:
    with hasty.http2() as client:
        assert 1 < trickled(client, b"\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678") < 6


def test_a_connection_that_asked_once_and_says_no_more_is_ended(hasty: Arena) -> None:
    with hasty.client() as client:
        client.send(PODS + b"\r\n")
        assert client.status() == 200
        assert 1 < closed_after(client.tls) < 6


def test_a_body_that_stands_still_is_a_408_and_the_cluster_is_let_go(hasty: Arena) -> None:
    left = []
    hasty.cluster.answer = lambda connection, _head: left.append(connection.body(100))
    with hasty.client() as client:
        client.send(POST + b"Content-Length: 100\r\n\r\n{")
        assert client.status() == 408
        assert b"stopped coming for 1 s" in client.last_body
        assert client.rest() == b""
    eventually("the cluster's connection closes", lambda: left)


def test_so_is_one_over_http2_and_its_neighbours_live(hasty: Arena) -> None:
    hasty.cluster.answer = lambda connection, head: (
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") if b"GET" in head else None
    )
    with hasty.http2() as client:
        post = [(name, b"POST" if name == b":method" else value) for name, value in HEADERS]
        stalled = client.get([*post, (b"content-length", b"100"), (b"content-type", b"application/json")], end=False)
        assert client.outcome(stalled) == 408
        assert client.outcome(client.get(HEADERS)) == 200


@pytest.mark.parametrize("path", [b"/clusters/lab/api/v1/pods", b"/healthz"])
def test_a_stranger_who_has_the_answer_and_never_ends_the_request_is_ended(hasty: Arena, path: bytes) -> None:
    """Over HTTP/1.1 the answer ends the connection; over HTTP/2 the request's half may stay open."""
    with hasty.http2() as client:
        stream = client.get([(b":method", b"POST"), *HEADERS[1:3], (b":path", path)], end=False)
        assert client.outcome(stream) == (401 if path != b"/healthz" else 200)
        assert closed_after(client.tls) < 6


def test_an_answer_that_nobody_reads_is_let_go_and_little_of_it_is_held(hasty: Arena) -> None:
    gone: list[Connection] = []

    def much(connection: Connection, _head: bytes) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\n")
        for _ in range(200):
            connection.tls.sendall(bytes(1_000_000))

    def watched(connection: Connection, head: bytes) -> None:
        with contextlib.suppress(OSError):
            much(connection, head)
        gone.append(connection)

    hasty.cluster.answer = watched
    before, ends = _resident(hasty), len(_ends(hasty))
    with hasty.client() as client:
        client.send(PODS + b"\r\n")
        eventually("the cluster is let go", lambda: gone)
        assert _resident(hasty) - before < 30 * 1024 * 1024
    (end,) = eventually("its end is on record", lambda: _ends(hasty)[ends:])
    assert end["bytes_out"] < 100_000_000


def _ends(arena: Arena) -> list[dict[str, Any]]:
    """The records of answers that are more than a few words."""
    return [record for record in arena.gate.records() if record["event"] == "request-end" and record["bytes_out"] > 10_000]


MALLORY = b"GET /clusters/lab/api/v1/pods HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + TOKENS["mallory"].encode() + b"\r\n\r\n"


def test_refusals_of_requests_that_stand_in_a_row_are_all_given(arena: Arena) -> None:
    with arena.client() as client:
        client.send(MALLORY * 5)
        assert [client.status() for _ in range(5)] == [403] * 5


def test_a_client_that_asks_and_asks_and_never_reads_a_refusal_is_not_listened_to_any_more(arena: Arena) -> None:
    before = _resident(arena)
    with arena.client() as client:
        client.tls.settimeout(5)
        with pytest.raises(TimeoutError):
            client.tls.sendall(MALLORY * 200_000)
        assert _resident(arena) - before < 30 * 1024 * 1024
    assert arena.get(b"/api/v1/pods") == 200


def test_a_watch_may_be_silent_past_every_deadline(hasty: Arena) -> None:
    def late(connection: Connection, _head: bytes) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.closed.wait(4)
        connection.send(b"3\r\n{}\n\r\n0\r\n\r\n")

    hasty.cluster.answer = late
    with hasty.client() as client:
        client.send(PODS.replace(b"/pods", b"/pods?watch=true") + b"\r\n")
        assert client.status() == 200
        assert client.until(b"0\r\n\r\n") == b"3\r\n{}\n\r\n0\r\n\r\n"


def test_a_head_past_the_limit_is_a_431(arena: Arena) -> None:
    assert arena.get(b"/api/v1/pods", *[b"X-%d: " % number + b"y" * 1000 for number in range(80)]) == 431


def test_a_large_token_and_many_headers_are_fine(arena: Arena) -> None:
    assert arena.get(b"/api/v1/pods", *[b"X-%d: " % number + b"y" * 1000 for number in range(30)]) == 200


def test_the_defaults_are_those_that_are_promised() -> None:
    defaults = DeadlineSettings()
    assert (defaults.handshake, defaults.head) == (5, 10)
    assert (defaults.body, defaults.reader, defaults.idle) == (30, 120, 600)


def _resident(arena: Arena) -> int:
    process = arena.gate.process
    assert process is not None
    return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * 4096


def test_a_gate_without_a_descriptor_left_says_so_and_comes_back(arena: Arena, tmp_path: Path) -> None:
    """Who is connected is answered, with a sentence where the cluster cannot be dialled; who comes is turned away, which takes hardly any time."""
    own = arena.beside(tmp_path / "gate")
    process = own.gate.process
    assert process is not None
    flood: list[socket.socket] = []
    soft, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    try:
        with own.client() as client:
            client.send(PODS + b"\r\n")
            assert client.status() == 200
            own.cluster.hang_up()
            used = len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (used, hard))
            spent = _processor_seconds(process.pid)
            flood += [connect(own) for _ in range(60)]
            client.send(PODS + b"\r\n")
            assert client.status() == 503
            assert b"cluster lab cannot be reached: " in client.last_body and b"too many open files" in client.last_body
            client.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert client.status() == 200
            assert _processor_seconds(process.pid) - spent < 1
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (used + 30, hard))
            eventually("those who came are turned away", lambda: sum(map(_has_ended, flood)) == len(flood))
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (soft, hard))
            eventually("there are descriptors again", lambda: _served(own))
    finally:
        for each in flood:
            each.close()
        own.gate.stop()


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
