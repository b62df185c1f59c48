"""The sending half of an HTTP/2 connection: what is to go out, in which order, and what has to wait.

Frames wait for nothing, except DATA, which needs three things: credit in the stream's window, credit in the connection's, and a transport
that has room. What lacks one of them stays in the stream's own queue, as references to the bytes as they came. Streams that lack only
the second or third stand in a row and take turns, a frame each, so that a large download does not hold up a small one.

``pause_sending`` says that the transport is full; after ``Http2Limits.turn`` bytes in one go the connection takes it for full by itself, and
``backlog`` says that ``resume_sending`` is worth a call once it has drained.

A stream's end is the last thing in its queue: END_STREAM on the last DATA frame, or the trailers after it (``Stream.tail``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import Final

from kgate.wire import http2_fields as fields
from kgate.wire import http2_frames as frames
from kgate.wire.errors import LocalProtocolError
from kgate.wire.events import Event, Headers, StreamWritable
from kgate.wire.hpack import FIRST_BLOCK
from kgate.wire.http2_frames import END_STREAM, FIRST_WINDOW, LONGEST_FRAME, ErrorCode, FrameType, sent_head
from kgate.wire.http2_limits import Http2Limits
from kgate.wire.http2_streams import AFTER_OUR_END, Outgoing, PastStreams, State, Stream

_DATA: Final = int(FrameType.DATA)
_BODY: Final = Outgoing.BODY
_NOTHING: Final = Outgoing.NOTHING
_ENDED: Final = State.ENDED
_NO_ERROR: Final = int(ErrorCode.NO_ERROR)
_ENDS_WITH_DATA: Final = b""
_ANSWER: Final = 256
"""Bytes that an answer's head has, roughly."""


class SendingHalf(ABC):
    """Queues, windows and turns. The receiving half builds on it, and tells it what the peer grants."""

    __slots__ = ("_full", "_limits", "_out", "_past", "_peer_window", "_provoked", "_row", "_start", "_streams", "_window")

    def __init__(self, limits: Http2Limits) -> None:
        self._limits = limits
        self._out: list[bytes | memoryview] = []
        self._streams: dict[int, Stream] = {}
        self._past = PastStreams()
        self._window = FIRST_WINDOW
        """What the connection as a whole may still send."""
        self._peer_window = FIRST_WINDOW
        """What each new stream may send."""
        self._row: list[Stream] = []
        self._full = False
        self._start = FIRST_BLOCK
        self._provoked = 0
        """Bytes of answers to the peer's frames, and to its requests where they have no body, that the transport has not taken."""

    @property
    def open_streams(self) -> int:
        """How many streams are live."""
        return len(self._streams)

    @property
    def backlog(self) -> bool:
        """Whether ``resume_sending`` would send something now."""
        return self._window > 0 and any(stream.queue for stream in self._row)

    def queued(self, stream: int) -> int:
        """Bytes of the stream's body that wait; 0 for a stream that is over."""
        known = self._streams.get(stream)
        return known.queued if known is not None else 0

    def data_to_send(self) -> bytes:
        """All that may go out now; the caller has it from here on."""
        out = b"".join(self._out)
        self._out.clear()
        if not self._full:
            self._provoked = 0
        return out

    def send_data(self, stream: int, data: bytes, end: bool = False) -> int:
        """Send or queue body bytes; how many of the stream's wait now. ``end``: nothing follows. Nothing happens on a stream that is over."""
        known = self._streams.get(stream)
        if known is None:
            return 0
        if known.outgoing is not _BODY:
            raise LocalProtocolError(f"stream {stream} cannot send a body now: its head was not sent, or its end was")
        if end:
            known.outgoing = _NOTHING
        size = len(data)
        may_go = size <= LONGEST_FRAME and size <= known.send_window and size <= self._window and not self._full
        if known.queued or not (may_go or not size):
            return self._queue(known, data, end=end)
        known.send_window -= size
        self._window -= size
        if size or end:
            self._out.append(sent_head(size, _DATA, END_STREAM if end else 0, stream))
            self._out.append(data)
        if end:
            self._our_half_ended(known)
        return 0

    def send_trailers(self, stream: int, headers: Headers) -> None:
        """End the stream's body with trailers, after all that is queued."""
        known = self._streams.get(stream)
        if known is None:
            return
        if known.outgoing is not _BODY:
            raise LocalProtocolError(f"stream {stream} cannot send trailers now: its head was not sent, or its end was")
        known.outgoing = _NOTHING
        known.tail = frames.header_frames(stream, self._block(headers), end=True)
        if not known.queued:
            self._finish(known)

    def reset(self, stream: int, code: int) -> None:
        """End the stream at once, both halves, with RST_STREAM; what was queued is dropped. Nothing happens on one that is over.

        NO_ERROR says only that the rest of a request is not wanted: an answer that is complete, but still queued, goes out first.
        """
        known = self._streams.get(stream)
        if known is None:
            return
        if code == _NO_ERROR and known.queued and known.outgoing is _NOTHING:
            known.unwanted = True
        else:
            self._reset(known, code)

    def _reset(self, stream: Stream, code: int) -> None:
        self._out.append(frames.rst_stream(stream.number, code))
        self._forget(stream)
        self._past.reset(stream.number, State.RESET_HERE)

    def pause_sending(self) -> None:
        """The transport is full: DATA waits, all else goes on."""
        self._full = True

    def resume_sending(self) -> list[Event]:
        """The transport has drained: send what waited, at most ``Http2Limits.turn`` bytes. StreamWritable for each queue that ran empty."""
        self._full = False
        self._provoked = 0
        return self._take_turns()

    def _block(self, listed: Headers, first: bytes = b"") -> bytes:
        """Our next header block, ``first`` being coded already; the connection's first block says that no table is kept."""
        start, self._start = self._start, b""
        return start + first + fields.block(listed)

    def _queue(self, stream: Stream, data: bytes, *, end: bool) -> int:
        if stream.queue is None:
            stream.queue = deque()
        if data:
            stream.queue.append(data)
        stream.queued += len(data)
        if end:
            stream.tail = _ENDS_WITH_DATA
        self._line_up(stream)
        self._take_turns()
        return stream.queued

    def _line_up(self, stream: Stream) -> None:
        """Put the stream at the row's end if nothing of its own holds it up."""
        if stream.queue and not stream.waiting and stream.send_window > 0:
            stream.waiting = True
            self._row.append(stream)

    def _take_turns(self) -> list[Event]:
        """A frame of each stream in the row, again and again, until the row, the connection's window or the turn's measure is used up."""
        events: list[Event] = []
        row, left = self._row, self._limits.turn
        while row and not self._full and self._window > 0:
            stream = row.pop(0)
            stream.waiting = False
            if not stream.queue or stream.send_window <= 0:
                continue  # SETTINGS took its window while it waited (RFC 9113 section 6.9.2): credit lines it up again
            left -= self._send_frame(stream)
            if stream.queue:
                self._line_up(stream)
            else:
                events.append(StreamWritable(stream.number))
                self._finish(stream)
            if left <= 0 and row:
                self._full = True
        return events

    def _send_frame(self, stream: Stream) -> int:
        queue = stream.queue
        assert queue is not None
        chunk = queue.popleft()
        size = min(len(chunk), LONGEST_FRAME, stream.send_window, self._window)
        if size < len(chunk):
            queue.appendleft(memoryview(chunk)[size:])
            chunk = memoryview(chunk)[:size]
        stream.queued -= size
        stream.send_window -= size
        self._window -= size
        flags = END_STREAM if not queue and stream.tail == _ENDS_WITH_DATA else 0
        self._out.append(sent_head(size, _DATA, flags, stream.number))
        self._out.append(chunk)
        return size

    def _finish(self, stream: Stream) -> None:
        """The queue is empty: end our half if it was to end."""
        if stream.tail is None:
            return
        if stream.tail:
            self._out.append(stream.tail)
        self._our_half_ended(stream)
        if stream.unwanted and stream.state is not _ENDED:
            self._reset(stream, _NO_ERROR)

    def _our_half_ended(self, stream: Stream) -> None:
        stream.state = AFTER_OUR_END[stream.state]
        if stream.state is _ENDED:
            if self._full:  # nothing of it waits: it was answered without a body, and another may take its place at once
                self._provoked += _ANSWER
            self._forget(stream)
            self._past.end(stream.number)

    def _forget(self, stream: Stream) -> None:
        """The stream is over: nothing of it waits any more, and the credit that it holds goes back to the connection."""
        del self._streams[stream.number]
        if stream.queued:
            stream.queue = None
            stream.queued = 0
        if stream.unconsumed:
            self._credit_connection(stream.unconsumed)

    @abstractmethod
    def _credit_connection(self, credit: int) -> None:
        """Let the peer send ``credit`` bytes more on the connection."""
