"""``StreamSocket`` over a socket pair, with a reactor that only notes what it is asked."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from kgate.net.sockets import StreamSocket
from kgate.net.turn import Turn


class Reactor:
    """Whose sockets are read from and written to."""

    def __init__(self) -> None:
        self.readers: set[Any] = set()
        self.writers: set[Any] = set()
        self.addReader, self.removeReader = self.readers.add, self.readers.discard
        self.addWriter, self.removeWriter = self.writers.add, self.writers.discard


class World:
    """One connection; keeps what its owner is told."""

    def __init__(self) -> None:
        self.reactor = Reactor()
        ours, self.peer = socket.socketpair()
        self.peer.settimeout(5)
        self.stream = StreamSocket(self.reactor, Turn(), ours)
        self.stream.own(self)
        self.stream.resume_reading()
        self.pieces: list[bytes] = []
        self.over = False
        self.lost_because: list[str] = []

    def received(self, data: memoryview) -> None:
        self.pieces.append(bytes(data))

    def ended(self) -> None:
        self.over = True

    def lost(self, reason: str) -> None:
        self.lost_because.append(reason)

    def drained(self) -> None:
        pass

    def read(self, size: int) -> bytes:
        """So many bytes at the other end, while the backlog goes out."""
        data = b""
        while len(data) < size:
            data += self.peer.recv(1 << 20)
            if self.stream in self.reactor.writers:
                self.stream.doWrite()
        return data


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.stream.abort()
    made.peer.close()


@pytest.mark.parametrize("size", [1, 2, 1023, 1024, 1025, 1026, 70_000])
def test_a_read_gives_what_came_and_no_more(world: World, size: int) -> None:
    for data in (bytes([7]) * size, bytes([8]) * size):
        world.peer.sendall(data)
        world.stream.doRead()
        assert world.pieces == [data]
        world.pieces.clear()


def test_the_peers_end_is_told_and_nothing_is_read_any_more(world: World) -> None:
    world.peer.shutdown(socket.SHUT_WR)
    world.stream.doRead()
    assert world.over
    assert world.reactor.readers == set()


def test_reading_and_writing_what_would_block_changes_nothing(world: World) -> None:
    world.stream.doRead()
    world.stream.doWrite()
    assert world.stream.open
    assert world.pieces == []


@pytest.mark.parametrize("pieces", [[b"one"], [b"one", b"two"], [bytes([index % 251]) * 16_406 for index in range(200)]])
def test_what_the_kernel_does_not_take_at_once_goes_out_in_order(world: World, pieces: list[bytes]) -> None:
    world.stream.write(b"before")
    world.stream.write_all(pieces)
    world.stream.write(b"behind")
    wanted = b"before" + b"".join(pieces) + b"behind"
    assert world.read(len(wanted)) == wanted
    assert world.reactor.writers == set()


@pytest.mark.parametrize("all_at_once", [False, True])
def test_writing_to_a_peer_that_is_gone_loses_the_connection_once(world: World, all_at_once: bool) -> None:
    world.peer.close()
    for _ in range(3):
        if all_at_once:
            world.stream.write_all([b"x", b"y"])
        else:
            world.stream.write(b"x")
    assert len(world.lost_because) == 1
    assert world.stream.fileno() == -1
    assert not world.stream.open
