"""Dialling a cluster that does not answer, on a real reactor."""

from __future__ import annotations

import socket
import ssl
from typing import Any

from reactors import dispose, make_reactor, turn_until

from kgate.exchange.legs import UpstreamLeg
from kgate.net.dial import DialFailed
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
