"""The reactor of a gate: Twisted's, with a shorter way from ``epoll_wait`` to a socket of the gate's own, and shorter turns.

Everything but waiting for descriptors and for a time is ``PosixReactorBase``'s: threads, signals, processes, TCP, UNIX sockets, starting and stopping.
In each turn that base looks at what threads asked for, at its timers twice and at whether it is to stop, which for a stream that carries little at a time
cost as much as carrying it; here a turn without any of these is a few comparisons.

``twistd`` has chosen no reactor yet when it reads the options of a subcommand, so these install it (``service/options.py``); one that is asked for by name,
``twistd --reactor=epoll kgate``, stays, as does Twisted's choice where there is no epoll(7).
"""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.base import DelayedCall
from twisted.internet.interfaces import IDelayedCall, IReactorFDSet, IReadDescriptor, IWriteDescriptor
from twisted.internet.main import installReactor
from twisted.internet.posixbase import PosixReactorBase
from zope.interface import implementer

from kgate.net.readiness import READ, WRITE, Readiness
from kgate.net.timers import Timers


@implementer(IReactorFDSet)
class Reactor(PosixReactorBase):
    """See the module."""

    seconds = staticmethod(time.monotonic)
    """What timers run on. A machine's clock that is set back an hour would keep each of them for an hour (security.md class 28)."""

    def __init__(self) -> None:
        self._readiness, self._timers = Readiness(), Timers(self.seconds)
        self._stops = False
        super().__init__()

    # --- descriptors

    def addReader(self, reader: IReadDescriptor) -> None:
        """Tell ``reader`` when it may be read."""
        self._readiness.want(reader, READ)

    def removeReader(self, reader: IReadDescriptor) -> None:
        """Tell it no more."""
        self._readiness.leave(reader, READ)

    def addWriter(self, writer: IWriteDescriptor) -> None:
        """Tell ``writer`` when it may be written."""
        self._readiness.want(writer, WRITE)

    def removeWriter(self, writer: IWriteDescriptor) -> None:
        """Tell it no more."""
        self._readiness.leave(writer, WRITE)

    def getReaders(self) -> list[IReadDescriptor]:
        """Those that wait to be read."""
        return self._readiness.waiting(READ)

    def getWriters(self) -> list[IWriteDescriptor]:
        """Those that wait to be written."""
        return self._readiness.waiting(WRITE)

    def removeAll(self) -> list[IReadDescriptor | IWriteDescriptor]:
        """Let go of all but what wakes the reactor itself, by a thread or by a signal: those are of one kind."""
        wakers = type(self.waker).__bases__
        writers = self.getWriters()
        readers = [reader for reader in self.getReaders() if not isinstance(reader, wakers)]
        for reader in readers:
            self.removeReader(reader)
        for writer in writers:
            self.removeWriter(writer)
        return [*readers, *(writer for writer in writers if writer not in readers)]

    def doIteration(self, delay: float | None) -> None:
        """Tell who is ready, or becomes it within ``delay`` seconds; None: however long that takes."""
        self._readiness.wait(-1.0 if delay is None else float(delay))

    # --- time

    def callLater(self, delay: float, callable: Callable[..., object], *args: object, **kw: object) -> DelayedCall:  # noqa: A002 (Twisted's interface)
        """Have ``callable`` called in ``delay`` seconds."""
        assert delay >= 0, f"{delay} seconds from now is in the past"
        return self._timers.later(delay, callable, args, kw)

    def getDelayedCalls(self) -> Sequence[IDelayedCall]:
        """Calls that are still to come."""
        return [IDelayedCall(call) for call in self._timers.pending()]

    def timeout(self) -> float | None:
        """Seconds until a call is due; None: there is none."""
        return self._timers.wait()

    # --- turns

    def runUntilCurrent(self) -> None:
        """What is due, what threads asked for, and the end if one of them, or somebody before, asked for it: in the same turn, for none may follow."""
        self._timers.run()
        if self.threadCallQueue or self._stops:
            self._stops = False
            super().runUntilCurrent()

    def stop(self) -> None:
        """End after this turn."""
        super().stop()
        self._stops = True


def install() -> None:
    """Make it this process' reactor, unless there is one or it cannot be."""
    if hasattr(select, "epoll") and "twisted.internet.reactor" not in sys.modules:
        installReactor(Reactor())


def of_its_own() -> Any:
    """One that is nobody else's, for a command that asks and ends."""
    if hasattr(select, "epoll"):
        return Reactor()
    from twisted.internet.selectreactor import SelectReactor

    return SelectReactor()
