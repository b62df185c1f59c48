"""Dialling a cluster that does not answer, on a real reactor."""

from __future__ import annotations

import socket
import ssl
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

from ports import free_port
from reactors import dispose, make_reactor, turn_until
from twisted.internet.task import Clock

from kgate.exchange.legs import UpstreamLeg
from kgate.net.dial import DialFailed, HostName, TcpDial
from kgate.net.tls import TlsTransport
from kgate.net.turn import Turn
from kgate.net.upstream import Dial, Endpoint


class Leg:
    """Of whoever waits for the connection: has an answer to send."""

    def __init__(self) -> None:
        self.flushed = 0

    def flush(self) -> None:
        self.flushed += 1


def unwanted(transport: TlsTransport) -> UpstreamLeg:
    raise AssertionError("nobody listens there")


def test_who_waited_for_a_connection_that_is_refused_is_answered_in_that_turn() -> None:
    reactor: Any = make_reactor()
    turn, leg, heard = Turn(), Leg(), list[object]()

    def then(result: object) -> None:
        heard.append(result)
        turn.mark(leg)

    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # and nobody listens
        endpoint = Endpoint("127.0.0.1", held.getsockname()[1], "localhost")
        Dial(reactor, turn, endpoint, HostName(reactor, endpoint.host), ssl.create_default_context(), unwanted, then, 5.0).start()
        turn_until(reactor, lambda: bool(heard))
    dispose(reactor)
    assert heard == [DialFailed("connection refused")]
    assert leg.flushed == 1


def test_a_name_is_looked_up_once_for_all_who_wait_and_again_for_who_comes_later() -> None:
    """A lookup that nobody answers holds one of the reactor's few threads for half a minute: those of other names would wait behind them."""
    lookups, found = list[Any](), list[list[str]]()

    class Resolver:
        def resolveHostName(self, receiver: Any, host: str) -> None:
            lookups.append(receiver)

    host = HostName(SimpleNamespace(nameResolver=Resolver()), "kube.example.com")
    for _ in range(3):
        host.resolve(found.append)
    assert len(lookups) == 1
    lookups[0].addressResolved(SimpleNamespace(host="192.0.2.1"))
    lookups[0].resolutionComplete()
    assert found == [["192.0.2.1"]] * 3
    host.resolve(found.append)
    assert len(lookups) == 2
    lookups[1].resolutionComplete()
    assert found[3:] == [[]]
    HostName(SimpleNamespace(), "192.0.2.7").resolve(found.append)
    assert found[4:] == [["192.0.2.7"]]


def test_an_address_that_says_nothing_leaves_time_for_the_next_one() -> None:
    reactor, clock, heard, port = make_reactor(), Clock(), list[object](), free_port()
    timed: Any = SimpleNamespace(addWriter=reactor.addWriter, removeWriter=reactor.removeWriter, callLater=clock.callLater)
    with socket.create_server(("127.0.0.2", port), backlog=0), ExitStack() as held:
        for _ in range(4):  # whoever comes when the backlog is full gets no answer
            waits = held.enter_context(socket.socket())
            waits.setblocking(False)
            waits.connect_ex(("127.0.0.2", port))
        held.enter_context(socket.create_server(("127.0.0.1", port)))
        TcpDial(timed, ["127.0.0.2", "127.0.0.1"], port, heard.append, 10.0).start()
        clock.advance(4.9)
        reactor.iterate(0.1)
        assert heard == []
        clock.advance(0.1)
        turn_until(reactor, lambda: bool(heard))
        (sock,) = heard
        assert isinstance(sock, socket.socket) and sock.getpeername() == ("127.0.0.1", port)
        sock.close()
    dispose(reactor)
