"""One errand by a reactor of its own: what a command does that speaks with clusters as the gate does, and then ends."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from kgate.net.reactor import of_its_own

T = TypeVar("T")


def run_errand(work: Callable[[Any], Coroutine[Deferred[Any], Any, T]]) -> T:
    """What ``work(reactor)`` gives. Raises what it raises, and KeyboardInterrupt after Ctrl-C."""
    reactor = of_its_own()
    ended: list[T | Failure] = []

    def begin() -> None:
        done = Deferred.fromCoroutine(work(reactor))
        done.addBoth(ended.append)
        done.addCallback(lambda _: reactor.stop())

    reactor.callWhenRunning(begin)
    reactor.run()
    if not ended:
        raise KeyboardInterrupt
    result = ended[0]
    if isinstance(result, Failure):
        result.raiseException()
        raise AssertionError("raiseException raises")
    return result
