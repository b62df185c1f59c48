"""Clocks: a wall clock for records and windows, a monotonic one for deadlines, and a tick that no clock jump can hold up.

Twisted's timers run on the wall clock: when it is set back an hour, a timer that was due in a second is due in an hour. What ends a right must
not depend on that (security.md class 28), so a thread that waits on the monotonic clock ticks a few times a second into the reactor.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

TICK_SECONDS = 0.25


class Ticker:
    """Calls ``tick`` on the reactor's thread about four times a second, whatever the wall clock does. A tick that is still waiting is not doubled."""

    def __init__(self, reactor: Any, tick: Callable[[], None]) -> None:
        self._reactor, self._tick = reactor, tick
        self._stopped = threading.Event()
        self._taken = threading.Event()
        self._taken.set()
        self._thread = threading.Thread(target=self._run, name="kgate-tick", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

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
