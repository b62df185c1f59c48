"""HTTP/1.1's grammar (RFC 9112), as strict as a security gate needs it: whatever two readers could read differently is refused.

A head is looked at three times, each time by C: one count of control bytes over the whole block (which finds bare CR, bare LF, NUL and obs-fold's
line ends), one split into lines, one look-up of each name in a memo of names already known to be tokens. What a message's end is follows from
at most one Content-Length and at most one ``Transfer-Encoding: chunked``, never from both (RFC 9112 section 6.3; security.md class 05).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from kgate.memory import MOST, remember
from kgate.wire.events import Headers
from kgate.wire.hpack import SELDOM_TWICE

_TOKEN = re.compile(rb"[!#$%&'*+\-.^`|~0-9A-Za-z]+")
"""RFC 9110 section 5.6.2, without ``_``: some servers take ``X_A`` for ``X-A``."""
_CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]{1,16}")
_AUTHORITY = re.compile(rb"[A-Za-z0-9.\-_~%!$&'()*+,;=]+(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.%A-Za-z\-]+\](?::[0-9]{1,5})?")
_CONTROLS = bytes(byte for byte in range(32) if byte != 9) + b"\x7f"
_KNOWN_NAMES: dict[bytes, bytes] = {}
_KNOWN_LINES: dict[bytes, tuple[bytes, bytes]] = {}
"""Lines as they stood in a head, with what they say: nearly all of them come again. The block around them was found free of control bytes."""
_LONGEST_KNOWN = 256
_MOST_DIGITS = 18
_NOT_REMEMBERED = SELDOM_TWICE | {b"authorization", b"proxy-authorization", b"cookie", b"set-cookie", b"sec-websocket-protocol"}

METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})
MAX_CHUNK_LINE = 18
FORBIDDEN_TRAILERS = (b"impersonate", b"x-remote", b"proxy-")
_FORBIDDEN_TRAILERS = frozenset(
    {
        b"authorization",
        b"content-length",
        b"transfer-encoding",
        b"host",
        b"connection",
        b"te",
        b"trailer",
        b"upgrade",
        b"cookie",
        b"expect",
        b"range",
    }
)


class Invalid(NamedTuple):
    """A message that is refused: the status that fits and one line for the log."""

    status: int
    text: str


NOT_HTTP_1 = Invalid(502, "the answer is not HTTP/1.x")


def parse_fields(block: bytes) -> Headers | Invalid:
    """The field lines of ``block`` (without the empty line at its end), names lower-cased, values without the white space around them."""
    if not block:
        return []
    lines = block.split(b"\r\n")
    if len(block.translate(None, _CONTROLS)) != len(block) - 2 * (len(lines) - 1):
        return Invalid(400, "a control character, or a line end other than CRLF, in the head")
    fields: Headers = []
    for line in lines:
        field = _KNOWN_LINES.get(line) or _parse_line(line)
        if field is None:
            return Invalid(400, "a header line that is not name: value")
        fields.append(field)
    return fields


def _parse_line(line: bytes) -> tuple[bytes, bytes] | None:
    """One field, remembered where it is neither a secret nor another each time; None where it is none."""
    name, colon, value = line.partition(b":")
    known = _KNOWN_NAMES.get(name) or _learn(name)
    if not known or not colon:
        return None
    field = (known, value.strip(b" \t"))
    if worth_knowing(known, len(line)):
        remember(_KNOWN_LINES, line, field)
    return field


def worth_knowing(name: bytes, size: int) -> bool:
    """Whether a line of this name and size may be remembered: it is neither a secret, nor another each time, nor long."""
    return size <= _LONGEST_KNOWN and name not in _NOT_REMEMBERED


def _learn(name: bytes) -> bytes:
    """The lower-cased name, remembered; empty where it is not a token."""
    if not _TOKEN.fullmatch(name):
        return b""
    lower = name.lower()
    if len(_KNOWN_NAMES) < MOST and len(name) < 64:
        _KNOWN_NAMES[name] = lower
    return lower


def parse_length(values: list[bytes]) -> int | Invalid | None:
    """Content-Length: one line of at most 18 digits, or none."""
    if not values:
        return None
    if len(values) > 1 or not values[0].isdigit() or len(values[0]) > _MOST_DIGITS:
        return Invalid(400, "Content-Length is not one plain number")
    return int(values[0])


def parse_chunked(values: list[bytes]) -> bool | Invalid:
    """Transfer-Encoding: exactly ``chunked``, once, or none."""
    if not values:
        return False
    if len(values) > 1 or values[0].lower() != b"chunked":
        return Invalid(501, "a Transfer-Encoding other than chunked")
    return True


def parse_request_line(line: bytes) -> tuple[bytes, bytes, bool] | Invalid:
    """Method, origin-form target, and whether it is HTTP/1.1 (otherwise 1.0)."""
    parts = line.split(b" ")
    if len(parts) != 3:
        return Invalid(400, "the request line is not METHOD TARGET VERSION")
    method, target, version = parts
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        return Invalid(505 if version.startswith(b"HTTP/") else 400, "an HTTP version other than 1.1 and 1.0")
    if method not in METHODS:
        return Invalid(501, "a method that Kubernetes does not know")
    if not origin_form(target):
        return Invalid(400, "a target that is not an absolute path")
    return method, target, version == b"HTTP/1.1"


def origin_form(target: bytes) -> bool:
    """``/path?query`` in visible ASCII without a fragment (RFC 9112 section 3.2.1)."""
    return target[:1] == b"/" and target.isascii() and not target.translate(None, _VISIBLE)


_VISIBLE = bytes(byte for byte in range(33, 127) if byte != ord("#"))


def parse_status_line(line: bytes) -> tuple[int, bool] | Invalid:
    """The status, and whether it is HTTP/1.1."""
    if line == b"HTTP/1.1 200 OK":  # nearly always
        return 200, True
    version, _, rest = line.partition(b" ")
    if not version.startswith(b"HTTP/1."):
        return NOT_HTTP_1
    if version not in (b"HTTP/1.1", b"HTTP/1.0") or len(line.translate(None, _CONTROLS)) != len(line):
        return Invalid(502, "the status line is not HTTP/1.1's or 1.0's")
    digits = rest[:3]
    if not digits.isdigit() or rest[3:4] not in (b"", b" ") or not b"100" <= digits <= b"599":
        return Invalid(502, "the status is not a number from 100 to 599")
    return int(digits), version == b"HTTP/1.1"


def valid_authority(value: bytes) -> bool:
    """A host and perhaps a port, without user information (RFC 9110 section 4.2.4)."""
    return bool(_AUTHORITY.fullmatch(value))


def forbidden_trailer(name: bytes) -> bool:
    """Whether a trailer of this name could change how the message is framed, routed or authenticated (RFC 9110 section 6.5.1)."""
    return name in _FORBIDDEN_TRAILERS or name.startswith(FORBIDDEN_TRAILERS)


def chunk_size(line: bytes) -> int | None:
    """A chunk's size; None where the line is not one plain hexadecimal number (extensions are refused)."""
    return int(line, 16) if _CHUNK_SIZE.fullmatch(line) else None


def hopeless(begun: bytes, most: int) -> Invalid | None:
    """Why a head that begins with ``begun`` will not be good however it goes on, so that its end need not be waited for.

    Whoever reads a head that came whole and refuses it has to ask this too, and first: what is wrong with it may not depend on how it was cut.
    """
    text = begun[: most + 3]
    if text[:1] < b"!" or text.count(b"\n") != text.count(b"\r\n"):
        return Invalid(400, "white space before the head, or a line end other than CRLF in it")
    return Invalid(431, "the head is larger than this gate takes") if len(begun) > most + 3 else None
