"""Writing HTTP/1.1: heads, and bodies in the framing that their head announced."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from kgate.memory import remember
from kgate.wire.errors import LocalProtocolError
from kgate.wire.events import Headers
from kgate.wire.http1_grammar import worth_knowing

_STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
CHUNKED: Final = [(b"transfer-encoding", b"chunked")]
EMPTY: Final = [(b"content-length", b"0")]

_KNOWN_FIELDS: Final[dict[tuple[bytes, bytes], bytes]] = {}
"""The lines of fields that were sound."""


def reason_phrase(status: int) -> bytes:
    """The status line; a status that nobody registered has an empty phrase."""
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


def encode_lines(headers: Headers) -> bytes:
    """``name: value`` lines. Raises LocalProtocolError where a value could end its line."""
    return b"".join([_KNOWN_FIELDS.get(field) or _encode_line(field) for field in headers])


def _encode_line(field: tuple[bytes, bytes]) -> bytes:
    line = b"%b: %b\r\n" % field
    if line.count(b"\n") != 1 or line.count(b"\r") != 1 or b"\0" in line:
        raise LocalProtocolError("a header that holds a line end or NUL")
    if worth_knowing(field[0], len(line)):
        remember(_KNOWN_FIELDS, field, line)
    return line


def encode_fields(headers: Headers) -> bytes:
    """``encode_lines`` and the empty line."""
    return encode_lines(headers) + b"\r\n"


def encode_head(status: int, headers: Headers) -> bytes:
    """A response's head."""
    return reason_phrase(status) + encode_fields(headers)


class BodyWriter:
    """One body on its way out. ``left`` counts down a Content-Length; None is chunks, or everything until close."""

    __slots__ = ("_chunks", "_left", "complete", "framing", "until_close")

    def __init__(self, left: int | None, framing: Headers, *, chunks: bool) -> None:
        self._left, self.framing, self._chunks = left, framing, chunks
        self.complete = False
        self.until_close = left is None and not chunks

    @classmethod
    def choose(cls, headers: Headers, end: bool, *, bodiless: bool, chunks: bool) -> BodyWriter:
        """The framing that ``headers`` ask for, and what must be added to them."""
        length: bytes | None = None
        for name, value in headers:
            if name == b"content-length":
                length = value
                break
        if bodiless:
            return cls(0, [], chunks=False)
        if length is not None:
            return cls(int(length), [], chunks=False)
        if end:
            return cls(0, EMPTY, chunks=False)
        return cls(None, CHUNKED if chunks else [], chunks=chunks)

    def write(self, data: bytes, out: list[bytes]) -> None:
        """Append ``data`` as this framing has it."""
        if not data:
            return
        if self._chunks:
            out.append(b"%x\r\n" % len(data))
            out.append(data)
            out.append(b"\r\n")
            return
        if self._left is not None:
            if len(data) > self._left:
                raise LocalProtocolError("more body than its Content-Length")
            self._left -= len(data)
        out.append(data)

    def end(self, out: list[bytes], trailers: Headers | None = None) -> None:
        """Append the end. Raises LocalProtocolError where bytes of a Content-Length are missing."""
        if self._chunks:
            out.append(b"0\r\n" + encode_fields(trailers or []))
        elif self._left:
            raise LocalProtocolError("less body than its Content-Length")
