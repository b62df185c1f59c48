"""Class 15: streams and frames that cost the gate more than the client (CVE-2023-44487, CVE-2025-8671, CONTINUATION and other floods)."""

from __future__ import annotations

import time

import pytest
from arena import Arena
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


def reaches_the_end(client: Http2Client, seconds: float = 8.0) -> bool:
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


def admitted(arena: Arena, before: int) -> int:
    """How many requests reached policy since."""
    return len([record for record in arena.gate.records()[before:] if record["event"] == "request"])


def test_rapid_reset_in_one_burst_reaches_policy_at_most_200_times(arena: Arena) -> None:
    arena.cluster.answer = lambda connection, _head: None
    before = len(arena.gate.records())
    with arena.http2() as client:
        burst = bytearray()
        for _ in range(2000):
            stream = client.h2.get_next_available_stream_id()
            client.h2.send_headers(stream, HEADERS, end_stream=True)
            client.h2.reset_stream(stream, 8)
            burst += client.h2.data_to_send()
        client.raw(bytes(burst))
        assert reaches_the_end(client)
    assert admitted(arena, before) <= 201


def test_made_you_reset_counts_too(arena: Arena) -> None:
    arena.cluster.answer = lambda connection, _head: None
    before = len(arena.gate.records())
    with arena.http2() as client:
        burst = bytearray()
        for _ in range(2000):
            stream = client.h2.get_next_available_stream_id()
            client.h2.send_headers(stream, HEADERS, end_stream=True)
            burst += client.h2.data_to_send() + frame(
                8, stream, b"\0\0\0\0"
            )  # WINDOW_UPDATE of 0: a stream error that makes the gate reset
        client.raw(bytes(burst))
        assert reaches_the_end(client)
    assert admitted(arena, before) <= 201


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
            if len([e for e in client.events if type(e).__name__ == "ResponseReceived"]) >= 100:
                break
        held = _resident(arena) - before
    assert held < 100 * 1024 * 1024, f"{held} bytes"


def _resident(arena: Arena) -> int:
    process = arena.gate.process
    assert process is not None
    with open(f"/proc/{process.pid}/statm") as file:
        return int(file.read().split()[1]) * 4096
