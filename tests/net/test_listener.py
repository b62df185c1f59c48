"""What a listening socket says when it cannot be had, and what it lives through when clients' connections go wrong before they are accepted."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import struct
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, cast

import pytest
from lab.waiting import eventually
from twisted.internet.task import Clock

from kgate.errors import KgateError
from kgate.net.listener import HALF_OPEN_OF_ONE_MAX, HANDSHAKE_SECONDS, LOOKS, REST_SECONDS, Listener, bind
from kgate.net.turn import Turn
from kgate.net.vanished import has_vanished, is_silent


def refused(host: str, **how: Any) -> str:
    """Why a port that somebody has cannot be had, without its number."""
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(KgateError) as caught:
            bind(host, port, shared=False, **how)
        return str(caught.value).replace(f":{port}:", ":PORT:")


def test_an_address_is_written_as_in_the_configuration_and_its_section_named() -> None:
    advice = "another program has it: stop that one, or choose another port under"
    assert refused("127.0.0.1") == f"cannot listen on 127.0.0.1:PORT: Address already in use; {advice} listen"
    assert refused("127.0.0.1", section="admin") == f"cannot listen on 127.0.0.1:PORT: Address already in use; {advice} admin"
    if socket.has_ipv6:
        assert refused("::1") == f"cannot listen on [::1]:PORT: Address already in use; {advice} listen"


class Accepting:
    """A listening socket and the reactor that watches it: ``accept`` fails as it is told."""

    def __init__(self, error: int) -> None:
        self.error, self.watched = error, False
        self.clock = Clock()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        this = cast("Any", self)
        self.listener = Listener(this, Turn(), this, lambda: context, lambda transport, address: cast("Any", None), ())
        self.listener.start()

    def accept(self) -> Any:
        raise OSError(self.error, os.strerror(self.error))

    def listen(self, backlog: int) -> None: ...

    def addReader(self, reader: Any) -> None:
        self.watched = True

    def removeReader(self, reader: Any) -> None:
        self.watched = False

    def callLater(self, seconds: float, work: Any) -> Any:
        return self.clock.callLater(seconds, work)


@pytest.mark.parametrize("error", [errno.EPERM, errno.EPROTO, errno.ENETDOWN, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ECONNABORTED])
def test_a_connection_that_went_wrong_before_it_was_accepted_is_nobody_elses_end(error: int) -> None:
    """accept(2): Linux gives the new connection's network errors, and EPERM where its firewall refuses it."""
    gate = Accepting(error)
    gate.listener.doRead()
    assert gate.watched


def test_without_a_descriptor_it_rests_and_looks_again() -> None:
    gate = Accepting(errno.EMFILE)
    gate.listener.doRead()
    assert not gate.watched
    gate.clock.advance(REST_SECONDS)
    assert gate.watched


class Flooded(Accepting):
    """Somebody connects from one address after the other, and says nothing."""

    def __init__(self, addresses: Iterable[str]) -> None:
        super().__init__(errno.EAGAIN)
        self.addresses = iter(addresses)
        self.peers: list[socket.socket] = []
        self.server = socket.create_server(("127.0.0.1", 0))

    def accept(self) -> Any:
        address = next(self.addresses, None)
        if address is None:
            return super().accept()
        self.peers.append(socket.create_connection(self.server.getsockname()))
        return self.server.accept()[0], (address, 4660)

    def removeWriter(self, writer: Any) -> None: ...

    def welcome(self, stay: int) -> None:
        """So many of those that came are still connected; in the end none is any more."""
        for _ in range(HALF_OPEN_OF_ONE_MAX):
            self.listener.doRead()
        eventually("the others have been told", lambda: sum(map(is_open, self.peers)) <= stay)
        assert sum(map(is_open, self.peers)) == stay
        self.clock.advance(HANDSHAKE_SECONDS)
        eventually("so are these", lambda: not any(map(is_open, self.peers)))
        for each in (*self.peers, self.server):
            each.close()


def is_open(peer: socket.socket) -> bool:
    peer.setblocking(False)
    try:
        return bool(peer.recv(1))
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False


@pytest.mark.threat("16")
@pytest.mark.parametrize("address", ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::{:x}"])
def test_whoever_has_a_network_of_addresses_has_no_more_handshakes_under_way(address: str) -> None:
    Flooded(address.format(number) for number in range(HALF_OPEN_OF_ONE_MAX + 9)).welcome(HALF_OPEN_OF_ONE_MAX)
    Flooded(f"2001:db8:0:{number:x}::1" for number in range(HALF_OPEN_OF_ONE_MAX + 9)).welcome(HALF_OPEN_OF_ONE_MAX + 9)


class Watched(Flooded):
    """Those who connected, of whom some vanish."""

    def __init__(self, addresses: Iterable[str]) -> None:
        super().__init__(addresses)
        self.asked: list[int] = []
        self.gone: set[int] = set()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        this = cast("Any", self)
        serve = lambda transport, address: cast("Any", None)  # noqa: E731
        self.listener = Listener(this, Turn(), this, lambda: context, serve, (), vanished=self.has_vanished)
        self.listener.doRead()

    def has_vanished(self, sock: socket.socket) -> bool:
        self.asked.append(sock.fileno())
        return sock.getpeername() in self.gone


def test_of_a_client_that_vanished_the_connection_ends_at_one_of_the_next_looks() -> None:
    gate = Watched(f"10.0.0.{number}" for number in range(20))
    gone = gate.peers[3]
    gate.gone = {gone.getsockname()}
    for _ in range(LOOKS):
        gate.listener.look()
    assert len(gate.asked) == len(set(gate.asked)) == 20  # each once
    eventually("it has been told", lambda: not is_open(gone))
    assert [peer for peer in gate.peers if not is_open(peer)] == [gone]
    gate.clock.advance(HANDSHAKE_SECONDS)
    for each in (*gate.peers, gate.server):
        each.close()


def info(unacknowledged: int, milliseconds: int) -> bytes:
    return struct.pack("=24xI28xI", unacknowledged, milliseconds)


def test_a_peer_that_owes_a_word_for_a_minute_has_vanished() -> None:
    assert is_silent(info(1, 60_000))
    assert not is_silent(info(1, 59_999))
    assert not is_silent(info(0, 3_600_000))  # at rest, or it has no room and says so: the kernel asks it itself
    assert not is_silent(b"")


def test_a_peer_that_reads_nothing_has_not_vanished() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as peer,
        server.accept()[0] as sock,
    ):
        sock.setblocking(False)
        assert not has_vanished(sock)
        with suppress(BlockingIOError):
            while True:
                sock.send(bytes(65536))
        assert not has_vanished(sock)
        peer.close()
    assert not has_vanished(sock)
