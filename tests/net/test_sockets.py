"""``StreamSocket`` over a socket pair, with a reactor that only notes what it is asked."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lab.waiting import eventually
from twisted.internet.task import Clock

from kgate.net.sockets import GATHERED, HIGH_WATER, LINGER_MOST, LINGER_SECONDS, PARTING_SECONDS, StreamSocket
from kgate.net.turn import Turn


class Reactor:
    """Whose sockets are read from and written to."""

    def __init__(self) -> None:
        self.readers: set[Any] = set()
        self.writers: set[Any] = set()
        self.addReader, self.removeReader = self.readers.add, self.readers.discard
        self.addWriter, self.removeWriter = self.writers.add, self.writers.discard
        self.clock = Clock()
        self.callLater = self.clock.callLater


class World:
    """One connection; keeps what its owner is told."""

    def __init__(self, turn: Turn | None = None, pair: tuple[socket.socket, socket.socket] | None = None) -> None:
        self.reactor = Reactor()
        ours, self.peer = pair or socket.socketpair()
        self.peer.settimeout(60)
        self.turn = turn or Turn()
        self.stream = StreamSocket(self.reactor, self.turn, ours)
        self.stream.own(self)
        self.stream.resume_reading()
        self.pieces: list[bytes] = []
        self.over = False
        self.lost_because: list[str] = []
        self.relieved = 0

    def received(self, data: memoryview) -> None:
        self.pieces.append(bytes(data))

    def ended(self) -> None:
        self.over = True

    def lost(self, reason: str) -> None:
        self.lost_because.append(reason)

    def drained(self) -> None:
        self.relieved += 1

    def arrived(self) -> bytes:
        """What is there at the other end now."""
        return self.peer.recv(1 << 20) if select.select([self.peer], [], [], 0)[0] else b""

    def read(self, size: int) -> bytes:
        """So many bytes at the other end, while the backlog goes out."""
        data = b""
        while len(data) < size or self.stream in self.reactor.writers:
            if self.stream in self.reactor.writers:
                self.stream.doWrite()
            came = self.peer.recv(1 << 20)
            assert came, f"the end after {len(data)} bytes"
            data += came
        return data

    def close(self) -> None:
        self.stream.abort()
        self.peer.close()


@pytest.fixture
def world() -> Iterator[World]:
    with closing(World()) as made:
        yield made


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
    for piece in pieces:
        world.stream.gather(piece)
    world.stream.write(b"behind")
    world.turn.flush()
    wanted = b"before" + b"".join(pieces) + b"behind"
    assert world.read(len(wanted)) == wanted
    assert world.reactor.writers == set()


def test_what_is_gathered_goes_out_at_the_turns_end_and_what_is_written_behind_it_too(world: World) -> None:
    world.stream.gather(b"one ")
    world.stream.gather(b"two ")
    world.stream.write(b"three")
    assert world.arrived() == b""
    world.turn.flush()
    assert world.arrived() == b"one two three"


def test_much_that_is_gathered_does_not_wait_for_the_turns_end(world: World) -> None:
    for _ in range(GATHERED // 16_384):
        assert world.arrived() == b""
        world.stream.gather(bytes(16_384))
    assert world.arrived() == bytes(GATHERED)


def test_a_close_sends_what_is_gathered_first(world: World) -> None:
    world.stream.gather(b"the last words")
    world.stream.close()
    assert world.peer.recv(100) == b"the last words"
    assert world.peer.recv(100) == b""


def test_an_abort_in_a_turn_leaves_nothing_to_be_sent(world: World) -> None:
    world.stream.gather(b"never")
    world.stream.abort()
    world.turn.flush()
    assert world.peer.recv(100) == b""
    assert world.lost_because == ["aborted"]


class Raises:
    def flush(self) -> None:
        raise ValueError("a bug")


def test_a_bug_in_one_connections_flush_does_not_keep_what_another_gathered(world: World) -> None:
    world.turn.mark(Raises())
    world.stream.gather(b"one")
    with pytest.raises(ValueError, match="a bug"):
        world.turn.flush()
    world.turn.flush()
    world.stream.gather(b"two")
    world.turn.flush()
    assert world.arrived() == b"onetwo"


def test_a_peer_that_says_its_last_word_still_gets_what_a_close_has_for_it(world: World) -> None:
    data = bytes(5_000_000)
    world.stream.write(data)
    world.stream.close()
    world.peer.shutdown(socket.SHUT_WR)
    world.stream.doRead()
    assert world.reactor.readers == set()
    assert world.read(len(data)) == data


def test_what_the_loss_of_a_connection_leaves_to_be_sent_elsewhere_does_not_wait_for_another_turn(world: World) -> None:
    with closing(World(world.turn)) as other:
        world.lost = lambda reason: other.stream.gather(b"it is gone")  # type: ignore[method-assign]
        world.stream.close()
        world.reactor.clock.advance(LINGER_SECONDS)
        assert other.arrived() == b"it is gone"


def test_much_in_small_pieces_to_a_peer_that_reads_is_no_congestion(world: World) -> None:
    world.stream.gather(b"x")
    for _ in range(HIGH_WATER // 64):
        world.stream.write(bytes(64))
        world.arrived()
    world.turn.flush()
    assert not world.stream.congested


steps = st.one_of(
    st.tuples(st.sampled_from(["write", "gather"]), st.sampled_from([1, 64, 16_406, 70_000, 300_000])),
    st.tuples(st.sampled_from(["turn", "read", "ready"]), st.just(0)),
)


@settings(max_examples=200)
@given(st.lists(steps, max_size=40))
def test_whatever_is_sent_in_whatever_way_all_of_it_comes_in_order_and_congestion_passes(steps: list[tuple[str, int]]) -> None:
    said, heard, rose = b"", b"", 0
    with closing(World()) as world:
        for number, (step, size) in enumerate(steps):
            before = world.stream.congested
            if step in ("write", "gather"):
                data = bytes([number]) * size
                (world.stream.write if step == "write" else world.stream.gather)(data)
                said += data
            elif step == "turn":
                world.turn.flush()
            elif step == "read":
                heard += world.arrived()
            elif world.stream in world.reactor.writers:
                world.stream.doWrite()
            rose += world.stream.congested and not before
            assert said.startswith(heard)
            assert not world.stream.congested or world.stream in world.reactor.writers, "nobody would ever be told that it passed"
        world.turn.flush()
        heard += world.read(len(said) - len(heard))
        assert heard == said
        assert not world.stream.congested
        assert world.relieved == rose


@pytest.mark.parametrize("all_at_once", [False, True])
def test_writing_to_a_peer_that_is_gone_loses_the_connection_once(world: World, all_at_once: bool) -> None:
    world.peer.close()
    for _ in range(3):
        if all_at_once:
            world.stream.gather(b"x")
            world.turn.flush()
        else:
            world.stream.write(b"x")
    assert len(world.lost_because) == 1
    assert world.stream.fileno() == -1
    assert not world.stream.open


def test_a_peer_that_is_gone_congests_nothing(world: World) -> None:
    """Nobody would ever tell the source that it may go on."""
    world.peer.close()
    world.stream.gather(b"x" * (HIGH_WATER + 1))
    assert len(world.lost_because) == 1
    assert not world.stream.congested


@pytest.mark.parametrize("way", ["write", "gather", "backlog"])
@pytest.mark.parametrize("paused", [False, True])
def test_what_a_peer_said_before_it_hung_up_is_read_though_it_took_no_more(way: str, paused: bool) -> None:
    """A command that ends before it has read all of its input: the kubelet's connection is reset, behind how the command ended."""
    with closing(over_tcp()) as world:
        stream = world.stream
        stream.write(bytes(16 << 20) if way == "backlog" else b"more than it wants")
        if paused:
            stream.pause_reading()
        last = bytes(range(256)) * 8
        world.peer.sendall(last)
        world.peer.close()  # with something unread: a reset
        until_reset(world)
        {"write": lambda: stream.write(b"x"), "gather": lambda: stream.gather(b"x"), "backlog": stream.doWrite}[way]()
        world.turn.flush()
        stream.write(b"x")
        assert world.lost_because == [] and stream.open and not stream.congested
        assert world.reactor.readers == {stream} and world.reactor.writers == set()
        stream.pause_reading()  # what is left is in the kernel, and no more comes: nobody has to wait for its end
        stream.doRead()
        stream.doWrite()
        assert b"".join(world.pieces) == last and world.reactor.readers == {stream}
        stream.doRead()
        assert len(world.lost_because) == 1 and not world.over and not stream.open


def test_a_close_does_not_wait_for_a_peer_that_hung_up() -> None:
    with closing(over_tcp()) as world:
        world.stream.write(b"more than it wants")
        world.peer.sendall(b"last words")
        world.peer.close()
        until_reset(world)
        world.stream.write(b"x")
        world.stream.close()
        assert len(world.lost_because) == 1 and world.reactor.readers == set()


def until_reset(world: World) -> None:
    """Even from this machine to itself it takes its time, where the machine has much to do."""
    poll = select.poll()
    poll.register(world.stream.fileno(), 0)
    assert poll.poll(60_000)


def over_tcp() -> World:
    """One whose kernel tells what the peer has taken to the byte, and whose peer's takes little at once."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        peer = socket.socket()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        peer.connect(listening.getsockname())
        return World(pair=(listening.accept()[0], peer))


def slowly(world: World, size: int) -> int:
    """Have the peer read so much, and then nothing for as long as a close waits; how much came."""
    left = size
    while left:
        if world.stream in world.reactor.writers and select.select([], [world.stream], [], 0)[1]:
            world.stream.doWrite()
        came = len(world.peer.recv(left))
        if not came:
            break
        left -= came
    world.reactor.clock.advance(LINGER_SECONDS)
    return size - left


def test_a_peer_that_reads_slowly_gets_all_that_a_close_has_for_it() -> None:
    with closing(over_tcp()) as world:
        world.stream.write(bytes(16 << 20))
        world.stream.close()
        assert world.stream in world.reactor.writers  # the kernel did not take all of it
        assert [slowly(world, 1 << 20) for _ in range(16)] == [1 << 20] * 16


def test_a_peer_that_reads_nothing_is_aborted_after_a_close(world: World) -> None:
    world.stream.write(bytes(2 * HIGH_WATER))
    world.stream.close()
    world.reactor.clock.advance(LINGER_SECONDS)
    assert world.lost_because == ["aborted"]


def test_a_peer_that_reads_nothing_for_a_while_gets_all_that_a_patient_close_has_for_it() -> None:
    with closing(over_tcp()) as world:
        world.stream.write(bytes(8 << 20))
        world.stream.close(patient=True)
        for _ in range(LINGER_MOST - 10):
            world.reactor.clock.advance(LINGER_SECONDS)
        assert [slowly(world, 1 << 20) for _ in range(8)] == [1 << 20] * 8


def test_a_patient_close_has_an_end_and_does_not_wait_for_whoever_has_taken_it_all() -> None:
    with closing(over_tcp()) as world:
        world.stream.write(bytes(8 << 20))
        world.stream.close(patient=True)
        for _ in range(LINGER_MOST):
            world.reactor.clock.advance(LINGER_SECONDS)
            assert world.lost_because == []
        world.reactor.clock.advance(LINGER_SECONDS)
        assert world.lost_because == ["aborted"]
    with closing(over_tcp()) as world:
        world.stream.write(b"all of it")
        assert world.peer.recv(100) == b"all of it"
        world.stream.close(patient=True)
        eventually("its kernel has the end too", lambda: not world.stream.unsent)
        world.reactor.clock.advance(LINGER_SECONDS)
        assert world.lost_because == ["aborted"]


def test_a_peer_that_reads_a_little_now_and_then_does_not_hold_a_closed_connection_for_ever() -> None:
    with closing(over_tcp()) as world:
        world.stream.write(bytes(64 << 20))
        world.stream.close()
        for _ in range(LINGER_MOST):
            slowly(world, 1 << 19)
            assert world.lost_because == []
        slowly(world, 1 << 19)
        assert world.lost_because == ["aborted"]


def test_a_peer_that_was_told_to_go_is_waited_for_once_however_it_reads() -> None:
    with closing(over_tcp()) as world:
        world.stream.write(bytes(16 << 20))
        world.stream.part(world.stream.close)
        world.reactor.clock.advance(PARTING_SECONDS)
        slowly(world, 1 << 20)
        assert world.lost_because == ["aborted"]


def test_what_the_peer_has_not_read_is_unsent_until_the_connection_is_gone() -> None:
    with closing(World()) as world:
        assert not world.stream.unsent
        world.stream.write(b"x" * HIGH_WATER)
        assert world.stream.unsent
        world.stream.abort()
        assert not world.stream.unsent
