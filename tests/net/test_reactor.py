"""The gate's reactor: the short way to its own sockets, and what a bug costs there."""

from __future__ import annotations

import os
import resource
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer
from zope.interface.verify import verifyObject

from kgate.net.reactor import Reactor
from kgate.net.sockets import StreamSocket
from kgate.net.turn import Turn


class Owner:
    """What happened to a connection; ``at`` is done when bytes come."""

    def __init__(self, at: Callable[[], None] = lambda: None) -> None:
        self.at, self.happened = at, list[object]()

    def received(self, data: memoryview) -> None:
        self.happened.append(bytes(data))
        self.at()

    def ended(self) -> None:
        self.happened.append("ended")

    def lost(self, reason: str) -> None:
        self.happened.append(f"lost: {reason}")

    def drained(self) -> None:
        self.happened.append("drained")


@pytest.fixture
def reactor() -> Reactor:
    return Reactor()


@pytest.mark.threat("28")
def test_threat_28_its_timers_know_nothing_of_the_machines_clock(reactor: Reactor) -> None:
    """One that is set back an hour would keep each for an hour: the end of a handshake's time, of what was cut, the next slice of decisions."""
    before = time.monotonic()
    assert before <= reactor.seconds() <= time.monotonic()
    call = reactor.callLater(3600, lambda: None)
    assert before + 3600 <= call.getTime() <= time.monotonic() + 3600 and 3000 < (reactor.timeout() or 0) <= 3600


@pytest.fixture
def connect(reactor: Reactor) -> Iterator[Callable[[Owner], tuple[StreamSocket, socket.socket]]]:
    """Connects an owner to a peer: both ends of a connection on ``reactor``."""
    ends: list[socket.socket] = []

    def connected(owner: Owner) -> tuple[StreamSocket, socket.socket]:
        ours, peer = socket.socketpair()
        ends.extend((ours, peer))
        stream = StreamSocket(reactor, Turn(), ours)
        stream.own(owner)
        stream.resume_reading()
        return stream, peer

    yield connected
    reactor.disconnectAll()
    for end in ends:
        end.close()


@pytest.fixture
def many_files() -> Iterator[None]:
    """The next descriptor is past those that select(2) knows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    files = [os.open(os.devnull, os.O_RDONLY)]
    try:
        while files[-1] < 1024:
            files.append(os.dup(files[0]))
        yield
    finally:
        for number in files:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


Connect = Callable[[Owner], tuple[StreamSocket, socket.socket]]


def test_it_is_what_twisted_calls_a_reactor(reactor: Reactor) -> None:
    verifyObject(IReactorFDSet, reactor)


def test_a_wait_of_less_than_a_millisecond_tells_who_is_ready(reactor: Reactor, connect: Connect) -> None:
    owner = Owner()
    _, peer = connect(owner)
    reactor.doIteration(0.0001)
    assert owner.happened == []
    peer.sendall(b"list pods")
    reactor.doIteration(0.0001)
    assert owner.happened == [b"list pods"]


def test_so_does_one_of_a_reactor_made_where_select_knows_no_descriptor(many_files: None) -> None:
    reactor, owner = Reactor(), Owner()
    ours, peer = socket.socketpair()
    with ours, peer:
        stream = StreamSocket(reactor, Turn(), ours)
        stream.own(owner)
        stream.resume_reading()
        peer.sendall(b"list pods")
        reactor.doIteration(0.0001)
        assert owner.happened == [b"list pods"]
        reactor.removeAll()


def test_bytes_arrive_and_the_end_does(reactor: Reactor, connect: Connect) -> None:
    owner = Owner()
    _, peer = connect(owner)
    peer.sendall(b"list pods")
    reactor.doIteration(1.0)
    assert owner.happened == [b"list pods"]
    peer.close()
    reactor.doIteration(1.0)
    assert owner.happened[1] == "ended"


def test_what_would_block_goes_out_when_the_peer_reads(reactor: Reactor, connect: Connect) -> None:
    owner = Owner()
    stream, peer = connect(owner)
    stream.write(b"x" * (4 << 20))
    assert stream.congested
    assert stream in reactor.getWriters()
    taken = 0
    while stream in reactor.getWriters():
        taken += len(peer.recv(1 << 20))
        reactor.doIteration(0)
    peer.settimeout(60)
    while taken < 4 << 20:
        taken += len(peer.recv(1 << 20))
    assert owner.happened == ["drained"]
    assert stream in reactor.getReaders()


def test_a_bug_costs_the_connection_it_was_met_on_and_no_other(reactor: Reactor, connect: Connect) -> None:
    def bug() -> None:
        raise ZeroDivisionError("of a bug")

    broken, sound = Owner(bug), Owner()
    (stream, one), (_, other) = connect(broken), connect(sound)
    one.sendall(b"a")
    other.sendall(b"b")
    with pytest.raises(ZeroDivisionError, match="of a bug"):
        reactor.doIteration(1.0)
    reactor.doIteration(0)
    assert broken.happened == [b"a", "lost: of a bug"]
    assert stream not in reactor.getReaders()
    assert sound.happened == [b"b"]


def test_one_that_another_lets_go_in_the_same_turn_is_not_told(reactor: Reactor, connect: Connect) -> None:
    streams: list[StreamSocket] = []
    owners = [Owner(lambda: streams[1].abort()), Owner(lambda: streams[0].abort())]
    pairs = [connect(owner) for owner in owners]
    streams.extend(stream for stream, _ in pairs)
    for _, peer in pairs:
        peer.sendall(b"x")
    reactor.doIteration(1.0)
    reactor.doIteration(0)
    assert sorted(map(str, (owner.happened for owner in owners))) == ["['lost: aborted']", "[b'x']"]


@implementer(IReadDescriptor)
class Pipe:
    """A pipe whose writing end is closed; ``at`` is done when it is lost."""

    def __init__(self, at: Callable[[Pipe], None]) -> None:
        self.at = at
        self.number, writing = os.pipe()
        os.close(writing)

    def fileno(self) -> int:
        return self.number

    def logPrefix(self) -> str:
        return "pipe"

    def doRead(self) -> None:
        raise AssertionError("there is nothing to read")

    def connectionLost(self, reason: Failure) -> None:
        self.at(self)

    def close(self) -> int:
        number, self.number = self.number, -1
        os.close(number)
        return number


def test_who_has_the_number_of_one_that_hung_up_in_the_same_poll_did_not(reactor: Reactor, connect: Connect) -> None:
    owner, made = Owner(), list[tuple[int, int]]()

    def lost(one: Pipe) -> None:
        if not made:
            other = next(pipe for pipe in pipes if pipe is not one)
            reactor.removeReader(other)
            number = other.close()
            while (taken := connect(owner)[0].fileno()) < number:
                pass  # somebody else closed one with a lower number meanwhile
            made.append((number, taken))

    pipes = [Pipe(lost), Pipe(lost)]
    for pipe in pipes:
        reactor.addReader(pipe)
    reactor.doIteration(0)
    assert [before == now for before, now in made] == [True]
    assert owner.happened == []
    for pipe in pipes:
        if pipe.number >= 0:
            pipe.close()


def test_a_connection_that_only_hung_up_is_lost(reactor: Reactor, connect: Connect) -> None:
    owner = Owner()
    stream, peer = connect(owner)
    stream.pause_reading()
    stream.write(b"x" * (4 << 20))
    peer.close()
    reactor.doIteration(1.0)
    assert str(owner.happened[-1]).startswith("lost: ")


def test_whoever_stops_it_wakes_it_still(reactor: Reactor, connect: Connect) -> None:
    stream, _ = connect(Owner())
    assert reactor.removeAll() == [stream]
    reactor.callWhenRunning(lambda: reactor.callInThread(reactor.callFromThread, reactor.stop))
    reactor.run(installSignalHandlers=False)
    assert not reactor.running
