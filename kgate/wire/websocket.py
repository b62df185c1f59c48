"""WebSocket frames (RFC 6455 section 5): the grammar of one frame head, masks, and the encoder. ``websocket_follow`` and
``websocket_endpoint`` stand on it.

    FIN RSV×3 opcode×4 | MASK length×7 | [length 16 or 64] | [masking key 32] | payload

Reserved bits are always refused: they mean an extension (permessage-deflate), and the gate lets none be agreed on. A length has to be in its
shortest form, a client's frame masked and a server's not, a control frame whole and at most 125 bytes long.
"""

from __future__ import annotations

from collections.abc import Container
from struct import Struct
from typing import Final

CONTINUATION: Final = 0
TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10

CONTROL_MAX: Final = 125
"""RFC 6455 section 5.5."""
FRAME_MAX: Final = 16 * 1024 * 1024
"""The longest data frame that passes: the API server writes 32 KiB, SPDY's own frames end at 16 MiB."""

NORMAL: Final = 1000
PROTOCOL_ERROR: Final = 1002
POLICY_VIOLATION: Final = 1008
TOO_BIG: Final = 1009

_SHORT: Final = Struct(">BB")
_MEDIUM: Final = Struct(">BBH")
_LONG: Final = Struct(">BBQ")
_OPCODES: Final = frozenset({CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG})


class Head:
    """A frame's head. ``mask`` is the masking key, empty on a server's frame; ``size`` is how many bytes the head takes."""

    __slots__ = ("fin", "length", "mask", "opcode", "size")

    def __init__(self, opcode: int, fin: bool, length: int, mask: bytes, size: int) -> None:
        self.opcode: Final = opcode
        self.fin: Final = fin
        self.length: Final = length
        self.mask: Final = mask
        self.size: Final = size


def read_head(data: bytes, at: int, masked: bool, frame_max: int = FRAME_MAX) -> Head | str | None:
    """The frame head that begins at ``at``; None where more bytes are needed, or the sentence that says what is wrong with it."""
    have = len(data) - at
    if have < 2:
        return None
    first, second = data[at], data[at + 1]
    if first & 0x7F > BINARY or (second >= 0x80) is not masked:  # a control frame, or something wrong
        wrong = _wrong(first, second, masked)
        if wrong:
            return wrong
    length = second & 0x7F
    size = 2 if length < 126 else 4 if length == 126 else 10
    if have < size + (4 if masked else 0):
        return None
    if length >= 126:
        least = 126 if size == 4 else 65536
        length = int.from_bytes(data[at + 2 : at + size], "big")
        if length < least:
            return "a WebSocket length is not in its shortest form"
        if length > frame_max:
            return f"a WebSocket frame of {length} bytes, more than {frame_max}"
    if not masked:
        return Head(first & 0x0F, first >= 0x80, length, b"", size)
    return Head(first & 0x0F, first >= 0x80, length, data[at + size : at + size + 4], size + 4)


def _wrong(first: int, second: int, masked: bool) -> str:
    """What a head's first two bytes already show to be wrong, or nothing."""
    opcode = first & 0x0F
    if first & 0x70:
        return "a WebSocket frame has a reserved bit set, but no extension was agreed on"
    if opcode not in _OPCODES:
        return f"a WebSocket frame has the unknown opcode {opcode}"
    if (second >= 0x80) is not masked:
        return "a WebSocket frame of the client's is not masked" if masked else "a WebSocket frame of the server's is masked"
    if opcode >= CLOSE and (first < 0x80 or second & 0x7F > CONTROL_MAX):
        return "a WebSocket control frame is fragmented or longer than 125 bytes"
    return ""


def apply_mask(data: bytes | memoryview, key: bytes, offset: int = 0) -> bytes:
    """``data`` with ``key`` laid over it, ``data[0]`` being byte ``offset`` of its frame's payload. Its own inverse.

    One XOR of two long integers: no step per byte.
    """
    size = len(data)
    turned = key[offset & 3 :] + key[: offset & 3]
    pattern = (turned * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(pattern, "little")).to_bytes(size, "little")


def encode_frame(opcode: int, payload: bytes, key: bytes = b"", *, fin: bool = True) -> bytes:
    """A whole frame: masked where a 4-byte ``key`` is given (a client's), bare otherwise (a server's)."""
    length, first, bit = len(payload), opcode | (0x80 if fin else 0), 0x80 if key else 0
    if length < 126:
        head = _SHORT.pack(first, bit | length)
    elif length < 65536:
        head = _MEDIUM.pack(first, bit | 126, length)
    else:
        head = _LONG.pack(first, bit | 127, length)
    return b"".join((head, key, apply_mask(payload, key))) if key else head + payload


def encode_close(code: int, reason: str = "", key: bytes = b"") -> bytes:
    """A Close frame; a reason that does not fit in it is cut at a character's edge."""
    text = reason.encode()[: CONTROL_MAX - 2].decode(errors="ignore").encode()
    return encode_frame(CLOSE, code.to_bytes(2, "big") + text, key)


_CODES: Final[Container[int]] = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})


def read_close(payload: bytes) -> tuple[int, str] | None:
    """Code and reason of a Close frame's payload; an empty one is 1005. None: not a valid payload (RFC 6455 sections 5.5.1 and 7.4)."""
    if not payload:
        return 1005, ""
    code = int.from_bytes(payload[:2], "big")  # of one byte it is none of those that there are
    if not (code in _CODES or 3000 <= code < 5000):
        return None
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError:
        return None
