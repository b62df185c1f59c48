"""A thread of one purpose, beside the reactor's own: those all wait for names where a resolver is away, and what changes rights must not wait behind them.

It is there while there is work, and keeps no process from ending: a file system that hangs may never answer. So whatever may hang without the others has
one of its own, which holds up nobody but those who wait for the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from threading import Condition, Thread
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from kgate.net.turn import Turn

T = TypeVar("T")
LINGER_SECONDS: Final = 2.0
"""For more work: to begin a thread costs a tenth of a millisecond, and files are looked at four times a second."""


class Beside:
    """See the module. What is given it is done one after the other; ``name`` is the thread's."""

    def __init__(self, reactor: Any, turn: Turn, name: str) -> None:
        self._reactor, self._turn, self._name = reactor, turn, f"kgate-{name}"
        self._given: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._more = Condition()
        self._works = False

    def do(self, work: Callable[[], T]) -> Deferred[T]:
        """Have ``work`` done; what it gave or raised comes on the reactor's thread, in a turn of its own."""
        done: Deferred[T] = Deferred()
        future: Future[T] = Future()
        future.add_done_callback(partial(self._is_done, done))
        self.give(work, future)
        return done

    def tell(self, work: Callable[[], None]) -> None:
        """Called by the thread: have ``work`` done on the reactor's, in a turn of its own."""
        self._reactor.callFromThread(self._turn.wrap(work))

    def _is_done(self, done: Deferred[T], future: Future[T]) -> None:
        """Nothing that the future has refers to it: what is in a cycle may stay for ever (service/quiet.py)."""
        self.tell(partial(_tell, done, future))

    def wait(self, work: Callable[[], T], seconds: float) -> T:
        """Have ``work`` done and wait for it: not on the reactor's thread. Raises TimeoutError."""
        future: Future[T] = Future()
        self.give(work, future)
        try:
            return future.result(seconds)
        finally:
            future.cancel()

    def give(self, work: Callable[[], T], future: Future[T]) -> None:
        """Have ``work`` done; ``future`` gets what it gave or raised, and nobody is woken for that."""
        with self._more:
            self._given.append((future, work))
            if self._works:
                self._more.notify()
            else:
                self._works = True
                Thread(target=self._run, name=self._name, daemon=True).start()

    def _run(self) -> None:
        while self._does_something():
            pass  # and has nothing of it any more while it waits

    def _does_something(self) -> bool:
        with self._more:
            self._works = self._more.wait_for(lambda: bool(self._given), LINGER_SECONDS)
            if not self._works:
                return False
            future, work = self._given.popleft()
        if future.set_running_or_notify_cancel():
            _do(work, future)
        return True


def _do(work: Callable[[], Any], future: Future[Any]) -> None:
    try:
        made = work()
    except Exception as error:  # noqa: BLE001  whatever it is, whoever waits for it is told
        future.set_exception(error)
    else:
        future.set_result(made)


def _tell(done: Deferred[T], future: Future[T]) -> None:
    error = future.exception()
    if error is None:
        done.callback(future.result())
    else:
        done.errback(Failure(error))
