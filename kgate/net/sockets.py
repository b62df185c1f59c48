"""A connected, non-blocking TCP socket on the reactor: reads into one shared buffer, sends at once, buffers only what would block.

Twisted's own TCP transport allocates for each read and queues each write for the next turn of the loop, at two epoll calls a write. This is
the same thing over the public ``IReadDescriptor`` / ``IWriteDescriptor`` interfaces, with those two costs removed. Bytes come and go by ``readv``
and ``write`` on the descriptor, which are calls of fewer instructions than the socket's methods, and the same for the kernel.

Closing is three steps, so that a farewell is never lost to a reset: what is buffered goes out, our half is shut down, and what the peer still
sends is read and dropped until it closes too, sent more than anybody would who listens, or the abort timer ends the wait (RFC 9112 section 9.6).
That counts from when the peer last took something: over a slow line, what is buffered here and in the kernel takes longer than anybody should be waited
for who does not read.

A write that fails says that the peer is gone, and nothing of what it had said by then: that is in the kernel, and is read first. A command that ends before it
has read all of its input says how it ended, and its connection is reset behind that.

Socket, TLS and what is carried inside refer to each other while a connection lives. Whoever of them learns that it is lost lets go of the others, so
that all of it goes at once: the garbage collector comes seldom, and does not weigh what OpenSSL holds for a connection.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Callable
from enum import Enum
from fcntl import ioctl
from termios import FIONREAD, TIOCOUTQ
from typing import Any, Final, Protocol

from twisted.internet.interfaces import IReadDescriptor, IWriteDescriptor
from twisted.python.failure import Failure
from zope.interface import classImplements

from kgate.net.turn import Turn

GATHERED: Final = 48 * 1024
"""Bytes gathered that are sent before the turn's end: three long records, for four with their heads are a little more than Linux sends as one segment
(64 KiB), and each segment wakes whoever reads."""
HIGH_WATER: Final = 256 * 1024
"""Bytes buffered for a peer past which its source is paused."""
LOW_WATER: Final = 64 * 1024
LINGER_SECONDS: Final = 2.0
"""How long a closing connection waits for a peer that takes nothing of what is left for it, nor closes, before it is aborted."""
LINGER_MOST: Final = 60
"""How often it waits again for one that does take some: two minutes, what who reads an answer slowly has at other times."""
LINGER_BYTES: Final = 4 * 1024 * 1024
"""What the peer may send meanwhile: more than Kubernetes takes in a request. The output of a command whose client is gone has no end."""
PARTING_SECONDS: Final = 0.3
"""How long a peer has to go by itself once it was told why it must: time for it to read that, little beside the second that a cut may take."""

_PIECES: Final = 1024
"""The most that one ``writev`` takes: Linux' IOV_MAX."""
_BUFFER: Final = bytearray(512 * 1024)
_BUFFERS: Final[list[bytearray]] = [_BUFFER]
_VIEW: Final = memoryview(_BUFFER)
_VIEWS: Final[list[memoryview]] = [_VIEW[:count] for count in range(1025)]
"""Ready for what is short, as most reads are: 200 KB once, instead of a slice made for each."""
_READ: Final = os.readv
_WRITE: Final = os.write
_WRITE_ALL: Final = os.writev

_TRANSIENT: Final = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR})


class SocketOwner(Protocol):
    """What a socket tells its owner. ``received`` must copy what it keeps: the buffer is shared."""

    def received(self, data: memoryview) -> None:
        """Bytes arrived."""

    def ended(self) -> None:
        """The peer sends no more."""

    def lost(self, reason: str) -> None:
        """The connection is gone; called exactly once, nothing follows."""

    def drained(self) -> None:
        """The buffer fell below the low-water mark after it was above the high one."""


class _Nobody:
    """The owner of a socket that nobody owns yet: it does not read, so there is nothing to say."""

    def received(self, data: memoryview) -> None:
        """Nothing is read."""

    def ended(self) -> None:
        """Nothing is read."""

    def lost(self, reason: str) -> None:
        """Whoever closed it knows."""

    def drained(self) -> None:
        """Nothing is written."""


_NOBODY = _Nobody()


class _State(Enum):
    OPEN = "open"
    DEAF = "the peer is gone, and what it said before is being read"
    CLOSING = "closing"
    LINGERING = "lingering"
    CLOSED = "closed"


_OPEN: Final = _State.OPEN
_DEAF: Final = _State.DEAF
_CLOSED: Final = _State.CLOSED


class StreamSocket:
    """See the module. ``reactor`` needs ``IReactorFDSet`` and ``IReactorTime``."""

    __slots__ = (
        "_backlog",
        "_buffered",
        "_dropped",
        "_fileno",
        "_left",
        "_linger",
        "_owner",
        "_patient",
        "_reactor",
        "_reading",
        "_sock",
        "_state",
        "_turn",
        "_waits",
        "_writing",
        "congested",
    )

    def __init__(self, reactor: Any, turn: Turn, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._reactor, self._turn, self._sock = reactor, turn, sock
        self._owner: SocketOwner = _NOBODY
        self._fileno = sock.fileno()
        self._backlog: list[bytes | memoryview] = []
        """Hardly ever holds anything, and never much; an empty deque would be 600 bytes."""
        self._buffered = self._dropped = 0
        self._state = _OPEN
        self._reading = self._writing = False
        """What the reactor is asked to tell."""
        self._linger: Any = None
        self._left = 0
        self._patient = False
        self._waits = LINGER_MOST
        self.congested = False

    # --- what the reactor calls

    def fileno(self) -> int:
        """The descriptor, -1 once closed."""
        return self._fileno

    @property
    def peer(self) -> str:
        """Whom it is connected to: address and port; empty once it is not."""
        try:
            name = self._sock.getpeername()
        except OSError:
            return ""
        return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"

    @property
    def open(self) -> bool:
        """Whether bytes may still come."""
        return self._state is _OPEN or self._state is _DEAF

    @property
    def unsent(self) -> bool:
        """Whether bytes are on their way that have not reached the peer."""
        return self._state is not _CLOSED and self._untaken() > 0

    def logPrefix(self) -> str:
        """Twisted's word for us in its log."""
        return "kgate"

    def doRead(self) -> None:
        """The socket is readable."""
        try:
            count = _READ(self._fileno, _BUFFERS)
        except OSError as error:
            self._failed(error)
            self._turn.flush()
            return
        if self._state is not _OPEN and not (count and self._state is _DEAF):
            self._drop(count)
        elif count:
            self._owner.received(_VIEWS[count] if count < len(_VIEWS) else _VIEW[:count])
        else:
            self.pause_reading()
            self._owner.ended()
        self._turn.flush()

    def _drop(self, count: int) -> None:
        """Bytes of a peer that is not listened to any more; 0: it closed too."""
        if self._state is _State.LINGERING:
            self._dropped += count
        if not count and self._state is _State.CLOSING:
            self.pause_reading()  # it may still read what we have for it
        elif not count:
            self._close("closed")
        elif self._dropped > LINGER_BYTES:
            self._close("it went on sending")

    def doWrite(self) -> None:
        """The socket is writable: send the backlog."""
        if self._backlog:
            self._send()
        if self._state is not _CLOSED:
            self._sent()
        self._turn.flush()

    def _sent(self) -> None:
        """The kernel took some of the backlog, or all of it."""
        if not self._backlog:
            self._writing = False
            self._reactor.removeWriter(self)
            if self._state is _State.CLOSING:
                self._shut_down()
        if self.congested and self._buffered <= LOW_WATER:
            self.congested = False
            self._owner.drained()

    def _send(self) -> None:
        """Send of the backlog what the kernel takes."""
        backlog = self._backlog
        try:
            sent = _WRITE_ALL(self._fileno, backlog[:_PIECES])
        except OSError as error:
            self._failed_to_write(error)
            return
        self._buffered -= sent
        whole = 0
        for piece in backlog:
            if sent < len(piece):
                break
            sent -= len(piece)
            whole += 1
        del backlog[:whole]
        if sent:
            backlog[0] = memoryview(backlog[0])[sent:]

    def connectionLost(self, reason: Failure) -> None:
        """The reactor gives the descriptor up: it hung up, or a bug raised in ``doRead``."""
        self._close(reason.getErrorMessage())
        self._turn.flush()

    # --- what the owner calls

    def own(self, owner: SocketOwner) -> None:
        """From now on ``owner`` is told what happens. Reading starts by ``resume_reading``."""
        self._owner = owner

    def write(self, data: bytes) -> None:
        """Send ``data`` now, or as soon as the kernel takes it. Sets ``congested`` past the high-water mark."""
        if self._state is not _OPEN or not data:
            return
        if self._backlog:  # that goes first
            self._hold(data)
            return
        sent = 0
        try:
            sent = _WRITE(self._fileno, data)
        except OSError as error:
            self._failed_to_write(error)
        if sent < len(data) and self._state is _OPEN:
            self._wait_for_room()
            self._hold(memoryview(data)[sent:])

    def gather(self, data: bytes) -> None:
        """Send ``data``, which is not empty, with what else is gathered in this turn: at its end, or when that is ``GATHERED`` bytes."""
        if self._state is _OPEN:
            if not self._backlog:
                self._turn.mark(self)
            self._hold(data)

    def flush(self) -> None:
        """Send what was gathered."""
        if self._backlog and not self._writing:
            self._send()
            if self._backlog:
                self._wait_for_room()

    def _hold(self, data: bytes | memoryview) -> None:
        self._backlog.append(data)
        self._buffered += len(data)
        if self._buffered >= GATHERED:
            self.flush()
        if self._buffered > HIGH_WATER:
            self.congested = True

    def _wait_for_room(self) -> None:
        """Be told when the kernel takes more."""
        self._writing = True
        self._reactor.addWriter(self)

    def _failed_to_write(self, error: OSError) -> None:
        """As ``_failed``, but what the peer had said is still to be read: all of it, whoever is full, for no more comes."""
        if error.errno in _TRANSIENT or self._state is not _OPEN or not self._has(FIONREAD):
            self._failed(error)
            return
        self._state, self.congested = _DEAF, False
        self._give_up_backlog()
        self.resume_reading()

    def _failed(self, error: OSError) -> None:
        """The kernel gave or took nothing: it will later, or the connection turns out to be gone."""
        if error.errno not in _TRANSIENT:
            self._close(str(error))

    def resume_reading(self) -> None:
        """Let bytes come (again)."""
        if not self._reading and self._state is not _CLOSED:
            self._reading = True
            self._reactor.addReader(self)

    def pause_reading(self) -> None:
        """Let the peer's bytes wait in the kernel."""
        if self._reading and self._state is not _DEAF:
            self._reading = False
            self._reactor.removeReader(self)

    def part(self, end: Callable[[], None]) -> None:
        """Keep reading, and call ``end`` in ``PARTING_SECONDS`` unless it is closed by then. What was cut is not waited for again and again."""
        if self._state is _OPEN:
            self._waits = 0
            self._wait(PARTING_SECONDS, end)
            self.resume_reading()

    def close(self, patient: bool = False) -> None:
        """Flush, say that nothing follows, and end; aborted after ``LINGER_SECONDS`` in which nothing of what is left is taken. ``patient`` is for whoever is
        to have all of it however they stop in between, as a pager does: then only ``LINGER_MOST`` counts."""
        self.flush()
        if self._state is _DEAF:
            self.abort()
        if self._state is not _OPEN:
            return
        self._state, self._patient = _State.CLOSING, patient
        self._left = self._untaken()
        self._wait(LINGER_SECONDS, self._linger_on)
        if not self._backlog:
            self._shut_down()

    def _linger_on(self) -> None:
        """Wait for as long again if the peer took something meanwhile, or may take its time."""
        left, before = self._untaken(), self._left
        stands_still = left >= before and not (self._patient and left)
        if stands_still or not self._waits:
            self.abort()
        else:
            self._left, self._waits = left, self._waits - 1
            self._wait(LINGER_SECONDS, self._linger_on)

    def _untaken(self) -> int:
        """Bytes that have not reached the peer: of those in the kernel, too."""
        return self._buffered + self._has(TIOCOUTQ)

    def _has(self, queue: int) -> int:
        """Bytes that wait in the kernel, to be read (FIONREAD) or to be taken by the peer (TIOCOUTQ)."""
        try:
            return int.from_bytes(ioctl(self._fileno, queue, bytes(4)), sys.byteorder)
        except OSError:  # not every system tells
            return 0

    def abort(self) -> None:
        """End at once."""
        self._close("aborted")

    def _shut_down(self) -> None:
        self._state = _State.LINGERING
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            self._close(str(error))
        else:
            self.resume_reading()

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        """What ends this connection after a while: the last one that was asked for."""
        self._stop_waiting()
        self._linger = self._reactor.callLater(seconds, self._turn.wrap(then))

    def _stop_waiting(self) -> None:
        if self._linger is not None and self._linger.active():
            self._linger.cancel()
        self._linger = None

    def _give_up_backlog(self) -> None:
        """Nobody will take it."""
        self._writing = False
        self._reactor.removeWriter(self)
        self._backlog.clear()
        self._buffered = 0

    def _close(self, reason: str) -> None:
        if self._state is _CLOSED:
            return
        self._state = _CLOSED
        self._stop_waiting()
        self._reactor.removeReader(self)
        self._give_up_backlog()
        self._fileno = -1
        self._sock.close()
        owner, self._owner = self._owner, _NOBODY
        owner.lost(reason)


classImplements(StreamSocket, IReadDescriptor, IWriteDescriptor)  # not a decorator: a decorated class is not compiled
