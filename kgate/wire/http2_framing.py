"""Frames of an HTTP/2 connection cut off what arrives, in the order that there must be (RFC 9113, 3.4, 4 and 6.10).

One loop gives each frame to whoever knows its meaning (http2_connection). That either takes the frame, or raises one of two faults, which go no further
than the loop: a ``StreamFault`` costs the stream (RST_STREAM, and ``StreamReset`` if anybody above knows of it), a ``ConnectionFault`` the connection
(GOAWAY and ``ConnectionFailed``), after which nothing more is read, not even the rest of the same read.

``Phase`` says what may come at all: the preface, then SETTINGS, then anything, but only CONTINUATION inside a header block, which is put together here.
"""

from __future__ import annotations

from abc import abstractmethod
from enum import Enum
from typing import Final, NamedTuple

from kgate.wire import http2_frames as frames
from kgate.wire.events import ConnectionFailed, Event
from kgate.wire.http2_frames import END_HEADERS, END_STREAM, ConnectionFault, ErrorCode, FrameType, StreamFault
from kgate.wire.http2_limits import Http2Limits
from kgate.wire.http2_sending import SendingHalf

NUMBER: Final = 0x7FFFFFFF
"""The bits of a stream's number."""
_CONTINUATION: Final = int(FrameType.CONTINUATION)


class Phase(Enum):
    """What may arrive now."""

    PREFACE = "the client's preface"
    SETTINGS = "the first SETTINGS"
    FRAMES = "any frame"
    BLOCK = "the rest of a header block"
    OVER = "nothing: the connection is over"


# The names of enumerations cost a search in their class; these are asked for with each frame.
_PREFACE: Final = Phase.PREFACE
_FRAMES: Final = Phase.FRAMES
_OVER: Final = Phase.OVER


class _PartialBlock(NamedTuple):
    """A header block whose end has not come."""

    stream: int
    ended: bool
    depends_on_itself: bool
    parts: list[bytes]


class Framing(SendingHalf):
    """See the module."""

    __slots__ = ("_events", "_partial", "_phase", "_rest")
    _FAILED_STATUS = 400

    def __init__(self, limits: Http2Limits, phase: Phase) -> None:
        super().__init__(limits)
        self._phase = phase
        self._rest = b""
        """What there is of a frame, or of the preface, whose end has not come."""
        self._partial: _PartialBlock | None = None
        self._events: list[Event] = []

    # What the layer above asks

    @property
    def idle(self) -> bool:
        """Whether no stream is live and nothing is half received."""
        return not (self._streams or self._rest or self._partial)

    def receive(self, data: bytes) -> list[Event]:
        """What ``data`` tells, in its order. Nothing once the connection is over."""
        if self._phase is _OVER:
            return []
        try:
            self._read(data)
        except ConnectionFault as fault:
            self._fail(fault)
        events, self._events = self._events, []
        return events

    def receive_eof(self) -> list[Event]:
        """The peer closed. ConnectionFailed where that was in the middle of something; the connection is over either way."""
        if self._phase is _OVER:
            return []
        cut = bool(self._rest or self._partial or self._streams)
        text = f"the peer closed the connection with {len(self._streams)} streams open"
        self._end()
        return [ConnectionFailed(self._FAILED_STATUS, ErrorCode.NO_ERROR, text)] if cut else []

    def goaway(self, code: int = ErrorCode.NO_ERROR, text: str = "") -> None:
        """End the connection now, whatever is open: GOAWAY, and nothing more is read or sent."""
        if self._phase is not _OVER:
            self._out.append(frames.goaway(self._last_of_peer, code, text))
            self._end()

    # What knows the frames' meaning adds

    @property
    @abstractmethod
    def _last_of_peer(self) -> int:
        """The greatest stream that the peer opened."""

    @abstractmethod
    def _frame_received(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        """A frame that may come now. Raises StreamFault and ConnectionFault."""

    @abstractmethod
    def _block_received(self, number: int, block: bytes, ended: bool, depends_on_itself: bool) -> None:
        """A whole header block. Raises StreamFault and ConnectionFault."""

    @abstractmethod
    def _stream_failed(self, fault: StreamFault) -> None:
        """A frame cost its stream. Raises ConnectionFault where it was one too many."""

    # The loop

    def _read(self, data: bytes) -> None:
        """Frames of what came. One that began before is put together with what it lacks alone: ``data`` may be half a megabyte of a body."""
        begun = self._rest
        if len(begun) >= 9:
            lacks = 9 + frames.read_head(begun, 0)[0] - len(begun)
            if lacks < len(data) and self._phase is _FRAMES:
                self._read_frames(begun + data[:lacks], 0)
                self._read_frames(data, lacks)
                return
        self._read_frames(begun + data if begun else data, 0)

    def _read_frames(self, buffer: bytes, position: int) -> None:
        end = len(buffer)
        if self._phase is _PREFACE:
            position = self._read_preface(buffer)
            if not position:
                self._rest = buffer
                return
        while end - position >= 9:
            length, kind, flags, number = frames.read_head(buffer, position)
            if length > frames.LONGEST_FRAME:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"a frame of {length} bytes")
            start, position = position + 9, position + 9 + length
            if position > end:
                position = start - 9
                break
            if self._phase is not _FRAMES:
                self._check_order(kind, flags, number)
            try:
                self._frame_received(kind, flags, number, buffer[start:position])
            except StreamFault as fault:
                self._stream_failed(fault)
        self._rest = buffer[position:]
        if self._provoked > self._limits.unsent:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "the peer makes us answer and does not read the answers")

    def _read_preface(self, buffer: bytes) -> int:
        """How much of the buffer the preface is, where it is whole."""
        if not frames.PREFACE.startswith(buffer[: len(frames.PREFACE)]):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the connection does not begin as HTTP/2 does")
        if len(buffer) < len(frames.PREFACE):
            return 0
        self._phase = Phase.SETTINGS
        return len(frames.PREFACE)

    def _check_order(self, kind: int, flags: int, number: int) -> None:
        if self._phase is Phase.SETTINGS:
            if kind != FrameType.SETTINGS or flags & frames.ACK:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the first frame is not SETTINGS")
            self._phase = Phase.FRAMES
        elif kind != _CONTINUATION or self._partial is None or number != self._partial.stream:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "another frame inside a header block")

    # Header blocks

    def _on_headers(self, flags: int, number: int, payload: bytes) -> None:
        if not number:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "HEADERS on stream 0")
        depends_on_itself = False
        if flags & (frames.PADDED | frames.PRIORITY):
            if flags & frames.PADDED:
                payload = without_padding(payload)
            if flags & frames.PRIORITY:
                if len(payload) < 5:
                    raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "HEADERS that are too short for a priority")
                depends_on_itself = int.from_bytes(payload[:4], "big") & NUMBER == number
                payload = payload[5:]
        if flags & END_HEADERS:
            self._block_received(number, payload, bool(flags & END_STREAM), depends_on_itself)
        else:
            self._partial = _PartialBlock(number, bool(flags & END_STREAM), depends_on_itself, [payload])
            self._phase = Phase.BLOCK

    def _on_continuation(self, flags: int, number: int, payload: bytes) -> None:
        partial = self._partial
        if partial is None:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "CONTINUATION of nothing")
        partial.parts.append(payload)
        too_long = sum(map(len, partial.parts)) > 4 * self._limits.header_list
        if too_long or len(partial.parts) > self._limits.continuations + 1:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "a header block that does not end")
        if flags & END_HEADERS:
            self._partial = None
            self._phase = Phase.FRAMES
            self._block_received(number, b"".join(partial.parts), partial.ended, partial.depends_on_itself)

    # Ends

    def _fail(self, fault: ConnectionFault) -> None:
        self._out.append(frames.goaway(self._last_of_peer, fault.code, fault.text))
        self._end()
        self._events.append(ConnectionFailed(self._FAILED_STATUS, fault.code, fault.text))

    def _end(self) -> None:
        self._phase = Phase.OVER
        self._rest = b""
        self._partial = None
        self._streams.clear()
        self._row.clear()


def without_padding(payload: bytes) -> bytes:
    """What a padded frame carries (RFC 9113, 6.1). Raises ConnectionFault."""
    if not payload or payload[0] >= len(payload):
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "more padding than the frame has room for")
    return payload[1 : len(payload) - payload[0]]
