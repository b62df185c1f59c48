"""One end of a WebSocket connection: messages in, messages out. Sans-IO like the HTTP engines: ``receive`` gives events, ``data_to_send``
what is to be written.

Payload is given as it arrives (``MessageData``), so a message of any length needs no memory; ``Assembler`` puts small ones together. Pings are
answered here and a Close is echoed, once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from kgate.wire.errors import LocalProtocolError
from kgate.wire.websocket import (
    BINARY,
    CLOSE,
    FRAME_MAX,
    NORMAL,
    PING,
    PONG,
    PROTOCOL_ERROR,
    TEXT,
    encode_close,
    encode_frame,
    read_close,
)
from kgate.wire.websocket_follow import Control, Follower, FrameEnded, FrameEvent, FrameStarted, Payload


class MessageData(NamedTuple):
    """A piece of a message, unmasked; may be empty. ``begins`` and ``ends``: the message does with this piece."""

    data: bytes
    text: bool
    begins: bool
    ends: bool


class Pinged(NamedTuple):
    """A Ping came; its Pong is queued."""

    payload: bytes


class Ponged(NamedTuple):
    """A Pong came."""

    payload: bytes


class Closed(NamedTuple):
    """A Close came and was answered where we had not sent one; 1005 is none given. The last event."""

    code: int
    reason: str


class Failed(NamedTuple):
    """The peer broke the protocol; a Close 1002 is queued. The last event."""

    text: str


EndpointEvent = MessageData | Pinged | Ponged | Closed | Failed


class Connection:
    """See the module. ``mask`` gives 4 random bytes for each frame: given for a client, None for a server."""

    def __init__(self, mask: Callable[[], bytes] | None = None, frame_max: int = FRAME_MAX) -> None:
        self._mask = mask
        self._events: list[FrameEvent] = []
        self._follower = Follower(mask is None, self._events.append, frame_max=frame_max)
        self._out: list[bytes] = []
        self._text = self._begins = self._filled = False
        self.close_sent = False
        self.ended = False
        """Both sides said Close, or the peer broke the protocol: close the transport once the bytes are out."""

    def receive(self, data: bytes) -> list[EndpointEvent]:
        """Bytes of the peer's; what they mean."""
        if self.ended:
            return []
        passage = self._follower.feed(data)
        found: list[EndpointEvent] = []
        for event in self._events:
            if isinstance(event, Control):
                found.append(self._control(event))
            else:
                self._message(event, found)
        self._events.clear()
        if passage.failure:
            found.append(self._fail(passage.failure))
        return found

    def send_message(self, data: bytes, *, text: bool = False) -> None:
        """Queue a whole message in one frame."""
        self._send(TEXT if text else BINARY, data)

    def send_ping(self, payload: bytes = b"") -> None:
        """Queue a Ping."""
        self._send(PING, payload)

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Queue a Close; nothing may be sent after it. A second one is nothing."""
        if not self.close_sent:
            self.close_sent = True
            self._out.append(encode_close(code, reason, self._mask() if self._mask else b""))
            self.ended = self._follower.closed

    def data_to_send(self) -> bytes:
        """Drain what is queued."""
        out, self._out = self._out, []
        return b"".join(out)

    def _send(self, opcode: int, payload: bytes) -> None:
        if self.close_sent:
            raise LocalProtocolError("a WebSocket frame after our own Close")
        self._out.append(encode_frame(opcode, payload, self._mask() if self._mask else b""))

    def _message(self, event: FrameStarted | Payload | FrameEnded, found: list[EndpointEvent]) -> None:
        """A data frame's part. The end of a message is told with its last piece, which is an empty one where its last frame is empty."""
        if isinstance(event, FrameStarted):
            if event.first:
                self._text, self._begins = event.head.opcode == TEXT, True
            self._filled = False
            return
        last = found[-1] if found else None
        if isinstance(event, Payload):
            found.append(MessageData(bytes(event.clear()), self._text, self._begins, False))
            self._filled = True
        elif not event.message:
            return
        elif self._filled and isinstance(last, MessageData):
            found[-1] = last._replace(ends=True)
        else:
            found.append(MessageData(b"", self._text, self._begins, True))
        self._begins = False

    def _control(self, event: Control) -> EndpointEvent:
        if event.opcode == PING:
            if not self.close_sent:
                self._send(PONG, event.payload)
            return Pinged(event.payload)
        if event.opcode == PONG:
            return Ponged(event.payload)
        read = read_close(event.payload)
        assert event.opcode == CLOSE and read is not None  # the follower refuses any other
        code, reason = read
        self.close(NORMAL if code == 1005 else code)
        self.ended = True
        return Closed(code, reason)

    def _fail(self, text: str) -> Failed:
        self.close(PROTOCOL_ERROR, text)
        self.ended = True
        return Failed(text)


class Assembler:
    """Whole messages out of pieces. One of more than ``limit`` bytes comes out cut there, and ``overflowed`` says so."""

    def __init__(self, limit: int = 1024 * 1024) -> None:
        self._limit = limit
        self._message = bytearray()
        self.overflowed = False

    def add(self, piece: MessageData) -> bytes | None:
        """The message that ``piece`` completes, or None where more of it is to come."""
        room = self._limit - len(self._message)
        self.overflowed = len(piece.data) > room or (self.overflowed and not piece.begins)
        self._message += piece.data[:room]
        if not piece.ends:
            return None
        message = bytes(self._message)
        self._message.clear()
        return message
