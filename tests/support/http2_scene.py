"""Both ends of an HTTP/2 connection by hand: frames written and read one by one, so that tests can say exactly what a peer does."""

from __future__ import annotations

from struct import Struct
from typing import Any, NamedTuple

from hpack import Encoder
from twisted.internet.task import Clock

from kgate.wire.events import ConnectionFailed, Event, Headers, RequestHead
from kgate.wire.http2 import ClientConnection, ErrorCode, Http2Limits, ServerConnection
from kgate.wire.http2_frames import END_HEADERS, END_STREAM, PREFACE, FrameType, frame

HEAD = Struct(">BHBBL")
"""Of a frame: length's high byte, length's low half, type, flags, stream."""
GET: Headers = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"gate.example"), (b":path", b"/api/v1/pods")]
POST: Headers = [(b":method", b"POST"), *GET[1:]]
OK: Headers = [(b":status", b"200")]
ASK = RequestHead(b"GET", b"/api/v1/pods", b"gate.example", [])


def other(head: RequestHead, **changes: Any) -> RequestHead:
    """``head`` with some of it changed."""
    return RequestHead(**{name: getattr(head, name) for name in head.__match_args__} | changes)


SEND = other(ASK, method=b"POST")
SETTINGS = frame(FrameType.SETTINGS, 0, 0, b"")
SETTINGS_ACK = frame(FrameType.SETTINGS, 1, 0, b"")


class Sent(NamedTuple):
    """A frame that an engine sent."""

    kind: FrameType
    flags: int
    stream: int
    payload: bytes

    @property
    def number(self) -> int:
        """The payload's last four bytes: a reset's code, a window's increment, a GOAWAY's code."""
        return int.from_bytes(self.payload[:4] if self.kind is not FrameType.GOAWAY else self.payload[4:8], "big")


def cut(data: bytes) -> list[Sent]:
    """The frames that ``data`` is."""
    found = []
    while data:
        high, low, kind, flags, stream = HEAD.unpack_from(data)
        end = 9 + (high << 16 | low)
        found.append(Sent(FrameType(kind), flags, stream, data[9:end]))
        data = data[end:]
    return found


def literal(fields: Headers) -> bytes:
    """A header block that touches no table: literals without indexing, in plain text."""
    block = b""
    for name, value in fields:
        for text, start in ((name, b"\0"), (value, b"")):
            length = bytes((len(text),)) if len(text) < 127 else bytes((127, (len(text) - 127) & 127 | 128, (len(text) - 127) >> 7))
            block += start + length + text
    return block


def indexed(fields: Headers) -> bytes:
    """A header block as an encoder with a dynamic table writes its first one."""
    return Encoder().encode(fields)


def headers(stream: int, fields: Headers, end: bool = True) -> bytes:
    """A HEADERS frame."""
    return frame(FrameType.HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, literal(fields))


def data(stream: int, payload: bytes, end: bool = False) -> bytes:
    """A DATA frame."""
    return frame(FrameType.DATA, END_STREAM if end else 0, stream, payload)


def rst(stream: int, code: int = 8) -> bytes:
    """An RST_STREAM frame."""
    return frame(FrameType.RST_STREAM, 0, stream, code.to_bytes(4, "big"))


def window(stream: int, increment: int) -> bytes:
    """A WINDOW_UPDATE frame."""
    return frame(FrameType.WINDOW_UPDATE, 0, stream, increment.to_bytes(4, "big"))


def setting(number: int, value: int) -> bytes:
    """A SETTINGS frame of one pair."""
    return frame(FrameType.SETTINGS, 0, 0, number.to_bytes(2, "big") + value.to_bytes(4, "big"))


class ServerScene:
    """Our server, with a client by hand. The handshake is over when it begins."""

    def __init__(self, limits: Http2Limits | None = None) -> None:
        self.clock = Clock()
        self.http = ServerConnection(limits or Http2Limits(), self.clock.seconds)
        assert self.http.receive(PREFACE + SETTINGS) == []
        self.greeting = self.sent()

    def receive(self, *frames: bytes) -> list[Event]:
        """What the frames, arriving in one read, tell."""
        return self.http.receive(b"".join(frames))

    def sent(self) -> list[Sent]:
        """What the engine sent since the last call."""
        return cut(self.http.data_to_send())


class ClientScene:
    """Our client, with a server by hand. The handshake is over when it begins."""

    def __init__(self, limits: Http2Limits | None = None) -> None:
        self.clock = Clock()
        self.http = ClientConnection(limits or Http2Limits(), self.clock.seconds)
        assert self.http.receive(SETTINGS) == []
        greeting = self.http.data_to_send()
        assert greeting.startswith(PREFACE)
        self.greeting = cut(greeting[len(PREFACE) :])

    receive = ServerScene.receive
    sent = ServerScene.sent


def failed(events: list[object]) -> ErrorCode:
    """The code of the connection's failure, which is the last event."""
    assert isinstance(events[-1], ConnectionFailed), events
    return ErrorCode(events[-1].code)


def reset_code(scene: ServerScene, stream: int = 1) -> ErrorCode:
    """The code with which the one frame that was sent resets the stream."""
    (sent,) = scene.sent()
    assert (sent.kind, sent.stream) == (FrameType.RST_STREAM, stream)
    return ErrorCode(sent.number)
