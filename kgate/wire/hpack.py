"""HPACK (RFC 7541): header lists ↔ the header blocks of HTTP/2.

**Reading** needs all of it. A block is a row of fields, each an index into a table (61 entries that never change, then the dynamic table, newest
first) or a literal that may be put into the dynamic table. The table lives as long as the connection, so *every* block that arrives has to
be read, wanted or not, and after one that cannot be read nothing is right any more: ``HpackError`` ends the connection.

Two bounds hold whatever the peer sends. The dynamic table keeps to the 4096 bytes that are HTTP/2's default (we never announce another). And a
list that grows past ``header_list`` bytes (each field counts its name, its value and 32) is read to its end for the table's sake but
no longer kept: an indexed field costs one byte on the wire and may stand for four thousand, which is the "HPACK bomb" (CVE-2016-1544).

**Writing** is stateless: fields of the static table by index, all else as literals that are not put into the peer's table. What a field is
coded to then depends on the field alone and can be remembered across all connections, and no attacker learns a secret from how well it
compresses next to his own text (CRIME; section 7.1). ``FIRST_BLOCK`` starts a connection's first block and tells the peer so for good.

``generation`` changes whenever the dynamic table does: whoever remembers what a whole block meant asks it whether that still holds.
"""

from __future__ import annotations

from typing import Final, cast

from kgate.memory import remember
from kgate.wire import hpack_huffman

Field = tuple[bytes, bytes]

TABLE_SIZE: Final = 4096
"""The dynamic table's bound where nothing else is announced (RFC 9113, 6.5.2)."""
FIRST_BLOCK: Final = b"\x20"
"""What a stateless writer's first block begins with: the table's size is 0 from here on (RFC 7541, 4.2 and 6.3)."""
_OVERHEAD: Final = 32
_LONGEST_NUMBER: Final = 4
"""Bytes after the prefix of a number: 28 bits and more than anything here may be."""

_STATIC_TEXT: Final = """
:authority
:method GET
:method POST
:path /
:path /index.html
:scheme http
:scheme https
:status 200
:status 204
:status 206
:status 304
:status 400
:status 404
:status 500
accept-charset
accept-encoding gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate
"""
"""RFC 7541, appendix A, in its order, which counts from 1."""


class HpackError(Exception):
    """A block that cannot be read: COMPRESSION_ERROR, and the connection's end."""


class _Entry:
    """A field, and what it counts in a table or a list. ``pair`` is (name, value), its length not in its type: compiled, what is known to be a pair
    is taken apart and put together anew each time that it is handed on."""

    __slots__ = ("name", "pair", "size")

    def __init__(self, name: bytes, value: bytes) -> None:
        self.name = name
        self.pair: tuple[bytes, ...] = (name, value)
        self.size = len(name) + len(value) + _OVERHEAD


def _static() -> tuple[_Entry, ...]:
    lines = [line.partition(" ") for line in _STATIC_TEXT.split("\n")[1:-1]]
    return (_Entry(b"", b""), *(_Entry(name.encode(), value.encode()) for name, _, value in lines))


_STATIC: Final = _static()
"""Entry 0 is a place holder: no index is 0."""
_DYNAMIC: Final = len(_STATIC)
_AT_ONCE: Final = tuple(_STATIC[first - 0x80] if 0x80 < first < 0x80 + _DYNAMIC else None for first in range(256))
"""What a first byte means that is an index of the static table, by far the most frequent sort together with those of the dynamic one (6.1)."""
_FIRST_PATH: Final = 4
_LAST_PATH: Final = 5
"""The indexes of the static table whose name is ``:path``."""
_NEWEST: Final = 0x80 + _DYNAMIC
"""The first byte that means the newest entry of the dynamic table."""
_FIELDS: Final = {entry.pair: index for index, entry in enumerate(_STATIC) if index}
_NAMES: Final = {pair[0]: index for pair, index in reversed(_FIELDS.items())}
"""The first index of each name."""
_WITH_VALUES: Final = frozenset({pair[0] for pair in _FIELDS if pair[1]})
"""Names whose entries have values."""

_SHORT: Final = tuple(bytes((length,)) for length in range(0x7F))
"""The lengths of short strings."""

_NEVER_INDEXED: Final = frozenset({b"authorization", b"proxy-authorization", b"cookie", b"set-cookie"})


def _number(block: bytes, position: int, prefix: int) -> tuple[int, int]:
    """The number whose prefix was all ones (``prefix``) and which goes on at ``position``, and where it ends (section 5.1)."""
    if block[position] < 0x80:
        return prefix + block[position], position + 1
    value = prefix
    for place, byte in enumerate(block[position : position + _LONGEST_NUMBER]):
        value += (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, position + place + 1
    raise HpackError("a number has no end or is too large")


_LITERALS: Final[dict[bytes, _Entry]] = {}
"""Fields as messages of all connections wrote them out, from their first byte to their last: most repeat from message to message. Such a row of bytes says
by itself how long it is, so one that is cut short is none of them. Never one that refers to the dynamic table, what is secret, or what is another each time."""
_PATHS: Final[dict[bytes, _Entry]] = {}
"""The same for ``:path``, of which there are as many as there are objects: they would drive the others out."""
_LONGEST_LITERAL: Final = 256
_READ_NAMES: Final[dict[bytes, bytes]] = {}
"""Names as they were written out, with their lengths: they repeat across connections, and are no secret."""
MOST_NAMES: Final = 1024
"""Names that a memory holds: there are few."""
LONGEST_NAME: Final = 64


def _end(block: bytes, position: int) -> int:
    """Where the string that begins at ``position`` with its length ends."""
    length = block[position] & 0x7F
    if length < 0x7F:
        return position + 1 + length
    length, position = _number(block, position + 1, 0x7F)
    return position + length


def _string(block: bytes, position: int, end: int) -> bytes:
    """The string between its length, at ``position``, and its ``end``."""
    if end > len(block):
        raise HpackError("a string is longer than its block")
    first = block[position]
    start = position + 1 if first & 0x7F < 0x7F else _number(block, position + 1, 0x7F)[1]
    if first < 0x80:
        return block[start:end]
    decoded = hpack_huffman.decode(block[start:end])
    if decoded is None:
        raise HpackError("a string breaks the Huffman code")
    return decoded


def _name(block: bytes, position: int, end: int) -> bytes:
    """``_string`` of a name."""
    written = block[position:end] if end - position <= LONGEST_NAME else b""
    known = _READ_NAMES.get(written)
    if known is not None:
        return known
    name = _string(block, position, end)
    return remember(_READ_NAMES, written, name, MOST_NAMES) if written else name


class Decoder:
    """Reads the blocks of one direction of one connection. ``header_list``: the largest list that is kept, in bytes as HTTP/2 counts them."""

    __slots__ = ("_dynamic", "_header_list", "_largest", "_size", "generation")

    def __init__(self, header_list: int) -> None:
        self._header_list = header_list
        self._dynamic: list[_Entry] = []
        """Oldest first, so that index 62, the newest, is [-1]."""
        self._size = 0
        self._largest = TABLE_SIZE
        self.generation = 0

    def decode(self, block: bytes) -> list[Field] | None:
        """The block's fields in their order, or None for a list that is too large. Raises HpackError."""
        try:
            return self._decode(block)
        except IndexError:
            raise HpackError("a block ends in the middle of a field, or names an index that is not there") from None

    def _decode(self, block: bytes) -> list[Field] | None:
        fields: list[tuple[bytes, ...]] = []
        dynamic, position, end, total, most = self._dynamic, 0, len(block), 0, self._header_list
        while position < end:
            first = block[position]
            position += 1
            entry = _AT_ONCE[first]
            if entry is None:
                if first & 0xE0 == 0x20:  # a change of the table's size (6.3)
                    if total:
                        raise HpackError("the table's size changes after a field")
                    position = self._resize(block, position, first & 0x1F)
                    continue
                if _NEWEST <= first < 0xFF:
                    entry = dynamic[_NEWEST - 1 - first]
                else:
                    entry, position = self._entry(block, position, first)
            total += entry.size
            if total <= most:
                fields.append(entry.pair)
        return cast("list[Field]", fields) if total <= most else None

    def _entry(self, block: bytes, position: int, first: int) -> tuple[_Entry, int]:
        """What is not told by one byte: a literal, or an index of several bytes."""
        if first < 0x80:
            entry, position = self._literal(block, position, first)
            if first >= 0x40:
                self._insert(entry)
            return entry, position
        index, position = _number(block, position, 0x7F) if first == 0xFF else (0, position)
        if not index:
            raise HpackError("index 0")
        return self._dynamic[_DYNAMIC - 1 - index], position

    def _literal(self, block: bytes, position: int, first: int) -> tuple[_Entry, int]:
        """A field that is written out: 6.2.1 (to be indexed), 6.2.2 (not), 6.2.3 (never)."""
        start, prefix = position - 1, 0x3F if first >= 0x40 else 0x0F
        index = first & prefix
        if index == prefix:
            index, position = _number(block, position, prefix)
        if index >= _DYNAMIC:
            name, end = self._dynamic[_DYNAMIC - 1 - index].name, _end(block, position)
            return _Entry(name, _string(block, position, end)), end
        middle = position if index else _end(block, position)
        end = _end(block, middle)
        may_be_known = _MAY_BE_KNOWN[index] and end - start <= _LONGEST_LITERAL
        memo = _PATHS if _FIRST_PATH <= index <= _LAST_PATH else _LITERALS
        known = memo.get(block[start:end]) if may_be_known else None
        if known is not None:
            return known, end
        entry = _Entry(_STATIC[index].name if index else _name(block, position, middle), _string(block, middle, end))
        if may_be_known and repeats(entry.name):
            remember(memo, block[start:end], entry)
        return entry, end

    def _resize(self, block: bytes, position: int, size: int) -> int:
        if size == 0x1F:
            size, position = _number(block, position, 0x1F)
        if size > TABLE_SIZE:
            raise HpackError("the table's size changes to more than was allowed")
        if size != self._largest:
            self._largest = size
            self._evict(0)
        return position

    def _insert(self, entry: _Entry) -> None:
        size = entry.size
        if self._size + size > self._largest:
            self._evict(size)
        if size <= self._largest:
            self._dynamic.append(entry)
            self._size += size
        self.generation += 1

    def _evict(self, coming: int) -> None:
        """Make room for an entry of ``coming`` bytes; one that is larger than the table empties it (4.4)."""
        dynamic = self._dynamic
        while dynamic and self._size + coming > self._largest:
            self._size -= dynamic.pop(0).size
        self.generation += 1


def _coded_number(value: int, prefix: int, pattern: int) -> bytes:
    if value < prefix:
        return bytes((pattern | value,))
    rest = bytearray((pattern | prefix,))
    value -= prefix
    while value >= 0x80:
        rest.append(value & 0x7F | 0x80)
        value >>= 7
    rest.append(value)
    return bytes(rest)


def _coded_string(text: bytes) -> bytes:
    return _coded_number(len(text), 0x7F, 0) + text


def is_sensitive(name: bytes) -> bool:
    """Whether nobody on the way may put this field into a table (section 7.1.3): credentials, and who the upstream sees."""
    return name in _NEVER_INDEXED or name.startswith((b"impersonate-", b"x-remote-"))


SELDOM_TWICE: Final = frozenset({b"audit-id", b"content-length", b"etag", b"kubectl-session", b"x-request-id"})
"""Fields whose value is another in nearly every message: to remember them would only drive out what is worth it."""


_REPEATS: Final[dict[bytes, bool]] = {}
_STARTS: Final[dict[bytes, bytes]] = {}
"""What ``repeats`` and ``_start`` gave: compiled, a dictionary of our own is asked in a third of the time that ``lru_cache`` takes."""


def repeats(name: bytes) -> bool:
    """Whether a field of that name is worth remembering: no secret, and not another in nearly every message."""
    known = _REPEATS.get(name)
    if known is None:
        known = name not in SELDOM_TWICE and not is_sensitive(name)
        if len(name) <= LONGEST_NAME:
            remember(_REPEATS, name, known, MOST_NAMES)
    return known


_MAY_BE_KNOWN: Final = tuple(index == 0 or repeats(entry.name) for index, entry in enumerate(_STATIC))
"""By the index of a literal's name, 0 where the name is written out too: whether it is worth a look."""


def _start(name: bytes) -> bytes:
    """How a literal with this name begins: names repeat, and are few."""
    known = _STARTS.get(name)
    if known is not None:
        return known
    index = _NAMES.get(name, 0)
    start = _coded_number(index, 0x0F, 0x10 if is_sensitive(name) else 0)
    if not index:
        start += _coded_string(name)
    return remember(_STARTS, name, start, MOST_NAMES) if len(name) <= LONGEST_NAME else start


def encode_field(name: bytes, value: bytes) -> bytes:
    """One field, coded without state: an index of the static table or a literal, never-indexed where it is sensitive."""
    known = _FIELDS.get((name, value)) if not value or name in _WITH_VALUES else None
    if known is not None:
        return bytes((0x80 | known,))
    length = len(value)
    return _start(name) + (_SHORT[length] if length < 0x7F else _coded_number(length, 0x7F, 0)) + value
