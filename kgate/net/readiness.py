"""What epoll(7) is asked: which descriptors wait to be read or written. Whoever is ready is told here.

Two ways lead to a descriptor. One of Twisted's, or of whoever else, is called as Twisted's own reactors call it: with its log prefix, and what it returns
or raises ends it. A ``StreamSocket`` returns nothing and needs no prefix, nor does a ``Waker``, and nearly every event is for one of these: they are called
straight away, which is a tenth of a request's instructions (docs/performance.md).

A bug that raises costs the connection that it was met on: it is lost, the reactor's main loop logs the error, and whoever else is ready is told in its next
turn, for epoll says it again (it is level-triggered).
"""

from __future__ import annotations

import select
from typing import Any, Final

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableDescriptor
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.python.failure import Failure
from twisted.python.log import callWithLogger

from kgate.net.sockets import StreamSocket
from kgate.net.waker import Waker

READ: Final = 1  # EPOLLIN
WRITE: Final = 4  # EPOLLOUT
_BOTH: Final = READ | WRITE
_MOST: Final = 256
"""Events that one call takes: the rest comes with the next one, before anybody has his second turn."""

_TICK: Final = 0.001
"""Seconds that epoll_wait(2) counts in. What is less is rounded up to one, by which a gathering audit group would be twice as late (journal.py)."""
_SELECTABLE: Final = 1024
"""FD_SETSIZE: the descriptors that select(2) knows, which counts microseconds."""


class Readiness:
    """See the module. ``what`` is ``READ`` or ``WRITE``."""

    __slots__ = ("_descriptors", "_epoll", "_wanted")

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._descriptors: dict[int, Any] = {}
        self._wanted: dict[int, int] = {}

    def want(self, descriptor: Any, what: int) -> None:
        """Tell ``descriptor`` when it is ready. Raises OSError where epoll cannot: for a file, which is always ready."""
        number: int = descriptor.fileno()
        before = self._wanted.get(number, 0)
        if before & what:
            return
        if before:
            self._epoll.modify(number, before | what)
        else:
            self._epoll.register(number, what)
        self._descriptors[number] = descriptor
        self._wanted[number] = before | what

    def leave(self, descriptor: Any, what: int) -> None:
        """Tell it no more."""
        number = self._number(descriptor)
        before = self._wanted.get(number, 0)
        if not before & what:
            return
        if before == what:
            del self._wanted[number], self._descriptors[number]
            self._epoll.unregister(number)
        else:
            self._wanted[number] = before & ~what
            self._epoll.modify(number, before & ~what)

    def waiting(self, what: int) -> list[Any]:
        """Those that wait for it."""
        return [self._descriptors[number] for number, wanted in self._wanted.items() if wanted & what]

    def wait(self, seconds: float) -> None:
        """Tell who is ready, after so long at most; without end where it is negative."""
        if 0.0 < seconds < _TICK and self._epoll.fileno() < _SELECTABLE:
            select.select((self._epoll,), (), (), seconds)
            seconds = 0.0
        for number, event in self._epoll.poll(seconds, _MOST):
            descriptor = self._descriptors.get(number)
            if descriptor is None:
                pass  # let go by the work of one before it
            elif isinstance(descriptor, StreamSocket) and event & _BOTH:
                self._tell_socket(descriptor, event)
            elif isinstance(descriptor, Waker) and event & READ:
                descriptor.doRead()  # it returns nothing and raises nothing
            elif event & _BOTH or self._has_hung_up(number):
                callWithLogger(descriptor, self._tell, descriptor, number, event)

    def _has_hung_up(self, number: int) -> bool:
        """Whether whoever has the number now did: the work of one before may have closed that descriptor and opened another, which got its number.
        To be told in vain that bytes may come or go costs it nothing; this would cost it its connection."""
        now = select.poll()
        now.register(number, 0)
        return bool(now.poll(0))

    def _number(self, descriptor: Any) -> int:
        """What it was registered by, though it may be closed already; -1: it was not."""
        number: int = descriptor.fileno()
        if number >= 0:
            return number
        return next((number for number, known in self._descriptors.items() if known is descriptor), -1)

    def _tell_socket(self, socket: StreamSocket, event: int) -> None:
        try:
            if event & READ:
                socket.doRead()
            if event & WRITE and socket.fileno() >= 0:
                socket.doWrite()
        except Exception:
            self._lose(socket, Failure())
            raise

    def _tell(self, descriptor: Any, number: int, event: int) -> None:
        """As Twisted does: what ``doRead`` or ``doWrite`` returns is why the connection is over."""
        read = bool(event & READ)
        try:
            why = self._why(descriptor, number, event)
        except Exception:
            self._lose(descriptor, Failure())
            raise
        if why is None:
            return
        if isinstance(why, ConnectionDone) and (read or not event & _BOTH) and IHalfCloseableDescriptor.providedBy(descriptor):
            self.leave(descriptor, READ)
            descriptor.readConnectionLost(Failure(why))
        else:
            self._lose(descriptor, Failure(why))

    def _why(self, descriptor: Any, number: int, event: int) -> Any:
        """Why it is over, None where it is not."""
        if not event & _BOTH:  # it hung up
            return CONNECTION_DONE if self._wanted.get(number, 0) & READ else CONNECTION_LOST
        if descriptor.fileno() < 0:
            return CONNECTION_LOST
        why = descriptor.doRead() if event & READ else None
        return descriptor.doWrite() if why is None and event & WRITE else why

    def _lose(self, descriptor: Any, failure: Failure) -> None:
        self.leave(descriptor, READ)
        self.leave(descriptor, WRITE)
        descriptor.connectionLost(failure)
