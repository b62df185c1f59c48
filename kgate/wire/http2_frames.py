"""The frames of HTTP/2 (RFC 9113, sections 4, 6 and 7): their numbers, and how the short ones are written.

A frame is nine bytes of head (length 24, type 8, flags 8, reserved 1, stream 31) and its payload. No frame that kgate sends or takes
is longer than 16384 bytes, which every peer has to accept and which is what nobody needs to negotiate.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client's first bytes are (RFC 9113, 3.4)."""
LONGEST_FRAME: Final = 16384
LARGEST_WINDOW: Final = 2**31 - 1
LARGEST_STREAM: Final = 2**31 - 1
FIRST_WINDOW: Final = 65535
"""Every window before anybody said otherwise (6.9.2)."""

END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
PRIORITY: Final = 0x20

SETTING: Final = Struct(">HL")
_PAIR: Final = Struct(">LL")


class FrameType(IntEnum):
    """RFC 9113, section 6. Others are ignored."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class ErrorCode(IntEnum):
    """RFC 9113, section 7."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    FLOW_CONTROL_ERROR = 0x3
    SETTINGS_TIMEOUT = 0x4
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    COMPRESSION_ERROR = 0x9
    CONNECT_ERROR = 0xA
    ENHANCE_YOUR_CALM = 0xB
    INADEQUATE_SECURITY = 0xC
    HTTP_1_1_REQUIRED = 0xD


class Setting(IntEnum):
    """RFC 9113, 6.5.2; RFC 8441; RFC 9218. Others are ignored."""

    HEADER_TABLE_SIZE = 0x1
    ENABLE_PUSH = 0x2
    MAX_CONCURRENT_STREAMS = 0x3
    INITIAL_WINDOW_SIZE = 0x4
    MAX_FRAME_SIZE = 0x5
    MAX_HEADER_LIST_SIZE = 0x6
    ENABLE_CONNECT_PROTOCOL = 0x8
    NO_RFC7540_PRIORITIES = 0x9


class ConnectionFault(Exception):
    """The peer broke a rule of the whole connection (5.4.1). Stays inside the engine: what leaves it is ``ConnectionFailed``."""

    def __init__(self, code: ErrorCode, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class StreamFault(Exception):
    """The peer broke a rule of one stream (5.4.2). Stays inside the engine: what leaves it is ``StreamReset``."""

    def __init__(self, stream: int, code: ErrorCode, text: str) -> None:
        super().__init__(text)
        self.stream = stream
        self.code = code


SETTING_FAULTS: Final[dict[int, tuple[int, int, ErrorCode]]] = {
    Setting.ENABLE_PUSH: (0, 1, ErrorCode.PROTOCOL_ERROR),
    Setting.INITIAL_WINDOW_SIZE: (0, LARGEST_WINDOW, ErrorCode.FLOW_CONTROL_ERROR),
    Setting.MAX_FRAME_SIZE: (LONGEST_FRAME, 2**24 - 1, ErrorCode.PROTOCOL_ERROR),
    Setting.ENABLE_CONNECT_PROTOCOL: (0, 1, ErrorCode.PROTOCOL_ERROR),
    Setting.NO_RFC7540_PRIORITIES: (0, 1, ErrorCode.PROTOCOL_ERROR),
}
"""Each bounded setting's least and greatest value, and what it is to break them."""


_HEADERS: Final = int(FrameType.HEADERS)


def read_head(buffer: bytes, at: int) -> tuple[int, int, int, int]:
    """Length, type, flags and stream of the frame whose nine bytes of head begin ``at``. Compiled, byte by byte is quicker than a ``Struct``."""
    length = buffer[at] << 16 | buffer[at + 1] << 8 | buffer[at + 2]
    stream = (buffer[at + 5] & 0x7F) << 24 | buffer[at + 6] << 16 | buffer[at + 7] << 8 | buffer[at + 8]
    return length, buffer[at + 3], buffer[at + 4], stream


def sent_head(length: int, kind: int, flags: int, stream: int) -> bytes:
    """The nine bytes of head of a frame that is sent. Compiled, one number is a quarter of what a ``Struct`` costs."""
    return (length << 48 | kind << 40 | flags << 32 | stream).to_bytes(9, "big")


def parse_settings(payload: bytes) -> list[tuple[int, int]]:
    """The pairs of a SETTINGS frame in their order (a later one wins), each within its bounds. Raises ConnectionFault."""
    if len(payload) % SETTING.size:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS of a length that is no multiple of 6")
    pairs = list(SETTING.iter_unpack(payload))
    for number, value in pairs:
        least, most, code = SETTING_FAULTS.get(number, (0, 2**32, ErrorCode.PROTOCOL_ERROR))
        if not least <= value <= most:
            raise ConnectionFault(code, f"the setting {Setting(number).name} is {value}")
    return pairs


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Any frame, whole."""
    return sent_head(len(payload), kind, flags, stream) + payload


def settings(pairs: dict[Setting, int]) -> bytes:
    """A SETTINGS frame."""
    return frame(FrameType.SETTINGS, 0, 0, b"".join(SETTING.pack(*pair) for pair in pairs.items()))


def window_update(stream: int, increment: int) -> bytes:
    """A WINDOW_UPDATE frame; stream 0 is the connection."""
    return frame(FrameType.WINDOW_UPDATE, 0, stream, increment.to_bytes(4, "big"))


def rst_stream(stream: int, code: int) -> bytes:
    """An RST_STREAM frame."""
    return frame(FrameType.RST_STREAM, 0, stream, code.to_bytes(4, "big"))


def goaway(last_stream: int, code: int, text: str = "") -> bytes:
    """A GOAWAY frame; ``text`` goes along as its debug data."""
    return frame(FrameType.GOAWAY, 0, 0, _PAIR.pack(last_stream, code) + text.encode()[:200])


def header_frames(stream: int, block: bytes, *, end: bool) -> bytes:
    """A header block as HEADERS and as many CONTINUATIONs as it takes. ``end``: END_STREAM."""
    flags = END_STREAM if end else 0
    if len(block) <= LONGEST_FRAME:
        return sent_head(len(block), _HEADERS, flags | END_HEADERS, stream) + block
    parts = [block[start : start + LONGEST_FRAME] for start in range(0, len(block), LONGEST_FRAME)]
    middle = [frame(FrameType.CONTINUATION, 0, stream, part) for part in parts[1:-1]]
    last = frame(FrameType.CONTINUATION, END_HEADERS, stream, parts[-1])
    return b"".join((frame(FrameType.HEADERS, flags, stream, parts[0]), *middle, last))
