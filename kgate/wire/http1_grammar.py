"""HTTP/1.1's grammar (RFC 9112), as strict as a security gate needs it: whatever two readers could read differently is refused.

A head is split into lines at each CRLF. A line that stood in a head before is known; another is searched for control bytes (which finds bare CR,
bare LF, NUL and obs-fold's line ends), and its name looked up in a memo of names already known to be tokens. What a message's end is follows from
at most one Content-Length and at most one ``Transfer-Encoding: chunked``, never from both (RFC 9112 section 6.3; security.md class 05).
"""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Final, NamedTuple, cast

from kgate.memory import MOST, remember
from kgate.wire.events import Headers
from kgate.wire.hpack import SELDOM_TWICE

_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^`|~0-9A-Za-z]+")
"""RFC 9110 section 5.6.2, without ``_``: some servers take ``X_A`` for ``X-A``."""
_CHUNK_SIZE: Final = re.compile(rb"[0-9a-fA-F]{1,16}")
_AUTHORITY: Final = re.compile(rb"[A-Za-z0-9.\-_~%!$&'()*+,;=]+(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.%A-Za-z\-]+\](?::[0-9]{1,5})?")


def only(allowed: Container[int]) -> bytes:
    """A table by which ``translate`` leaves a text as it is if it holds nothing else. Compiled, that is one short loop; deleting bytes is not."""
    return bytes(byte if byte in allowed else byte ^ 0x80 for byte in range(256))


NO_CONTROLS: Final = only({9, *range(32, 127), *range(128, 256)})
"""Of a field's value, and of a whole line."""
_TARGET: Final = only({*range(33, 127)} - {ord("#")})
_KNOWN_NAMES: Final[dict[bytes, bytes]] = {}
_KNOWN_LINES: Final[dict[bytes, tuple[bytes, ...]]] = {}
"""Lines as they stood in a head, with what they say: nearly all of them come again. Each was found free of control bytes."""
_LONGEST_KNOWN: Final = 256
_MOST_DIGITS: Final = 18
_NOT_REMEMBERED: Final = SELDOM_TWICE | {b"authorization", b"proxy-authorization", b"cookie", b"set-cookie", b"sec-websocket-protocol"}

METHODS: Final = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})
MAX_CHUNK_LINE: Final = 18
_NOT_IN_TRAILERS: Final = frozenset(
    {
        b"authorization", b"connection", b"content-encoding", b"content-length", b"content-type", b"cookie", b"expect", b"host", b"keep-alive",
        b"range", b"set-cookie", b"te", b"trailer", b"transfer-encoding", b"upgrade",
    }
)  # fmt: skip
_NOT_IN_TRAILERS_BEGIN: Final = (b"impersonate", b"proxy-", b"x-forwarded-", b"x-remote")


class Invalid(NamedTuple):
    """A message that is refused: the status that fits and one line for the log."""

    status: int
    text: str


NOT_HTTP_1: Final = Invalid(502, "the answer is not HTTP/1.x")


def parse_fields(block: bytes) -> Headers | Invalid:
    """The field lines of ``block`` (without the empty line at its end), names lower-cased, values without the white space around them."""
    return fields_of(block.split(b"\r\n")) if block else []


def fields_of(lines: list[bytes]) -> Headers | Invalid:
    """``parse_fields`` of a block that was split at each CRLF."""
    fields: list[tuple[bytes, ...]] = []  # of two; what is typed so is handed on as it is, see docs/tried.md
    for line in lines:
        field = _KNOWN_LINES.get(line)
        if field is None:
            field = _parse_line(line)
            if field is None:
                return _fault(lines)
        fields.append(field)
    return cast("Headers", fields)


def _parse_line(line: bytes) -> tuple[bytes, ...] | None:
    """One field, remembered where it is neither a secret nor another each time; None where it is none."""
    name, colon, value = line.partition(b":")
    known = _KNOWN_NAMES.get(name) or _learn(name)
    if not known or not colon or line.translate(NO_CONTROLS) != line:
        return None
    field: tuple[bytes, ...] = (known, value.strip(b" \t"))
    if worth_knowing(known, len(line)):
        remember(_KNOWN_LINES, line, field)
    return field


def _fault(lines: list[bytes]) -> Invalid:
    """What is wrong with lines of which one is no field: a control byte anywhere comes first."""
    if any(line.translate(NO_CONTROLS) != line for line in lines):
        return Invalid(400, "a control character, or a line end other than CRLF, in the head")
    return Invalid(400, "a header line that is not name: value")


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
    length = plain_number(values[0]) if len(values) == 1 else -1
    return length if length >= 0 else Invalid(400, "Content-Length is not one plain number")


def plain_number(digits: bytes) -> int:
    """What at most 18 digits, and nothing else, say; otherwise -1. Compiled, the loop is a third of a call of ``int``."""
    if not 0 < len(digits) <= _MOST_DIGITS:
        return -1
    number = 0
    for index in range(len(digits)):
        digit = digits[index] - 48
        if digit < 0 or digit > 9:
            return -1
        number = number * 10 + digit
    return number


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
    return target.startswith(b"/") and target.translate(_TARGET) == target


def parse_status_line(line: bytes) -> tuple[int, bool] | Invalid:
    """The status, and whether it is HTTP/1.1."""
    if line == b"HTTP/1.1 200 OK":  # nearly always
        return 200, True
    version, _, rest = line.partition(b" ")
    if not version.startswith(b"HTTP/1."):
        return NOT_HTTP_1
    if version not in (b"HTTP/1.1", b"HTTP/1.0") or line.translate(NO_CONTROLS) != line:
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
    return name in _NOT_IN_TRAILERS or name.startswith(_NOT_IN_TRAILERS_BEGIN)


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
