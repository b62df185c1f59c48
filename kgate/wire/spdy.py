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


_EMPTY: Final = b"\x02\0\0\0\xff\xff"
"""Two deflate blocks of nothing, of six bytes (RFC 1951 section 3.2): one of fixed codes that holds only its end, and a stored one."""
_FLUSHED: Final = b"\0\0\xff\xff"


def withheld(syn_stream: bytes, *, begun: bool) -> bytes | None:
    """A frame of the same length that opens nothing: the same header block in a HEADERS frame, which spdystream ignores on an unknown stream.

    The block must go on, since later ones refer back to it. HEADERS is six bytes shorter, so the block gets six more that inflate to nothing, in
    front, where a reader that stops at the block's flush has them behind it. ``begun``: it is not the direction's first block, which begins with
    zlib's own header. None where the block does not end with a flush, as every block of Go's does: nothing could be told of what follows it.
    """
    stream, block = syn_stream[HEAD : HEAD + 4], syn_stream[HEAD + 10 :]
    if not block.endswith(_FLUSHED):
        return None
    intro = 0 if begun else 6 if block[1] & 0x20 else 2
    return control_frame(HEADERS, stream + block[:intro] + _EMPTY + block[intro:])


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
