"""Accepting goes on, whatever becomes of one connection before it is accepted."""

from __future__ import annotations

import errno
from typing import Any, cast

import pytest
from twisted.internet.task import Clock

from kgate.net.listener import REST_SECONDS, Listener
from kgate.net.turn import Turn


class Reactor(Clock):
    """Knows who wants to read."""

    def __init__(self) -> None:
        super().__init__()
        self.reading: set[object] = set()

    def addReader(self, reader: object) -> None:
        self.reading.add(reader)

    def removeReader(self, reader: object) -> None:
        self.reading.discard(reader)


class Refusing:
    """A listening socket on which every accept fails."""

    def __init__(self, number: int) -> None:
        self.number = number

    def accept(self) -> Any:
        raise OSError(self.number, errno.errorcode[self.number])

    def listen(self, backlog: int) -> None:
        """As it is."""


def listener(reactor: Reactor, number: int) -> Listener:
    nothing = cast("Any", None)
    made = Listener(reactor, Turn(), cast("Any", Refusing(number)), nothing, nothing, ())
    made.start()
    return made


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ECONNABORTED, errno.EPERM, errno.EPROTO, errno.EHOSTUNREACH, errno.ENETDOWN])
def test_an_error_of_the_connection_that_was_to_come_is_none_of_the_listener(number: int) -> None:
    """accept(2) tells those of the new socket, and a firewall's refusal; what raises here ends the listening for good."""
    reactor = Reactor()
    it = listener(reactor, number)
    it.doRead()
    assert reactor.reading == {it}


def test_without_a_descriptor_it_rests_for_a_moment() -> None:
    reactor = Reactor()
    it = listener(reactor, errno.EMFILE)
    it.doRead()
    assert reactor.reading == set()
    reactor.advance(REST_SECONDS)
    assert reactor.reading == {it}
