"""Clocks: a wall clock for records and windows, a steady one for deadlines, and a tick that no clock jump can hold up.

The steady one goes on while the machine is suspended, where the system can tell (Linux' CLOCK_BOOTTIME, clock_gettime(2)). So what the gate knows of its
store, of devices, of tokens that it asked about is as old after a sleep as it is in truth, no session is longer by it, and a wall clock that was set back
meanwhile is found out (security.md classes 14 and 28).

Twisted's timers run on the wall clock: when it is set back an hour, a timer that was due in a second is due in an hour. What ends a right must
not depend on that (security.md class 28), so a thread that waits on the monotonic clock ticks a few times a second into the reactor.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

steady: Final[Callable[[], float]] = partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
"""Seconds on the clock that nobody sets."""
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
