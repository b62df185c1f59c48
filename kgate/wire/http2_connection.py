"""What the frames of an HTTP/2 connection mean, and what both roles have in common (RFC 9113). The base (http2_framing) brings them in their order.

Whether a frame fits its stream is asked of the tables in http2_streams; what a header block says, of http2_heads.

**Credit.** The peer spends it by sending DATA; the layer above gives it back by ``consumed`` when the bytes went on, and it reaches the peer once it
is half a window. Whatever a stream has not given back when it ends goes back to the connection by itself, so none leaks.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Final, Generic

from kgate.wire import http2_fields as fields
from kgate.wire import http2_frames as frames
from kgate.wire.errors import LocalProtocolError
from kgate.wire.events import DataReceived, GoawayReceived, StreamEnded, StreamReset, TrailersReceived
from kgate.wire.http2_allowances import Noise, Seconds
from kgate.wire.http2_fields import Refusal
from kgate.wire.http2_frames import END_STREAM, LARGEST_WINDOW, ConnectionFault, ErrorCode, FrameType, Setting, StreamFault
from kgate.wire.http2_framing import NUMBER, Framing, Phase, without_padding
from kgate.wire.http2_heads import H, Heads
from kgate.wire.http2_limits import Http2Limits
from kgate.wire.http2_streams import AFTER_THEIR_END, VERDICTS, Incoming, State, Stream, Verdict

_CONTINUATION: Final = int(FrameType.CONTINUATION)

# The names of enumerations cost a search in their class; these are asked for with each frame.
_OVER: Final = Phase.OVER
_HALF_CLOSED_REMOTE: Final = State.HALF_CLOSED_REMOTE
_ENDED: Final = State.ENDED
_AWAITS_HEAD: Final = Incoming.HEAD


class Http2Connection(Framing, Generic[H]):
    """What ServerConnection and ClientConnection share; see there. Nothing is ever blocked on, and no time passes but through ``now``."""

    __slots__ = (
        "_granted",
        "_heads",
        "_highest",
        "_leaving",
        "_noise",
        "_owed",
        "_receive_window",
        "_sent_before",
        "last_pong",
    )

    def __init__(self, limits: Http2Limits, now: Seconds, phase: Phase, heads: Heads[H]) -> None:
        super().__init__(limits, phase)
        self._heads: Heads[H] = heads
        self._highest = 0
        """The greatest number of a stream so far."""
        self._leaving = False
        """No stream will be added: we said so, or we were told."""
        self._receive_window = limits.connection_window
        self._owed = 0
        self._granted = frames.FIRST_WINDOW
        """All that the peer ever let the connection send: less what is left of it, it is what was sent."""
        self._sent_before = 0
        self._noise = Noise(limits.noise, limits.noise_rate, now)
        self.last_pong = b""
        """The payload of the latest answer to ``ping``."""

    # What the layer above asks

    @property
    def closing(self) -> bool:
        """Whether to close the transport once ``data_to_send`` went out."""
        return self._phase is _OVER or (self._leaving and not self._streams)

    def consumed(self, stream: int, credit: int) -> None:
        """Give ``credit`` of a DataReceived back, now that its bytes went on. Nothing happens on a stream that is over."""
        known = self._streams.get(stream)
        if known is None:
            return
        known.unconsumed -= credit
        if known.unconsumed < 0:
            raise LocalProtocolError(f"stream {stream} gives back more credit than it got")
        self._credit_connection(credit)
        known.owed += credit
        if known.owed * 2 >= self._limits.initial_window and known.state is not _HALF_CLOSED_REMOTE:
            self._out.append(frames.window_update(stream, known.owed))
            known.receive_window += known.owed
            known.owed = 0

    def ping(self, payload: bytes) -> None:
        """Send a PING of eight bytes; ``last_pong`` is the same once it was answered."""
        if len(payload) != 8:
            raise LocalProtocolError("a PING has eight bytes")
        self._out.append(frames.frame(FrameType.PING, 0, 0, payload))

    def shutdown(self) -> None:
        """End the connection once the open streams are through: GOAWAY now, and no new ones. ``closing`` says when."""
        if not self._leaving and self._phase is not _OVER:
            self._leaving = True
            self._out.append(frames.goaway(self._last_of_peer, ErrorCode.NO_ERROR))

    # What a role adds

    @abstractmethod
    def _block_without_stream(self, number: int, block: bytes, ended: bool, depends_on_itself: bool) -> None:
        """A header block on a stream that is not live."""

    @abstractmethod
    def _head_received(self, stream: Stream, block: bytes, ended: bool) -> None:
        """A header block on a live stream whose head is still awaited."""

    # Frames of a stream

    def _frame_received(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if kind <= _CONTINUATION:
            _METHODS[kind](self, flags, number, payload)
        else:
            self._make_noise("unknown frames")

    def _on_data(self, flags: int, number: int, payload: bytes) -> None:
        size = len(payload)
        self._receive_window -= size
        if self._receive_window < 0:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "more DATA than the connection's window")
        stream = self._streams.get(number)
        if stream is not None:
            stream.unconsumed += size
        else:
            self._credit_connection(size)
        if flags & frames.PADDED:
            payload = without_padding(payload)
        if stream is None or stream.state is _HALF_CLOSED_REMOTE:
            if not size:
                self._make_noise("DATA without data")
            self._judge(number, stream, FrameType.DATA)
            return
        stream.receive_window -= size
        if stream.receive_window < 0:
            raise StreamFault(number, ErrorCode.FLOW_CONTROL_ERROR, "more DATA than the stream's window")
        self._count_body(stream, len(payload))
        if payload:
            self._events.append(DataReceived(number, payload, size))
        elif not flags & END_STREAM:
            self._make_noise("DATA without data")
            self.consumed(number, size)
        if flags & END_STREAM:
            self._their_half_ended(stream)
            self._events.append(StreamEnded(number))

    def _count_body(self, stream: Stream, size: int) -> None:
        if stream.incoming is _AWAITS_HEAD:
            raise StreamFault(stream.number, ErrorCode.PROTOCOL_ERROR, "DATA before the head")
        if stream.remaining is not None:
            stream.remaining -= size
            if stream.remaining < 0:
                raise StreamFault(stream.number, ErrorCode.PROTOCOL_ERROR, "more DATA than content-length")

    def _on_priority(self, _flags: int, number: int, payload: bytes) -> None:
        self._make_noise("PRIORITY frames")
        if not number:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PRIORITY on stream 0")
        if len(payload) != 5:
            self._refuse_stream(number, ErrorCode.FRAME_SIZE_ERROR, "PRIORITY of a length other than 5")
        if int.from_bytes(payload[:4], "big") & NUMBER == number:
            self._refuse_stream(number, ErrorCode.PROTOCOL_ERROR, "a stream that depends on itself")

    def _on_rst_stream(self, _flags: int, number: int, payload: bytes) -> None:
        self._make_noise("RST_STREAM frames")
        if not number:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "RST_STREAM on stream 0")
        if len(payload) != 4:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "RST_STREAM of a length other than 4")
        stream: Stream | None = self._streams.get(number)
        if stream is None:
            self._judge(number, stream, FrameType.RST_STREAM)
            return
        self._forget(stream)
        self._past.reset(number, State.RESET_THERE)
        self._events.append(StreamReset(number, int.from_bytes(payload, "big"), by_peer=True))
        self._count_reset()

    def _on_window_update(self, _flags: int, number: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "WINDOW_UPDATE of a length other than 4")
        self._make_window_noise()
        increment = int.from_bytes(payload, "big") & NUMBER
        if not number:
            if not increment or self._window + increment > LARGEST_WINDOW:
                code = ErrorCode.FLOW_CONTROL_ERROR if increment else ErrorCode.PROTOCOL_ERROR
                raise ConnectionFault(code, f"WINDOW_UPDATE by {increment} on the connection")
            self._window += increment
            self._granted += increment
        else:
            stream: Stream | None = self._streams.get(number)
            if stream is None:
                self._judge(number, stream, FrameType.WINDOW_UPDATE)
                return
            if not increment or stream.send_window + increment > LARGEST_WINDOW:
                code = ErrorCode.FLOW_CONTROL_ERROR if increment else ErrorCode.PROTOCOL_ERROR
                raise StreamFault(number, code, f"WINDOW_UPDATE by {increment}")
            stream.send_window += increment
            self._line_up(stream)
        if self._row:
            self._events += self._take_turns()

    # Frames of the connection

    def _on_settings(self, flags: int, number: int, payload: bytes) -> None:
        self._make_noise("SETTINGS frames")
        if number:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "SETTINGS on a stream")
        if flags & frames.ACK:
            if payload:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "an acknowledgement of SETTINGS with a payload")
            return
        for setting, value in frames.parse_settings(payload):
            if setting == Setting.INITIAL_WINDOW_SIZE:
                self._change_windows(value)
            else:
                self._setting_received(setting, value)
        self._answer(frames.frame(FrameType.SETTINGS, frames.ACK, 0, b""))
        self._events += self._take_turns()

    def _setting_received(self, setting: int, value: int) -> None:
        """One setting of the peer's, within its bounds. Those that only a role minds are that role's to read."""

    def _change_windows(self, size: int) -> None:
        change, self._peer_window = size - self._peer_window, size
        for stream in self._streams.values():
            stream.send_window += change
            if stream.send_window > LARGEST_WINDOW:
                raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "SETTINGS make a stream's window too large")
            self._line_up(stream)

    def _on_push_promise(self, _flags: int, _number: int, _payload: bytes) -> None:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PUSH_PROMISE, which nobody may send here")

    def _on_ping(self, flags: int, number: int, payload: bytes) -> None:
        self._make_noise("PING frames")
        if number:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PING on a stream")
        if len(payload) != 8:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "PING of a length other than 8")
        if flags & frames.ACK:
            self.last_pong = payload
        else:
            self._answer(frames.frame(FrameType.PING, frames.ACK, 0, payload))

    def _on_goaway(self, _flags: int, number: int, payload: bytes) -> None:
        self._make_noise("GOAWAY frames")
        if number:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "GOAWAY on a stream")
        if len(payload) < 8:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "GOAWAY that is too short")
        last = int.from_bytes(payload[:4], "big") & NUMBER
        self._events.append(GoawayReceived(last, int.from_bytes(payload[4:8], "big")))
        self._goaway_received(last)

    def _goaway_received(self, last: int) -> None:
        """The peer opens nothing more and takes nothing above ``last``."""

    # Header blocks

    def _block_received(self, number: int, block: bytes, ended: bool, depends_on_itself: bool) -> None:
        stream = self._streams.get(number)
        if stream is None:
            self._block_without_stream(number, block, ended, depends_on_itself)
        elif depends_on_itself or stream.state is _HALF_CLOSED_REMOTE:
            self._heads.decode(block)
            self._judge(number, stream, FrameType.HEADERS)
            raise StreamFault(number, ErrorCode.PROTOCOL_ERROR, "a stream that depends on itself")
        elif stream.incoming is _AWAITS_HEAD:
            self._head_received(stream, block, ended)
        else:
            self._trailers_received(stream, block, ended)

    def _trailers_received(self, stream: Stream, block: bytes, ended: bool) -> None:
        listed = self._heads.decode(block)
        wrong = Refusal("the trailers are too long") if listed is None else fields.trailers(listed)
        if not ended or listed is None or wrong is not None:
            raise StreamFault(stream.number, ErrorCode.PROTOCOL_ERROR, wrong.text if wrong else "trailers that do not end the stream")
        self._their_half_ended(stream)
        self._events += (TrailersReceived(stream.number, listed), StreamEnded(stream.number))

    def _judge(self, number: int, stream: Stream | None, kind: FrameType) -> None:
        """Raise what the tables say of a frame that came on a stream where it may not fit."""
        verdict = VERDICTS[self._state(number) if stream is None else stream.state, kind]
        if verdict is Verdict.PROTOCOL:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"{kind.name} on stream {number}, which was never opened")
        if verdict is Verdict.CONNECTION_CLOSED:
            raise ConnectionFault(ErrorCode.STREAM_CLOSED, f"{kind.name} on stream {number}, which has ended")
        if verdict is Verdict.STREAM_CLOSED:
            raise StreamFault(number, ErrorCode.STREAM_CLOSED, f"{kind.name} on stream {number}, which has ended")

    def _state(self, number: int) -> State:
        """Of a stream that is not live. Even numbers are a server's to open, by a push, which there is never here."""
        return State.IDLE if not number & 1 or number > self._highest else self._past.state(number)

    # Ends and accounts

    def _their_half_ended(self, stream: Stream) -> None:
        if stream.remaining:
            raise StreamFault(stream.number, ErrorCode.PROTOCOL_ERROR, "less DATA than content-length")
        stream.state = AFTER_THEIR_END[stream.state]
        if stream.state is _ENDED:
            self._forget(stream)
            self._past.end(stream.number)

    def _refuse_stream(self, number: int, code: ErrorCode, text: str) -> None:
        """A stream error, or the connection's where the stream is idle and cannot be reset."""
        if number not in self._streams and self._state(number) is State.IDLE:
            raise ConnectionFault(code, text)
        raise StreamFault(number, code, text)

    def _stream_failed(self, fault: StreamFault) -> None:
        self._answer(frames.rst_stream(fault.stream, fault.code))
        stream = self._streams.get(fault.stream)
        if stream is not None:
            self._forget(stream)
            self._events.append(StreamReset(fault.stream, fault.code, by_peer=False))
        self._past.reset(fault.stream, State.RESET_HERE)
        self._count_reset()

    def _count_reset(self) -> None:
        """One more stream came to nothing through the peer."""

    def _credit_connection(self, credit: int) -> None:
        self._owed += credit
        if self._owed * 2 >= self._limits.connection_window:
            self._out.append(frames.window_update(0, self._owed))
            self._receive_window += self._owed
            self._owed = 0

    def _make_noise(self, what: str, tokens: int = 1) -> None:
        if not self._noise.take(tokens):
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, f"too many {what}")

    def _make_window_noise(self) -> None:
        """WINDOW_UPDATE is no noise where it answers what we sent: one for each 512 bytes (Go's client sends two for each 4096)."""
        sent = self._granted - self._window
        if sent - self._sent_before >= 512:
            self._noise.give((sent - self._sent_before) // 512)
            self._sent_before = sent
        self._make_noise("WINDOW_UPDATE frames")

    def _answer(self, frame: bytes) -> None:
        """Send what the peer's frame provoked."""
        self._out.append(frame)
        self._provoked += len(frame)

    def _end(self) -> None:
        super()._end()
        self._heads.forget()


_METHODS: Final[tuple[Callable[[Http2Connection[Any], int, int, bytes], None], ...]] = (
    Http2Connection._on_data,
    Http2Connection._on_headers,
    Http2Connection._on_priority,
    Http2Connection._on_rst_stream,
    Http2Connection._on_settings,
    Http2Connection._on_push_promise,
    Http2Connection._on_ping,
    Http2Connection._on_goaway,
    Http2Connection._on_window_update,
    Http2Connection._on_continuation,
)
"""By FrameType."""
