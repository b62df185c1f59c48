"""Writing HTTP/1.1: heads, and bodies in the framing that their head announced."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final, cast

from kgate.memory import remember
from kgate.wire.errors import LocalProtocolError
from kgate.wire.events import Headers
from kgate.wire.http1_grammar import only, plain_number, worth_knowing

_STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
CHUNKED: Final = [(b"transfer-encoding", b"chunked")]
EMPTY: Final = [(b"content-length", b"0")]

_KNOWN_FIELDS: Final[dict[tuple[bytes, ...], bytes]] = {}
"""The lines of fields that were sound."""
_ONE_LINE: Final = only(set(range(256)) - set(b"\r\n\0"))


def reason_phrase(status: int) -> bytes:
    """The status line; a status that nobody registered has an empty phrase."""
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


def encode_lines(headers: Headers) -> bytes:
    """``name: value`` lines. Raises LocalProtocolError where a value could end its line."""
    return b"".join(_lines(headers))


def _lines(headers: Headers) -> list[bytes]:
    # Taken for tuples of any length, fields are handed on as they are, not taken apart: see docs/tried.md.
    return [_KNOWN_FIELDS.get(field) or _encode_line(field) for field in cast("list[tuple[bytes, ...]]", headers)]


def _encode_line(field: tuple[bytes, ...]) -> bytes:
    name, value = field[0], field[1]
    text = b"%b: %b" % (name, value)
    if text.translate(_ONE_LINE) != text:
        raise LocalProtocolError("a header that holds a line end or NUL")
    line = text + b"\r\n"
    if worth_knowing(name, len(line)):
        remember(_KNOWN_FIELDS, field, line)
    return line


def encode_fields(headers: Headers) -> bytes:
    """``encode_lines`` and the empty line."""
    return encode_lines(headers) + b"\r\n"


def write_head(status: int, headers: Headers, out: list[bytes]) -> None:
    """Append a response's head: all of it, or nothing where a value could end its line."""
    lines = _lines(headers)
    out.append(reason_phrase(status))
    out += lines
    out.append(b"\r\n")


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
        if bodiless:
            return BodyWriter(0, [], chunks=False)
        for name, value in headers:
            if name == b"content-length":
                return BodyWriter.of_length(value)
        if end:
            return BodyWriter(0, EMPTY, chunks=False)
        return BodyWriter(None, CHUNKED if chunks else [], chunks=chunks)

    @classmethod
    def of_length(cls, digits: bytes) -> BodyWriter:
        """As many bytes as a Content-Length says."""
        length = plain_number(digits)
        if length < 0:
            raise LocalProtocolError("a Content-Length that is not a plain number")
        return BodyWriter(length, [], chunks=False)

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
