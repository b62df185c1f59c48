"""Fetching what a decision waits for: each kind of thing that can be wanted has one way of getting it.

Several requests that want the same are one fetch. A way is a coroutine that tells whoever wanted the thing what it learned, failures included, within a
time limit of its own; when it is through, everybody who waited asks again. A way that raises is a bug: it is logged, and those who waited ask
again all the same, get ``Pending`` again, and are refused in the end (exchange/waiting.py, sessions/registry.py).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from kgate.exchange.gate import Fetch
from kgate.exchange.waiting import MOST_ROUNDS
from kgate.model import Pending
from kgate.net.telling import tell
from kgate.net.turn import Turn

log = Logger()

T = TypeVar("T")

Way = Callable[[Any], Coroutine[Any, Any, None]]
"""Fetches one kind of wanted value."""


class Fetches:
    """See the module. ``register`` each kind once; the object itself is the ``Fetch`` port."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._ways: dict[type, Way] = {}
        self._under_way: dict[Hashable, list[Callable[[], None]]] = {}

    def register(self, kind: type, way: Way) -> None:
        """``way(wanted)`` fetches values of ``kind`` from now on; a reload registers anew."""
        self._ways[kind] = way

    def __call__(self, wanted: Hashable, then: Callable[[], None]) -> None:
        """Fetch, and call back."""
        waiting = self._under_way.get(wanted)
        if waiting is not None:
            waiting.append(then)
            return
        self._under_way[wanted] = [then]
        done = Deferred.fromCoroutine(self._ways[type(wanted)](wanted))
        done.addErrback(lambda failure: log.failure("fetching {wanted} failed", failure, wanted=type(wanted).__name__))
        # What was there at once is part of the turn that asked; an answer that comes later is a turn of its own.
        arrived = partial(self._arrived, wanted)
        later = arrived if done.called else self._turn.wrap(arrived)
        done.addCallback(lambda _: later())

    def _arrived(self, wanted: Hashable) -> None:
        for then in self._under_way.pop(wanted):
            tell(then)


async def settled(ask: Callable[[], T | Pending], fetch: Fetch) -> T | None:
    """What ``ask`` says once nothing has to be fetched for it any more; None where that does not come to an end."""
    for _ in range(MOST_ROUNDS):
        found = ask()
        if not isinstance(found, Pending):
            return found
        arrived: Deferred[None] = Deferred()
        fetch(found.wanted, partial(arrived.callback, None))
        await arrived
    return None
