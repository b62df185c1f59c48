"""``TlsTransport`` between a client in memory and a socket that keeps what it is given."""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path
from typing import Any

import pytest
from authority import Authority

from kgate.net.contexts import client_context, server_context
from kgate.net.tls import RECORD, TOGETHER, TlsTransport


class Wire:
    """What the transport takes for its socket."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.open = True

    def write(self, data: bytes) -> None:
        self.sent += data

    def close(self) -> None:
        self.open = False

    def resume_reading(self) -> None:
        pass

    def pause_reading(self) -> None:
        pass


class World:
    """Carries what the transport decrypts; ``client`` is the other end. ``enough``: pieces after which it closes."""

    def __init__(self, folder: Path) -> None:
        authority = Authority()
        certificate, key = authority.leaf("localhost").write(folder, "server")
        self.wire: Any = Wire()
        self.transport = TlsTransport(server_context(certificate, key, authority.certificate.decode()), self, server_side=True)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client_context(authority.certificate.decode()).wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self.pieces: list[bytes] = []
        self.over = False
        self.lost_because: str | None = None
        self.enough = 1000
        self.transport.start(self.wire)
        for _ in range(2):
            with contextlib.suppress(ssl.SSLWantReadError):
                self.client.do_handshake()
            self.flow()

    def flow(self) -> None:
        """What each side has for the other gets there, in one piece."""
        self.transport.received(memoryview(self.outgoing.read()))
        assert self.lost_because is None
        self.incoming.write(bytes(self.wire.sent))
        self.wire.sent.clear()

    def say(self, data: bytes) -> None:
        for start in range(0, len(data), RECORD):
            self.client.write(data[start : start + RECORD])

    def connected(self, transport: TlsTransport) -> World:
        return self

    def received(self, data: bytes) -> None:
        self.pieces.append(data)
        if len(self.pieces) == self.enough:
            self.transport.close()

    def ended(self) -> None:
        self.over = True

    def lost(self, reason: str) -> None:
        self.lost_because = reason

    def drained(self) -> None:
        pass


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_all_records_of_one_read_are_given_on_together(world: World) -> None:
    data = bytes(range(256)) * 1024  # 16 records
    world.say(data)
    world.flow()
    assert world.pieces == [data]


def test_records_that_go_straight_out_are_given_on_some_at_a_time_in_their_order(world: World) -> None:
    world.transport.give_at_once()
    data = bytes(range(256)) * 1024
    world.say(data)
    world.flow()
    assert b"".join(world.pieces) == data
    assert len(world.pieces) > 2
    assert max(map(len, world.pieces)) <= (TOGETHER + 1) * RECORD


def test_nothing_is_given_on_after_a_close_though_it_came_with_what_was(world: World) -> None:
    world.transport.give_at_once()
    world.enough = 1
    world.say(bytes(16 * RECORD))
    world.flow()
    assert len(world.pieces) == 1


def test_what_comes_before_a_close_notify_is_given_on_before_the_end(world: World) -> None:
    world.transport.give_at_once()
    world.say(bytes(9 * RECORD))
    with contextlib.suppress(ssl.SSLWantReadError):
        world.client.unwrap()
    world.flow()
    assert sum(map(len, world.pieces)) == 9 * RECORD
    assert world.over


def test_records_before_one_that_is_broken_count_and_the_connection_ends(world: World) -> None:
    world.transport.give_at_once()
    world.say(bytes(8 * RECORD))
    broken = bytearray(world.outgoing.read())
    broken[-1] ^= 1
    world.transport.received(memoryview(broken))
    assert world.lost_because is not None
    assert "bad record mac" in world.lost_because
    assert 0 < sum(map(len, world.pieces)) < 8 * RECORD
