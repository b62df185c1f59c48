"""What is to be done later: Twisted's ``DelayedCall``s in a heap, for a reactor that looks at it in each of its turns.

A call that is put off keeps its place until that comes, and finds its new one then; one that is cancelled stays as well, until there are many (most
timers of a gate are for what hardly ever happens). What is asked for while calls are made waits for the next turn, however soon it is due.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any, Final

from twisted.internet.base import DelayedCall

_LONGEST: Final = 2_147_483.0
"""Seconds that one wait may take: epoll_wait(2) counts milliseconds in 32 bits."""
_FEW: Final = 50
"""Cancelled calls that are not worth looking for."""


class Timers:
    """See the module. ``seconds`` is the clock."""

    __slots__ = ("_calls", "_cancelled", "_new", "_seconds")

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._calls: list[Any] = []
        self._new: list[Any] = []
        self._cancelled = 0

    def later(self, delay: float, work: Callable[..., object], args: tuple[object, ...], keywords: dict[str, object]) -> DelayedCall:
        """Have ``work`` called in ``delay`` seconds."""
        call = DelayedCall(self._seconds() + delay, work, args, keywords, self._cancel, self._sooner, self._seconds)
        self._new.append(call)
        return call

    def __len__(self) -> int:
        """How many are kept, cancelled ones too."""
        return len(self._calls) + len(self._new)

    def pending(self) -> list[DelayedCall]:
        """Those that are still to come."""
        return [call for call in [*self._calls, *self._new] if not call.cancelled]

    def wait(self) -> float | None:
        """Seconds until one is due; None: none is there."""
        self._place_new()
        if not self._calls:
            return None
        due: float = self._calls[0].time
        return min(_LONGEST, max(0.0, due - self._seconds()))

    def run(self) -> None:
        """Make the calls that are due. One that raises is over; the others are made in the next turn."""
        self._place_new()
        calls = self._calls
        if not calls:
            return
        if self._cancelled > _FEW and self._cancelled > len(calls) // 2:
            self._forget_cancelled()
        now = self._seconds()
        while calls and calls[0].time <= now:
            call = heappop(calls)
            if call.cancelled:
                self._cancelled -= 1
            elif call.delayed_time > 0.0:
                call.activate_delay()
                heappush(calls, call)
            else:
                call.called = 1
                call.func(*call.args, **call.kw)

    def _place_new(self) -> None:
        if self._new:
            for call in self._new:
                call.activate_delay()
                heappush(self._calls, call)
            self._new = []

    def _forget_cancelled(self) -> None:
        self._calls[:] = [call for call in self._calls if not call.cancelled]
        heapify(self._calls)
        self._cancelled = 0

    def _cancel(self, _call: DelayedCall) -> None:
        self._cancelled += 1

    def _sooner(self, _call: DelayedCall) -> None:
        heapify(self._calls)
