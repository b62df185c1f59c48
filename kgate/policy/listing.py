"""Which entries list a value: exact words in a dictionary, patterns by how they begin.

Stays interpreted where ``facets`` is compiled: a hundred thousand names are put in order here while traffic goes on, and a compiled loop does not give
the interpreter away before its end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from kgate.documents.globs import Pattern

K = TypeVar("K")
Bits = int
"""A set of entries, by their numbers."""
FEW = 16
"""Entries up to which a word keeps their numbers: 100,000 people in as many rules must not cost a set each."""


def bits(numbers: Iterable[int]) -> Bits:
    """The set of ``numbers``."""
    numbers = list(numbers)
    field = bytearray(max(numbers, default=0) // 8 + 1)
    for number in numbers:
        field[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(field, "little")


class Listed(Generic[K]):
    """Exact values and patterns, each with the entries that list it: as a set where they are many, one by one where a set would waste memory."""

    def __init__(self, entries: Iterable[tuple[int, Iterable[K], Iterable[Pattern[K]]]]) -> None:
        exact: dict[K, list[int]] = {}
        patterns: dict[Pattern[K], list[int]] = {}
        for number, values, some_patterns in entries:
            for value in values:
                exact.setdefault(value, []).append(number)
            for pattern in some_patterns:
                patterns.setdefault(pattern, []).append(number)
        self._exact = {value: _packed(numbers) for value, numbers in exact.items()}
        self._patterns: dict[int, dict[str, list[tuple[Pattern[K], Bits]]]] = {}
        """By length of the prefix, and by prefix: of 10,000 globs only those are tried that begin as the value does."""
        for pattern, numbers in patterns.items():
            alike = self._patterns.setdefault(len(pattern.prefix), {})
            alike.setdefault(pattern.prefix, []).append((pattern, bits(numbers)))

    def entries(self, value: K) -> Bits:
        """The entries that list ``value``."""
        numbers = self._exact.get(value, 0)
        found = numbers if isinstance(numbers, int) else bits(numbers)
        text = value if isinstance(value, str) else ""
        for length, patterns in self._patterns.items():
            for pattern, entries in patterns.get(text[:length], ()):
                if pattern.matches(value):
                    found |= entries
        return found


def _packed(numbers: list[int]) -> Bits | tuple[int, ...]:
    return bits(numbers) if len(numbers) > FEW else tuple(numbers)
