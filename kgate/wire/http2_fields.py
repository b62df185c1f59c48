"""What a list of fields may be as a message of HTTP (RFC 9113, section 8), read and written.

The engine must never let through what would mean something else in HTTP/1.1 behind it (threat class 6): so each character of each part is
held against the characters that the part may have, and what is neither required nor known is refused. ``Refusal`` says so; it is a value.

Most fields of a message were in one before it, so each of them is checked once and then known (``_SOUND``). For the others ``bytes.translate`` changes
each character outside an allowed set, so that what it gives is another string wherever there is one (``only``).

Stricter than RFC 9113, on purpose
- methods are those that the API server knows; ``:path`` is origin-form without ``#``, blanks or anything outside ASCII; ``:scheme`` is http
  or https; ``:authority`` is a host and a port and nothing else, and has to be there (or ``host`` in its place);
- a request's field names have no ``_`` (some servers take it for ``-``);
- content-length comes once, in digits; ``host`` comes once and agrees with ``:authority``;
- trailers may not name a credential, an identity or anything about framing.
"""

from __future__ import annotations

import re
import string
from functools import lru_cache
from typing import ClassVar, Final, NamedTuple, cast

from kgate.memory import remember
from kgate.wire.errors import LocalProtocolError
from kgate.wire.events import Event, Headers, RequestHead
from kgate.wire.hpack import LONGEST_NAME, MOST_NAMES, SELDOM_TWICE, encode_field, repeats
from kgate.wire.http1_grammar import METHODS, NO_CONTROLS, Invalid, forbidden_trailer, only, origin_form, parse_length

_AsTheyAre = list[tuple[bytes, ...]]
"""``Headers`` to a loop that looks each field up whole: compiled, what is known to be a pair is taken apart and put together anew for that."""
_SCHEMES: Final = frozenset({b"https", b"http"})
_REQUEST_PSEUDO: Final = frozenset({b":method", b":scheme", b":authority", b":path"})
_NAME: Final = (string.ascii_lowercase + string.digits + "!#$%&'*+-.^`|~").encode()
_NAMES: Final = {more: only(_NAME + more) for more in (b"", b"_")}
"""By the characters that names may have beyond the strict ones."""
_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_AUTHORITY: Final = re.compile(rb"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_STATUSES: Final = {b"%d" % code: code for code in range(100, 600) if code != 101}

_OF_THE_CONNECTION: Final = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"})
"""They speak of one HTTP/1.1 connection and have no place here (RFC 9113, 8.2.2)."""
_WITH_A_MEANING: Final = _OF_THE_CONNECTION | {b"", b"te", b"host", b"content-length", b"cookie"}


class Refusal(NamedTuple):
    """A message that is not one. ``status``: what a server may answer in place of a reset, or 0 where it is malformed."""

    text: str
    status: int = 0


class Request(Event):
    """A request's head, and the content-length it announces."""

    __match_args__: ClassVar[tuple[str, ...]] = ("head", "length")

    def __init__(self, head: RequestHead, length: int | None) -> None:
        self.head: Final = head
        self.length: Final = length


class Response(Event):
    """A response's head, and the content-length it announces."""

    __match_args__: ClassVar[tuple[str, ...]] = ("status", "headers", "length")

    def __init__(self, status: int, headers: Headers, length: int | None) -> None:
        self.status: Final = status
        self.headers: Final = headers
        self.length: Final = length


def request(fields: Headers) -> Request | Refusal:
    """The request that ``fields`` are."""
    pseudo = _pseudo(fields)
    if isinstance(pseudo, Refusal):
        return pseudo
    headers = fields[len(pseudo) :]
    method, target = pseudo.get(b":method", b""), pseudo.get(b":path", b"")
    if method not in METHODS:
        return Refusal("this method is not served", 501 if _TOKEN.fullmatch(method) and method != b"CONNECT" else 0)
    if pseudo.get(b":scheme") not in _SCHEMES:
        return Refusal(":scheme is neither https nor http")
    if not origin_form(target):
        return Refusal(":path is not a path with a query")
    plain = _plain(headers, b"")
    if isinstance(plain, Refusal):
        return plain
    authority = pseudo.get(b":authority")
    if b"host" in plain:
        hosts = [value for name, value in headers if name == b"host"]
        authority = hosts[0] if authority is None else authority
        if len(hosts) != 1 or hosts[0].lower() != authority.lower():
            return Refusal("host and :authority differ")
        headers = [field for field in headers if field[0] != b"host"]
    if authority is None or not _is_authority(authority):
        return Refusal(":authority is not a host with a port")
    length = _length(headers, plain)
    if isinstance(length, Refusal):
        return length
    if b"cookie" in plain:
        headers = _joined_cookies(headers)
    return Request(RequestHead(method, target, authority, headers), length)


class RequestBefore:
    """Reads one connection's requests: one that differs from the last good one only in its path needs only that looked at.

    That is nearly every request of nearly every client; nothing that ``request`` checks beyond the path's own form depends on it.
    """

    __slots__ = ("_fields", "_place", "_request")

    def __init__(self) -> None:
        self._fields: Headers = []
        self._place = 0
        self._request: Request | None = None

    def request(self, fields: Headers) -> Request | Refusal:
        """The same as ``request`` says."""
        before, place = self._request, self._place
        if before is not None and len(fields) == len(self._fields) and fields[place][0] == b":path":
            path = self._fields[place] = fields[place]
            if fields == self._fields and origin_form(path[1]):
                head = before.head
                return Request(RequestHead(head.method, path[1], head.authority, head.headers), before.length)
        return self._remember(fields, request(fields))

    def _remember(self, fields: Headers, found: Request | Refusal) -> Request | Refusal:
        self._request = None
        if isinstance(found, Request):
            self._place = next(place for place, field in enumerate(fields) if field[0] == b":path")
            self._fields, self._request = fields.copy(), found
        return found


def response(fields: Headers) -> Response | Refusal:
    """The response, 1xx or final, that ``fields`` are."""
    if not fields or fields[0][0] != b":status":
        return Refusal("the first field is not :status")
    status = _STATUSES.get(fields[0][1])
    if status is None:
        return Refusal(":status is not one of HTTP/2's")
    headers = fields[1:]
    plain = _plain(headers, b"_")
    if isinstance(plain, Refusal):
        return plain
    length = _length(headers, plain)
    return length if isinstance(length, Refusal) else Response(status, headers, length)


def trailers(fields: Headers) -> Refusal | None:
    """What is wrong with ``fields`` as a trailer section, if anything."""
    plain = _plain(fields, b"")
    if isinstance(plain, Refusal):
        return plain
    if any(forbidden_trailer(name) for name, _ in fields):
        return Refusal("a trailer has a name that trailers must not have")
    return None


def _pseudo(fields: Headers) -> dict[bytes, bytes] | Refusal:
    """A request's pseudo header fields at the list's beginning; those further down are found out by their colon, which no name may have."""
    found: dict[bytes, bytes] = {}
    for name, value in fields:
        if name[:1] != b":":
            break
        if name in found or name not in _REQUEST_PSEUDO:
            return Refusal("a pseudo header field is unknown or comes twice")
        found[name] = value
    return found


def _plain(headers: Headers, more: bytes) -> set[bytes] | Refusal:
    """The names among ``headers`` that have a meaning of their own, once all fields are what RFC 9113, 8.2.1 and 8.2.2 allow.

    ``more``: characters that names may have beyond the strict ones.
    """
    sound = _SOUND[more]
    found: set[bytes] = set()
    for field in cast("_AsTheyAre", headers):
        means = sound.get(field)
        if means is None:
            text = _unsound(field[0], field[1], more)
            if text:
                return Refusal(text)
            means = field[0] in _WITH_A_MEANING
            if _is_worth_knowing(field[0], field[1]):
                remember(sound, field, means)
        if means:
            found.add(field[0])
    return _meant(headers, found) if found else found


def _unsound(name: bytes, value: bytes, more: bytes) -> str:
    """What is wrong with a field, if anything."""
    if name.translate(_NAMES[more]) != name:
        return "a field's name has a character that it must not have"
    if value.translate(NO_CONTROLS) != value:
        return "a field's value has a control character"
    return "a field's value begins or ends with a blank" if _has_blanks_around(value) else ""


def _has_blanks_around(value: bytes) -> bool:
    """Whether a value without other control characters begins or ends with a space or a tab."""
    return len(value) > 0 and (value[0] <= 0x20 or value[-1] <= 0x20)


_SELDOM_TWICE: Final = SELDOM_TWICE | {b":path"}
_SOUND: Final[dict[bytes, dict[tuple[bytes, ...], bool]]] = {b"": {}, b"_": {}}
"""Fields that were checked and may be, and whether their names have a meaning, by the characters that names may have beyond the strict ones. Secrets and what
hardly comes twice are checked each time."""
_LONGEST_KNOWN: Final = 512


def _is_worth_knowing(name: bytes, value: bytes) -> bool:
    return repeats(name) and len(name) + len(value) <= _LONGEST_KNOWN


def _meant(headers: Headers, found: set[bytes]) -> set[bytes] | Refusal:
    if len(found) == 1 and b"content-length" in found:
        return found
    if b"" in found:
        return Refusal("a field has no name")
    if found & _OF_THE_CONNECTION:
        return Refusal("a field speaks of the connection, as only HTTP/1.1 can")
    if b"te" in found and any(value != b"trailers" for name, value in headers if name == b"te"):
        return Refusal("te is not trailers")
    return found


@lru_cache(256)
def _is_authority(text: bytes) -> bool:
    return _AUTHORITY.fullmatch(text) is not None


def _length(headers: Headers, plain: set[bytes]) -> int | Refusal | None:
    if b"content-length" not in plain:
        return None
    length = parse_length([value for name, value in headers if name == b"content-length"])
    return Refusal("content-length is not one number") if isinstance(length, Invalid) else length


def _joined_cookies(headers: Headers) -> Headers:
    """One cookie field in place of its crumbs, where the first of them was (RFC 9113, 8.2.3)."""
    crumbs = [value for name, value in headers if name == b"cookie"]
    first = next(place for place, (name, _) in enumerate(headers) if name == b"cookie")
    rest = [field for field in headers[first:] if field[0] != b"cookie"]
    return [*headers[:first], (b"cookie", b"; ".join(crumbs)), *rest]


_SENT: Final[dict[bytes, bool]] = {}
"""Names that may be sent, and whether they speak of an HTTP/1.1 connection."""


def _of_the_connection(name: bytes) -> bool | None:
    """Whether a field of that name speaks of an HTTP/1.1 connection; None where none of that name may be sent."""
    if not name or name.lstrip(b":").translate(_NAMES[b"_"]) != name.lstrip(b":"):
        return None
    known = name in _OF_THE_CONNECTION
    return remember(_SENT, name, known, MOST_NAMES) if len(name) <= LONGEST_NAME else known


def coded(name: bytes, value: bytes) -> bytes:
    """A field of ours as HPACK codes it; empty for what speaks of an HTTP/1.1 connection. Raises LocalProtocolError for what none may be."""
    known = _SENT.get(name)
    of_the_connection = _of_the_connection(name) if known is None else known
    if of_the_connection is None or value.translate(NO_CONTROLS) != value:
        raise LocalProtocolError(f"the field {name!r} cannot be sent: its name or its value has a character that it must not have")
    if of_the_connection:
        return b""
    return encode_field(name, value.strip(b" \t") if _has_blanks_around(value) else value)


_CODED: Final[dict[tuple[bytes, ...], bytes]] = {}
"""What fields are coded to, which is mostly the same from message to message. What hardly comes twice is not kept: it would only drive the others out."""


def _remembered(field: tuple[bytes, ...]) -> bytes:
    name, value = field
    written = coded(name, value)
    if name not in _SELDOM_TWICE and len(name) + len(value) <= _LONGEST_KNOWN:
        remember(_CODED, field, written)
    return written


def block(fields: Headers) -> bytes:
    """The header block of ``fields``, coded without state."""
    known = _CODED
    return b"".join([known.get(field) or _remembered(field) for field in cast("_AsTheyAre", fields)])


@lru_cache(600)
def status(code: int) -> bytes:
    """The ``:status`` field. Raises LocalProtocolError where ``code`` is none of HTTP/2's."""
    if not 100 <= code <= 599 or code == 101:
        raise LocalProtocolError(f"{code} is not a status that HTTP/2 can carry")
    return encode_field(b":status", b"%d" % code)
