"""Clocks: a wall clock for records and windows, a monotonic one for deadlines, and a tick that no clock jump can hold up.

Twisted's timers run on the wall clock: when it is set back an hour, a timer that was due in a second is due in an hour. What ends a right must
not depend on that (security.md class 28), so a thread that waits on the monotonic clock ticks a few times a second into the reactor.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

TICK_SECONDS: Final = 0.25
SET_BACK_SECONDS: Final = 5.0
"""What is less than this is the network's time protocol at work, and is followed."""


class WallClock:
    """Unix seconds that are never set back: every right that ends at an instant ends no later than it would have (security.md class 28).

    A machine's clock may be set forward (rights end early, which is the safe side) and is then set right again, or set back on purpose. Either way
    time goes on here as a clock that nobody sets has it, ``problem`` says so, and a restart takes the machine's word again.
    """

    def __init__(self, wall: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._at, self._since = wall(), monotonic()
        self.behind = 0.0
        """By how many seconds the machine's clock is behind; 0 while it is followed."""

    def __call__(self) -> float:
        """Now."""
        wall, monotonic = self._wall(), self._monotonic()
        passed = self._at + (monotonic - self._since)
        if wall < passed - SET_BACK_SECONDS:
            self.behind = passed - wall
            return passed
        self._at, self._since, self.behind = wall, monotonic, 0.0
        return wall

    @property
    def problem(self) -> str:
        """For /readyz; empty while all is well."""
        if not self.behind:
            return ""
        return (
            f"this machine's clock was set back by {self.behind:.0f} s; the gate goes on by the time before, restart it if that was right"
        )


class Ticker:
    """Calls ``tick`` on the reactor's thread about four times a second, whatever the wall clock does. A tick that is still waiting is not doubled."""

    def __init__(self, reactor: Any, tick: Callable[[], None]) -> None:
        self._reactor, self._tick = reactor, tick
        self._stopped = threading.Event()
        self._taken = threading.Event()
        self._taken.set()
        self._ticking = threading.Thread(target=self._run, name="kgate-tick", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._ticking.start()

    def stop(self) -> None:
        """End; a tick that is on its way may still come."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(TICK_SECONDS):
            if self._taken.is_set():
                self._taken.clear()
                self._reactor.callFromThread(self._arrive)

    def _arrive(self) -> None:
        self._taken.set()
        if not self._stopped.is_set():
            self._tick()
