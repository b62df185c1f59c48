"""The reactor of a gate: Twisted's, with a shorter way from ``epoll_wait`` to a socket of the gate's own.

Everything but waiting for descriptors is ``PosixReactorBase``'s: timers, threads, signals, processes, TCP, UNIX sockets. ``twistd`` has chosen no
reactor yet when it reads the options of a subcommand, so these install it (``service/options.py``); one that is asked for by name,
``twistd --reactor=epoll kgate``, stays, as does Twisted's choice where there is no epoll(7).
"""

from __future__ import annotations

import select
import sys

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor, IWriteDescriptor
from twisted.internet.main import installReactor
from twisted.internet.posixbase import PosixReactorBase
from zope.interface import implementer

from kgate.net.readiness import READ, WRITE, Readiness


@implementer(IReactorFDSet)
class Reactor(PosixReactorBase):
    """See the module."""

    def __init__(self) -> None:
        self._readiness = Readiness()
        super().__init__()

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


def install() -> None:
    """Make it this process' reactor, unless there is one or it cannot be."""
    if hasattr(select, "epoll") and "twisted.internet.reactor" not in sys.modules:
        installReactor(Reactor())
