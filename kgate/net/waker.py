"""How a thread has the reactor's thread look at what it has done.

``callFromThread`` does that for any call of any thread: a queue, a pipe, and what watches over strangers' calls, 30,000 instructions each time. A thread
that always means the same has a pipe of its own, which the reactor reads as it reads a socket.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

log = Logger(__name__)


class Waker:
    """Calls ``woken`` on the reactor's thread after each ``wake``, once for several that come together. ``reactor`` needs ``IReactorFDSet``."""

    def __init__(self, reactor: Any, woken: Callable[[], None]) -> None:
        self._reactor, self._woken = reactor, woken
        self._read = self._write = -1

    def start(self) -> None:
        """Begin, before anybody wakes."""
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._reactor.addReader(self)

    def wake(self) -> None:
        """Called by any thread. A pipe that is full wakes without this byte too; one that is closed has nobody left to wake."""
        try:
            os.write(self._write, b"x")
        except OSError:
            return

    def stop(self) -> None:
        """End; nobody may be about to wake."""
        if self._read >= 0:
            self._reactor.removeReader(self)
            self._close()

    def _close(self) -> None:
        read, write = self._read, self._write
        self._read = self._write = -1
        os.close(read)
        os.close(write)

    # --- what the reactor calls

    def fileno(self) -> int:
        """What it reads."""
        return self._read

    def doRead(self) -> None:
        """Somebody woke. What goes wrong in the work is logged, as Twisted does with calls of threads: it must not end the pipe."""
        try:
            os.read(self._read, 512)
        except BlockingIOError:
            return
        try:
            self._woken()
        except Exception:  # noqa: BLE001  whatever it is
            log.failure("the work of a thread could not be taken up")

    def connectionLost(self, reason: Any) -> None:
        """The reactor is gone."""
        if self._read >= 0:
            self._close()

    def logPrefix(self) -> str:
        """For the log."""
        return "kgate"
