"""SPDY/3.1 frames as spdystream writes and reads them, which is what Kubernetes speaks: layouts, constants, and encoders without header blocks.

    control: 1|version 3 (15) type (16) | flags (8) length (24) | payload
    data:    0|stream (31)              | flags (8) length (24) | payload

There is no flow control: WINDOW_UPDATE and SETTINGS are checked and mean nothing. ``spdy_headers`` has the header blocks, which are compressed
with one zlib stream per direction for the connection's life; ``spdy_follow`` and ``spdy_session`` stand on both.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

SYN_STREAM: Final = 1
SYN_REPLY: Final = 2
RST_STREAM: Final = 3
SETTINGS: Final = 4
PING: Final = 6
GOAWAY: Final = 7
HEADERS: Final = 8
WINDOW_UPDATE: Final = 9

FIN: Final = 0x01
UNIDIRECTIONAL: Final = 0x02

PROTOCOL_ERROR: Final = 1
INVALID_STREAM: Final = 2
REFUSED_STREAM: Final = 3
CANCEL: Final = 5
INTERNAL_ERROR: Final = 6

HEAD: Final = 8
"""Bytes of a frame's head."""
LENGTH_MAX: Final = 0xFFFFFF
"""What 24 bits hold: the longest frame there can be."""

NOBODY: Final = 0x7FFF_FFFF
"""A stream that is never opened."""

WORDS: Final = Struct(">II")
"""A frame's head, and RST_STREAM's, GOAWAY's and WINDOW_UPDATE's payload."""
_CONTROL: Final = 0x8003_0000
_ID: Final = 0x7FFF_FFFF


def control_frame(kind: int, payload: bytes, flags: int = 0) -> bytes:
    """A control frame of version 3."""
    return WORDS.pack(_CONTROL | kind, flags << 24 | len(payload)) + payload


def data_frame(stream: int, payload: bytes, *, fin: bool = False) -> bytes:
    """A DATA frame; at most ``LENGTH_MAX`` bytes of payload."""
    return WORDS.pack(stream & _ID, (FIN if fin else 0) << 24 | len(payload)) + payload


def rst_stream(stream: int, status: int) -> bytes:
    """End a stream at once. spdystream drops what it has not delivered of it yet, so never while data is under way."""
    return control_frame(RST_STREAM, WORDS.pack(stream, status))


def ping(identifier: int) -> bytes:
    """A PING, or its echo."""
    return control_frame(PING, identifier.to_bytes(4, "big"))


def goaway(last_good: int, status: int = 0) -> bytes:
    """The connection's last frame: spdystream reads nothing behind it."""
    return control_frame(GOAWAY, WORDS.pack(last_good, status))
