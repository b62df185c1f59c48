"""Dialling a cluster that does not answer, on a real reactor."""

from __future__ import annotations

import socket
import ssl
from contextlib import ExitStack
from typing import Any

from reactors import dispose, make_reactor, turn_until

from kgate.exchange.legs import UpstreamLeg
from kgate.net.dial import DialFailed, TcpDial
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
        Dial(reactor, turn, endpoint, ssl.create_default_context(), unwanted, then, 5.0).start()
        turn_until(reactor, lambda: bool(heard))
    dispose(reactor)
    assert heard == [DialFailed("connection refused")]
    assert leg.flushed == 1


def test_an_address_that_says_nothing_leaves_time_for_the_next_one() -> None:
    reactor: Any = make_reactor()
    heard = list[object]()
    with socket.create_server(("127.0.0.2", 0), backlog=0) as silent, ExitStack() as held:
        port = silent.getsockname()[1]
        for _ in range(4):  # whoever comes when the backlog is full gets no answer
            waits = held.enter_context(socket.socket())
            waits.setblocking(False)
            waits.connect_ex(("127.0.0.2", port))
        held.enter_context(socket.create_server(("127.0.0.1", port)))
        dial = TcpDial(reactor, ["127.0.0.2", "127.0.0.1"], port, heard.append, 0.4)
        dial.start()
        turn_until(reactor, lambda: bool(heard))
        (sock,) = heard
        assert isinstance(sock, socket.socket) and sock.getpeername() == ("127.0.0.1", port)
        sock.close()
    dispose(reactor)
