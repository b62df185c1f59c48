"""The opening handshake of WebSocket (RFC 6455 section 4): what proves that the far side meant it, and the choice of a subprotocol."""

from __future__ import annotations

import binascii
from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha1
from typing import Final

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_key(key: bytes) -> bytes:
    """``Sec-WebSocket-Accept`` for a ``Sec-WebSocket-Key`` (section 4.2.2; SHA-1 is the protocol's, nothing rests on its strength)."""
    return b64encode(sha1(key + _GUID, usedforsecurity=False).digest())


def is_key(key: bytes) -> bool:
    """Whether this is base64 of 16 bytes in canonical form (section 4.1)."""
    try:
        decoded = binascii.a2b_base64(key, strict_mode=True)
    except binascii.Error:
        return False
    return len(decoded) == 16 and b64encode(decoded) == key


def values(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """All comma-separated members of a header, its lines in order; empty members are dropped. ``name`` is lower-case."""
    return [part for key, value in headers if key == name for part in (piece.strip(b" \t") for piece in value.split(b",")) if part]


def single(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """The header's value; None where it is missing, empty or there more than once. ``name`` is lower-case."""
    found = [value for key, value in headers if key == name]
    return found[0] if len(found) == 1 and found[0] else None


def request_problem(headers: Sequence[tuple[bytes, bytes]]) -> str:
    """What is wrong with a client's handshake, or nothing (section 4.2.1). The method and ``Upgrade`` are the HTTP layer's."""
    if single(headers, b"sec-websocket-version") != b"13":
        return "Sec-WebSocket-Version is not 13"
    key = single(headers, b"sec-websocket-key")
    if key is None or not is_key(key):
        return "Sec-WebSocket-Key is not 16 bytes in base64"
    return ""


def choose(offered: Sequence[bytes], supported: Iterable[bytes]) -> bytes | None:
    """The first subprotocol of the client's that the server has, as the API server chooses; None: there is none."""
    known = frozenset(supported)
    return next((name for name in offered if name in known), None)
