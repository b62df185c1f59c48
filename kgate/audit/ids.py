"""Request ids: 26 characters of Crockford's base 32, ten for the millisecond and sixteen that make it unique; they sort by time (ULID).

The last four characters count, so that ids of one process also sort in the order in which they were made; the twelve before them are drawn anew each
second. What changes seldom is kept as text: an id is made for each request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS: Final = [first + second for first in _DIGITS for second in _DIGITS]
_COUNTS: Final = 1 << 20
_HIGH_BITS: Final = 20
"""Of a millisecond: what its first six characters have beyond the last four changes every seventeen minutes."""


class RequestIds:
    """``now`` gives Unix seconds, ``random(n)`` n unpredictable bytes."""

    __slots__ = ("_count", "_high", "_high_text", "_millisecond", "_now", "_random", "_second", "_unique")

    def __init__(self, now: Callable[[], float], random: Callable[[int], bytes]) -> None:
        self._now, self._random = now, random
        self._millisecond = self._high = self._second = -1
        self._high_text = self._unique = ""
        self._count = 0

    def next(self) -> str:
        """A new id. A clock that was set back does not make it smaller than the one before."""
        millisecond = int(self._now() * 1000)
        count = self._count = self._count + 1
        if millisecond > self._millisecond:
            self._millisecond = millisecond
        if count >= _COUNTS or self._millisecond // 1000 != self._second:
            count = self._begin()
        millisecond = self._millisecond
        if millisecond >> _HIGH_BITS != self._high:
            self._high = millisecond >> _HIGH_BITS
            self._high_text = _encode(self._high, 6)
        low = _PAIRS[millisecond >> 10 & 1023] + _PAIRS[millisecond & 1023]
        return f"{self._high_text}{low}{self._unique}{_PAIRS[count >> 10]}{_PAIRS[count & 1023]}"

    def _begin(self) -> int:
        """A new second, or the counts are used up: draw again, and count from anywhere in the lower half."""
        if self._count >= _COUNTS:
            self._millisecond += 1
        self._second = self._millisecond // 1000
        self._unique = _encode(int.from_bytes(self._random(8), "big") >> 4, 12)
        self._count = int.from_bytes(self._random(2), "big")
        return self._count


def _encode(number: int, characters: int) -> str:
    return "".join(_PAIRS[(number >> shift) & 1023] for shift in range(5 * (characters - 2), -1, -10))


def instant_of(id_: str) -> float:
    """When the id was made, in Unix seconds. Raises ValueError for what is no id."""
    return sum(_DIGITS.index(digit) << (5 * place) for place, digit in enumerate(reversed(id_[:10]))) / 1000
