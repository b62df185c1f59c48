"""Class 15: streams and frames that cost the gate more than the client (CVE-2023-44487, CVE-2025-8671, CONTINUATION and other floods)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from arena import Arena
from h2.events import ResponseReceived
from lab.waiting import eventually
from live_gate import TOKENS
from raw_client import Http2Client
from recording_cluster import Connection

pytestmark = pytest.mark.threat("15")

HEADERS = [
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":authority", b"localhost"),
    (b":path", b"/clusters/lab/api/v1/pods"),
    (b"authorization", b"Bearer " + TOKENS["alice"].encode()),
]


def frame(kind: int, stream: int, payload: bytes = b"", flags: int = 0) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def reaches_the_end(client: Http2Client, seconds: float = 30.0) -> bool:
    """Whether the gate closes the connection."""
    deadline = time.monotonic() + seconds
    client.tls.settimeout(seconds)
    try:
        while time.monotonic() < deadline:
            if not client.turn():
                return True
    except TimeoutError:
        return False
    return False


def pods_of(namespace: str) -> list[tuple[bytes, bytes]]:
    """The request that lists them: a namespace of a flood's own tells its records from those of a flood before, which may still be written."""
    path = b"/clusters/lab/api/v1/namespaces/%b/pods" % namespace.encode()
    return [(name, path if name == b":path" else value) for name, value in HEADERS]


def admitted(arena: Arena, namespace: str) -> int:
    """How many requests reached policy. All that came before the question are on record when it is answered: the journal keeps order."""
    arena.cluster.reset()
    assert arena.get(b"/api/v1/namespaces/behind-%b/pods" % namespace.encode()) == 200
    asked = [record.get("namespace") for record in arena.gate.records() if record["event"] == "request"]
    assert f"behind-{namespace}" in asked
    return asked.count(namespace)


def cancelled(stream: int) -> bytes:
    """Rapid reset: the client takes its request back."""
    return frame(3, stream, b"\0\0\0\x08")


def made_to_reset(stream: int) -> bytes:
    """MadeYouReset: a WINDOW_UPDATE by nothing is a stream error, so that the gate resets the stream."""
    return frame(8, stream, b"\0\0\0\0")


def flood(client: Http2Client, namespace: str, ending: Callable[[int], bytes], requests: int) -> Iterator[bytes]:
    """So many requests, each with what brings it to nothing."""
    for _ in range(requests):
        stream = client.h2.get_next_available_stream_id()
        client.h2.remote_settings.max_concurrent_streams = 1 << 20  # what h2 would keep to
        client.h2.send_headers(stream, pods_of(namespace), end_stream=True)
        yield client.h2.data_to_send() + ending(stream)


@pytest.mark.parametrize("ending", [cancelled, made_to_reset])
def test_at_most_200_requests_of_a_burst_reach_policy(arena: Arena, ending: Callable[[int], bytes]) -> None:
    arena.cluster.answer = lambda connection, _head: None
    namespace = f"burst-{ending.__name__.replace('_', '-')}"
    with arena.http2() as client:
        client.raw(b"".join(flood(client, namespace, ending, 2000)))
        assert reaches_the_end(client)
    assert 190 <= admitted(arena, namespace) <= 200


@pytest.mark.parametrize("ending", [cancelled, made_to_reset])
def test_nor_do_more_of_a_flood_that_paces_itself(arena: Arena, ending: Callable[[int], bytes]) -> None:
    """Each request in a record of its own, read and answered before the next: no burst that a rate would catch."""
    arena.cluster.answer = lambda connection, _head: None
    namespace = f"paced-{ending.__name__.replace('_', '-')}"
    with arena.http2() as client:
        for request in list(flood(client, namespace, ending, 400)):
            client.raw(request + frame(6, 0, b"paced..."))
            if client.closed or not client.turn():
                break
        assert client.closed
    assert 190 <= admitted(arena, namespace) <= 200


def test_nor_of_one_whose_streams_are_taken_back_late(arena: Arena) -> None:
    """Streams that were carried to the cluster already, and then reset: each costs a stream there."""
    arena.cluster.answer = lambda connection, _head: None
    with arena.http2() as client:
        requests = list(flood(client, "late", lambda stream: b"", 300))
        for fifty in range(0, 200, 50):
            client.raw(b"".join(requests[fifty : fifty + 50]))
            eventually("the cluster has them", lambda seen=fifty + 50: sum(b"/late/" in head for head in arena.cluster.heads) >= seen)
            client.raw(b"".join(cancelled(2 * number + 1) for number in range(fifty, fifty + 50)))
        client.raw(b"".join(requests[200:]))
        assert reaches_the_end(client)
    assert admitted(arena, "late") <= 200


def test_nothing_that_stands_behind_the_gates_goodbye_reaches_policy(arena: Arena) -> None:
    """A connection error and a good request in the same read: GOAWAY is said to the first, the second is not even read."""
    with arena.http2() as client:
        stream = client.h2.get_next_available_stream_id()
        client.h2.send_headers(stream, pods_of("after-goaway"), end_stream=True)
        client.raw(frame(6, 1, b"12345678") + client.h2.data_to_send())
        assert reaches_the_end(client)
    assert admitted(arena, "after-goaway") == 0


@pytest.mark.parametrize(
    ("name", "flood"),
    [
        ("PING", frame(6, 0, b"12345678") * 20000),
        ("SETTINGS", frame(4, 0) * 20000),
        ("empty DATA", frame(0, 1) * 50000),
        ("PRIORITY", frame(2, 1, b"\0\0\0\0\x10") * 50000),
        ("RST_STREAM on what is closed", frame(3, 1, b"\0\0\0\x08") * 50000),
    ],
)
def test_a_flood_of_small_frames_ends_the_connection(arena: Arena, name: str, flood: bytes) -> None:
    with arena.http2() as client:
        client.get(HEADERS, end=False)
        client.raw(flood)
        assert client.closed or reaches_the_end(client), name
    assert arena.get(b"/api/v1/pods") == 200


def test_a_header_block_without_end_ends_the_connection(arena: Arena) -> None:
    with arena.http2() as client:
        client.raw(frame(1, 1, b"\x82", 0) + frame(9, 1, b"\x82" * 100) * 5000)
        assert client.closed or reaches_the_end(client)


def test_a_header_bomb_is_answered_431_and_others_live(arena: Arena) -> None:
    with arena.http2() as client:
        client.raw(b"")
        bomb = client.get([*HEADERS, *[(b"x-%d" % number, b"y" * 4000) for number in range(40)]])
        assert client.outcome(bomb) in (431, "reset")
        assert client.outcome(client.get(HEADERS)) == 200


def test_the_stream_past_the_limit_is_refused_and_the_others_live(arena: Arena) -> None:
    def hold(connection: Connection, _head: bytes) -> None:
        connection.closed.wait(2)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    arena.cluster.answer = hold
    with arena.http2() as client:
        streams = []
        for _ in range(101):
            stream = client.h2.get_next_available_stream_id()
            client.h2.remote_settings.max_concurrent_streams = 1000
            client.h2.send_headers(stream, HEADERS, end_stream=True)
            streams.append(stream)
        client.flush()
        outcomes = [client.outcome(stream) for stream in streams]
    assert outcomes[-1] == "reset"
    assert outcomes[:-1] == [200] * 100


def test_a_connection_on_which_nobody_signed_in_gets_one_answer(arena: Arena) -> None:
    """Whoever guesses at tokens pays a handshake for each guess."""
    with arena.http2() as client:
        assert client.outcome(client.get([pair for pair in HEADERS if pair[0] != b"authorization"])) == 401
        assert client.closed or reaches_the_end(client)
    with arena.client() as other:
        other.send(b"GET /clusters/lab/api/v1/pods HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3)
        assert other.status() == 401
        assert other.rest() == b""


def test_a_hundred_streams_without_a_window_hold_little_memory(arena: Arena) -> None:
    body = b"x" * 4_000_000
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    arena.cluster.answer = lambda connection, _head: connection.send(head + body)
    with arena.http2() as client:
        client.raw(frame(4, 0, b"\x00\x04\x00\x00\x00\x00"))  # INITIAL_WINDOW_SIZE 0
        before = _resident(arena)
        for _ in range(100):
            client.get(HEADERS)
        for _ in range(100):
            client.turn()
            if len([event for event in client.events if isinstance(event, ResponseReceived)]) >= 100:
                break
        held = _settled(arena) - before
    assert held < 100 * 1024 * 1024, f"{held} bytes"


def _settled(arena: Arena) -> int:
    """What the gate holds once it takes no more: the same in ten looks."""
    looks = [_resident(arena)]

    def same() -> bool:
        looks.append(_resident(arena))
        return len(looks) > 10 and len(set(looks[-10:])) == 1

    eventually("the gate takes no more", same)
    return looks[-1]


def _resident(arena: Arena) -> int:
    process = arena.gate.process
    assert process is not None
    with open(f"/proc/{process.pid}/statm") as file:
        return int(file.read().split()[1]) * 4096
