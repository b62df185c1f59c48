"""Request ids: 26 characters of Crockford's base 32, ten for the millisecond and sixteen that make it unique; they sort by time (ULID).

Within a millisecond the last four characters count, so that ids of one process also sort in the order in which they were made.
"""

from __future__ import annotations

from collections.abc import Callable

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [first + second for first in _DIGITS for second in _DIGITS]
_COUNTS = 1 << 20


class RequestIds:
    """``now`` gives Unix seconds, ``random(n)`` n unpredictable bytes."""

    __slots__ = ("_count", "_millisecond", "_now", "_prefix", "_random")

    def __init__(self, now: Callable[[], float], random: Callable[[int], bytes]) -> None:
        self._now, self._random = now, random
        self._millisecond = -1
        self._prefix = ""
        self._count = 0

    def next(self) -> str:
        """A new id. A clock that was set back does not make it smaller than the one before."""
        millisecond = int(self._now() * 1000)
        self._count += 1
        if millisecond > self._millisecond or self._count >= _COUNTS:
            self._begin(max(millisecond, self._millisecond + 1 if self._count >= _COUNTS else 0))
        count = self._count
        return self._prefix + _PAIRS[count >> 10] + _PAIRS[count & 1023]

    def _begin(self, millisecond: int) -> None:
        self._millisecond = millisecond
        high = int.from_bytes(self._random(8), "big") >> 4
        self._prefix = _encode(millisecond, 10) + _encode(high, 12)
        self._count = int.from_bytes(self._random(2), "big")


def _encode(number: int, characters: int) -> str:
    return "".join(_PAIRS[(number >> shift) & 1023] for shift in range(5 * (characters - 2), -1, -10))


def instant_of(id_: str) -> float:
    """When the id was made, in Unix seconds. Raises ValueError for what is no id."""
    return sum(_DIGITS.index(digit) << (5 * place) for place, digit in enumerate(reversed(id_[:10]))) / 1000
