"""A real reactor of a test's own: never installed, turned by hand until something holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure


def make_reactor() -> Any:
    """The platform's best reactor, not the global one."""
    try:
        from twisted.internet.epollreactor import EPollReactor
    except ImportError:
        from twisted.internet.selectreactor import SelectReactor

        return SelectReactor()
    return EPollReactor()


@contextmanager
def reactor_with_threads() -> Iterator[Any]:
    """One whose pool of threads runs, until nobody needs it any more."""
    made = make_reactor()
    made.getThreadPool().start()
    try:
        yield made
    finally:
        made.getThreadPool().stop()
        dispose(made)


def turn_until(reactor: Any, holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Turn ``reactor`` until ``holds()``; AssertionError after ``seconds``, which are for what will never hold: no test is to measure with them."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold in time"
        reactor.iterate(0.01)


def dispose(reactor: Any) -> None:
    """Close what is still open on ``reactor`` and forget its timers."""
    for selectable in reactor.removeAll():
        selectable.connectionLost(Failure(ConnectionDone()))
    for call in reactor.getDelayedCalls():
        call.cancel()
