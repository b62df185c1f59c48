"""A thread of one purpose, beside the reactor's own: those all wait for names where a resolver is away, and what changes rights must not wait behind them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

T = TypeVar("T")


class Beside:
    """See the module. What is given it is done one after the other; ``name`` is the thread's."""

    def __init__(self, reactor: Any, name: str) -> None:
        self._reactor = reactor
        self._thread = ThreadPool(0, 1, f"kgate-{name}")

    def start(self) -> None:
        """Begin; what was given before waits until then."""
        self._thread.start()

    def do(self, work: Callable[[], T]) -> Deferred[T]:
        """Have ``work`` done; what it gave or raised comes on the reactor's thread."""
        done: Deferred[T] = deferToThreadPool(self._reactor, self._thread, work)
        return done

    def stop(self) -> None:
        """What was begun is done to its end."""
        self._thread.stop()
