"""As much of CBOR (RFC 8949) as a watch in ``application/cbor-seq`` needs (KEP-4222): where a data item ends, and the encoding of our own one.

Nothing is decoded. An item is a head and what it announces: bytes to skip, or items to come; the counts of those form a stack.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

DEPTH_MAX: Final = 64
"""API machinery decodes no deeper either. What nests deeper has no boundary for us any more."""
_UNTIL_BREAK: Final = -1
_SIZES: Final = {24: 1, 25: 2, 26: 4, 27: 8}
_SELF_DESCRIBED: Final = b"\xd9\xd9\xf7"
"""Tag 55799, with which every CBOR document of the API server begins (KEP-4222)."""


class CborEnds:
    """Follows a CBOR sequence and knows when it is between two items."""

    __slots__ = ("_head", "_lost", "_skip", "_stack", "_tagged")

    def __init__(self) -> None:
        self._head = b""
        self._skip = 0
        self._stack: list[int] = []
        self._lost = self._tagged = False

    @property
    def at_boundary(self) -> bool:
        """Between two items of the sequence."""
        return not (self._lost or self._head or self._skip or self._stack or self._tagged)

    def feed(self, data: bytes) -> None:
        """The sequence goes on with ``data``."""
        if self._lost:
            return
        data, self._head = self._head + data, b""
        at, end = 0, len(data)
        while at < end and not self._lost:
            if self._skip:
                step = min(self._skip, end - at)
                self._skip -= step
                at += step
                if not self._skip:
                    self._item_ended()
                continue
            size = 1 + _SIZES.get(data[at] & 0x1F, 0)
            if end - at < size:
                self._head = data[at:]
                return
            self._begin(data[at] >> 5, data[at] & 0x1F, int.from_bytes(data[at + 1 : at + size], "big"))
            at += size

    def _begin(self, major: int, short: int, long: int) -> None:
        """An item's head: major type, and its argument in five bits or behind them (RFC 8949 section 3)."""
        self._tagged = major == 6  # a tag belongs to the item behind it
        argument = short if short < 24 else long
        if 28 <= short <= 30 or (short == 31 and major in (0, 1, 6)):
            self._lost = True
        elif major == 7 and short == 31:
            self._break()
        elif major in (0, 1, 7):
            self._item_ended()
        elif self._tagged:
            return
        elif short == 31:
            self._nest(_UNTIL_BREAK)
        elif major in (2, 3):
            self._skip = argument
            if not argument:
                self._item_ended()
        else:
            self._nest(argument * (2 if major == 5 else 1))

    def _nest(self, items: int) -> None:
        if len(self._stack) >= DEPTH_MAX:
            self._lost = True
        elif items:
            self._stack.append(items)
        else:
            self._item_ended()

    def _break(self) -> None:
        if self._stack and self._stack[-1] == _UNTIL_BREAK:
            self._stack.pop()
            self._item_ended()
        else:
            self._lost = True

    def _item_ended(self) -> None:
        stack = self._stack
        while stack and stack[-1] != _UNTIL_BREAK:
            stack[-1] -= 1
            if stack[-1]:
                return
            stack.pop()


def encode_cbor(document: Mapping[str, object]) -> bytes:
    """A document of maps, texts and small numbers as the API server writes one."""
    return _SELF_DESCRIBED + _encode(document)


def _encode(value: object) -> bytes:
    match value:
        case str():
            raw = value.encode()
            return _cbor_head(2, len(raw)) + raw  # API machinery writes text as byte strings, and reads both
        case int():
            return _cbor_head(0, value)
        case Mapping():
            return _cbor_head(5, len(value)) + b"".join(_encode(key) + _encode(item) for key, item in value.items())
    raise TypeError(f"no CBOR for {type(value).__name__}")


def _cbor_head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    short = 24 if argument < 1 << 8 else 25 if argument < 1 << 16 else 26
    return bytes([major << 5 | short]) + argument.to_bytes(_SIZES[short], "big")
