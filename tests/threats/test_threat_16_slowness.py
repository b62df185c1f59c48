"""Class 16: clients that take their time: with the handshake, the head, and what they never read."""

from __future__ import annotations

import socket
import time

import pytest
from arena import HEAD, Arena

pytestmark = pytest.mark.threat("16")


def closed_after(sock: socket.socket, seconds: float) -> float:
    """How long until the gate closes; AssertionError where it does not."""
    started = time.monotonic()
    sock.settimeout(seconds)
    try:
        while sock.recv(65536):
            pass
    except ConnectionError:
        pass
    except TimeoutError:
        raise AssertionError(f"still open after {seconds} s") from None
    return time.monotonic() - started


def test_silence_instead_of_a_handshake_is_ended_after_five_seconds(arena: Arena) -> None:
    with socket.create_connection(("127.0.0.1", arena.gate.port)) as raw:
        raw.sendall(b"\x16\x03\x01")
        assert 3 < closed_after(raw, 8) < 8


def test_a_head_that_never_ends_is_ended_after_ten_seconds_however_it_trickles(arena: Arena) -> None:
    with arena.client() as client:
        client.send(b"GET /clusters/lab/api/v1/pods HTTP/1.1\r\n" + HEAD)
        started = time.monotonic()
        client.tls.settimeout(0.5)
        while time.monotonic() - started < 14:
            try:
                client.send(b"X-A: b\r\n")
                if not client.tls.recv(1000):
                    break
            except TimeoutError:
                continue
            except (ConnectionError, OSError):
                break
        assert 8 < time.monotonic() - started < 13.5


def test_meanwhile_others_are_served(arena: Arena) -> None:
    idle = [socket.create_connection(("127.0.0.1", arena.gate.port)) for _ in range(200)]
    assert arena.get(b"/api/v1/pods") == 200
    for sock in idle:
        sock.close()


def test_a_head_past_the_limit_is_a_431(arena: Arena) -> None:
    assert arena.get(b"/api/v1/pods", *[b"X-%d: " % number + b"y" * 1000 for number in range(80)]) == 431


def test_a_large_token_and_many_headers_are_fine(arena: Arena) -> None:
    assert arena.get(b"/api/v1/pods", *[b"X-%d: " % number + b"y" * 1000 for number in range(30)]) == 200
