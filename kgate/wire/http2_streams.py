"""The states of a stream (RFC 9113, 5.1), as tables. All that decides whether a frame fits its stream is here.

A live stream is a ``Stream``. One that is over leaves nothing but its number, and of those only the latest are remembered with the way in
which they ended, for the way decides what a late frame means: on a stream that *we* reset it is only late, and is ignored; on one that the
peer reset, or ended, it is a mistake. A number that was forgotten, or was skipped and so never used, is ``FORGOTTEN``.

No stream is ever reserved: we neither push nor let anyone push.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, IntEnum
from typing import Final

from kgate.wire.http2_frames import FrameType


class State(IntEnum):
    """A stream's place in its life, from here; the numbers are indexes of the tables below."""

    OPEN = 0
    HALF_CLOSED_LOCAL = 1
    HALF_CLOSED_REMOTE = 2
    IDLE = 3
    ENDED = 4
    """Both halves ended in the regular way."""
    RESET_HERE = 5
    RESET_THERE = 6
    FORGOTTEN = 7


AFTER_THEIR_END: Final[tuple[State, ...]] = (State.HALF_CLOSED_REMOTE, State.ENDED, State.HALF_CLOSED_REMOTE)
AFTER_OUR_END: Final[tuple[State, ...]] = (State.HALF_CLOSED_LOCAL, State.HALF_CLOSED_LOCAL, State.ENDED)
"""Indexed by the state before; only live streams end."""


class Verdict(Enum):
    """What a frame is that arrives on a stream in some state."""

    FITS = "fits"
    LATE = "late"
    """Ignored, but for what the whole connection must keep in step: header compression and flow control."""
    STREAM_CLOSED = "stream error STREAM_CLOSED"
    CONNECTION_CLOSED = "connection error STREAM_CLOSED"
    PROTOCOL = "connection error PROTOCOL_ERROR"


_FITS, _LATE, _STREAM, _CONNECTION, _PROTOCOL = Verdict

_COLUMNS: Final = (FrameType.DATA, FrameType.HEADERS, FrameType.RST_STREAM, FrameType.WINDOW_UPDATE)
_ROWS: Final = {
    State.OPEN: (_FITS, _FITS, _FITS, _FITS),
    State.HALF_CLOSED_LOCAL: (_FITS, _FITS, _FITS, _FITS),
    State.HALF_CLOSED_REMOTE: (_STREAM, _STREAM, _FITS, _FITS),
    State.IDLE: (_PROTOCOL, _PROTOCOL, _PROTOCOL, _PROTOCOL),
    State.ENDED: (_CONNECTION, _CONNECTION, _LATE, _LATE),
    State.RESET_HERE: (_LATE, _LATE, _LATE, _LATE),
    State.RESET_THERE: (_STREAM, _STREAM, _LATE, _LATE),
    State.FORGOTTEN: (_CONNECTION, _PROTOCOL, _LATE, _LATE),
}
"""PRIORITY fits everywhere. HEADERS on an idle stream are a request where we are the server: that is asked before this table."""
VERDICTS: Final = {(state, kind): verdict for state, row in _ROWS.items() for kind, verdict in zip(_COLUMNS, row, strict=True)}


class Outgoing(IntEnum):
    """What our half may be asked to send next."""

    HEAD = 0
    BODY = 1
    NOTHING = 2


_FIRST_OUT: Final = Outgoing.HEAD


class Incoming(IntEnum):
    """What the peer's half has to send next."""

    HEAD = 0
    BODY = 1


class Stream:
    """A live stream. Sizes in bytes; windows may be negative after a change of the settings (6.9.2)."""

    __slots__ = (
        "bodyless",
        "incoming",
        "information",
        "number",
        "outgoing",
        "owed",
        "queue",
        "queued",
        "receive_window",
        "remaining",
        "send_window",
        "state",
        "tail",
        "unconsumed",
        "unwanted",
        "waiting",
    )

    def __init__(self, number: int, state: State, incoming: Incoming, send_window: int, receive_window: int) -> None:
        self.number = number
        self.state = state
        self.incoming = incoming
        self.outgoing: Outgoing = _FIRST_OUT
        self.send_window = send_window
        self.receive_window = receive_window
        """What the peer may still send."""
        self.unconsumed = 0
        """Bytes that were delivered and for which no credit was given back to us."""
        self.owed = 0
        """Credit that was given back to us and that the peer does not know of yet."""
        self.remaining: int | None = None
        """What is missing to the announced content-length; None where none was announced."""
        self.bodyless = False
        """A response to HEAD: its content-length announces nothing (RFC 9110, 8.6)."""
        self.information = 0
        """1xx answers so far."""
        self.queue: deque[bytes | memoryview] | None = None
        self.queued = 0
        self.tail: bytes | None = None
        """What goes out once the queue is empty: trailers as frames; empty bytes where the last DATA frame itself ends the stream."""
        self.unwanted = False
        """Whether it is reset once its tail went out, for the rest of the request is not wanted."""
        self.waiting = False
        """Whether it stands in the row of those that take turns."""


class PastStreams:
    """How streams ended, for as long as a late frame is likely. Bounded: at most ``_MANY`` resets and, of those that just ended, at least the last 64."""

    __slots__ = ("_ended", "_resets")
    _MANY = 256

    def __init__(self) -> None:
        self._ended: list[int] = []
        self._resets: dict[int, State] = {}

    def end(self, number: int) -> None:
        """Both halves ended."""
        ended = self._ended
        ended.append(number)
        if len(ended) >= 128:
            del ended[:64]

    def reset(self, number: int, state: State) -> None:
        """``state`` says who reset it; the first reset counts."""
        self._resets.setdefault(number, state)
        if len(self._resets) > self._MANY:
            del self._resets[next(iter(self._resets))]

    def state(self, number: int) -> State:
        """Of a stream that is neither live nor idle."""
        known = self._resets.get(number)
        if known is not None:
            return known
        return State.ENDED if number in self._ended else State.FORGOTTEN
