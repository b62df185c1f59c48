"""Where a message's body ends: a length, chunks, or the connection's end. Each reader takes bytes and gives pieces, never holding any back.

``feed`` gives what was found in the bytes at hand and what is left of them. A reader that is done is not fed again.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, Protocol

from kgate.wire.events import DataReceived, Event, Headers, StreamEnded, TrailersReceived
from kgate.wire.http1_grammar import MAX_CHUNK_LINE, Invalid, chunk_size, forbidden_trailer, parse_fields

NO_SIZE = "a chunk size that is not one hexadecimal number"


class Fed(NamedTuple):
    """``trailers`` is set once: with ``done``."""

    pieces: list[bytes]
    rest: bytes
    done: bool
    trailers: Headers | None = None
    invalid: Invalid | None = None


def tell(fed: Fed, stream: int, events: list[Event]) -> int:
    """Say what of the stream's body came, and that this was all of it where it was; gives how many bytes."""
    size = 0
    for piece in fed.pieces:
        size += len(piece)
        events.append(DataReceived(stream, piece, len(piece)))
    if fed.done:
        if fed.trailers:
            events.append(TrailersReceived(stream, fed.trailers))
        events.append(StreamEnded(stream))
    return size


class BodyReader(Protocol):
    """Reads one body."""

    def feed(self, data: bytes) -> Fed:
        """What ``data`` holds of it."""

    def end(self) -> Invalid | None:
        """The connection ended here: whether that is this body's proper end."""


class LengthReader:
    """So many bytes."""

    def __init__(self, length: int) -> None:
        self._left = length

    def feed(self, data: bytes) -> Fed:
        """As many of them as are there."""
        left = self._left
        if len(data) < left:
            self._left = left - len(data)
            return Fed([data] if data else [], b"", False)
        self._left = 0
        return Fed([data[:left]] if left else [], data[left:], True)

    def end(self) -> Invalid | None:
        """Some are missing."""
        return Invalid(400, "the connection ended before the body did")


class CloseReader:
    """Everything until the connection ends (answers only)."""

    def feed(self, data: bytes) -> Fed:
        """All of it."""
        return Fed([data] if data else [], b"", False)

    def end(self) -> Invalid | None:
        """That is the end."""
        return None


class _At(Enum):
    SIZE = "size"
    DATA = "data"
    DATA_END = "data end"
    TRAILERS = "trailers"


class ChunkReader:
    """The chunked coding (RFC 9112 section 7.1) without extensions."""

    def __init__(self, most_trailer_bytes: int) -> None:
        self._at = _At.SIZE
        self._left = 0
        self._held = b""
        self._most_trailer_bytes = most_trailer_bytes

    def feed(self, data: bytes) -> Fed:
        """The chunks at hand; an incomplete line is kept for the next time."""
        if self._held:
            data, self._held = self._held + data, b""
        pieces: list[bytes] = []
        position = 0
        while True:
            if self._at is _At.DATA:
                piece = data[position : position + self._left]
                if piece:
                    pieces.append(piece)
                    position += len(piece)
                    self._left -= len(piece)
                if self._left:
                    return Fed(pieces, b"", False)
                self._at = _At.DATA_END
            if self._at is _At.DATA_END:
                ending = data[position : position + 2]
                if ending != b"\r\n":
                    return self._hold(pieces, ending, 2) if b"\r\n".startswith(ending) else _bad(pieces, "a chunk longer than its size")
                position += 2
                self._at = _At.SIZE
            if self._at is _At.TRAILERS:
                return self._trailers(pieces, data[position:])
            end = data.find(b"\r\n", position, position + MAX_CHUNK_LINE + 2)
            if end < 0:
                return self._hold(pieces, data[position:], MAX_CHUNK_LINE)
            size = chunk_size(data[position:end])
            if size is None:
                return _bad(pieces, NO_SIZE)
            position = end + 2
            self._left = size
            self._at = _At.DATA if size else _At.TRAILERS

    def end(self) -> Invalid | None:
        """The last chunk is missing."""
        return Invalid(400, "the connection ended before the last chunk")

    def _hold(self, pieces: list[bytes], rest: bytes, most: int) -> Fed:
        if len(rest) > most:
            return _bad(pieces, NO_SIZE)
        self._held = rest
        return Fed(pieces, b"", False)

    def _trailers(self, pieces: list[bytes], data: bytes) -> Fed:
        if data.startswith(b"\r\n"):
            return Fed(pieces, data[2:], True)
        end = data.find(b"\r\n\r\n", 0, self._most_trailer_bytes + 4)
        if end < 0:
            if len(data) > self._most_trailer_bytes + 3:
                return _bad(pieces, "a trailer section that is too long", 431)
            self._held = data
            return Fed(pieces, b"", False)
        trailers = parse_fields(data[:end])
        if isinstance(trailers, Invalid):
            return Fed(pieces, b"", False, None, trailers)
        if any(forbidden_trailer(name) for name, _ in trailers):
            return _bad(pieces, "a trailer that may not be one")
        return Fed(pieces, data[end + 4 :], True, trailers)


def _bad(pieces: list[bytes], text: str, status: int = 400) -> Fed:
    return Fed(pieces, b"", False, None, Invalid(status, text))
