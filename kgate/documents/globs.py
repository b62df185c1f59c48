"""Lists of words as every kgate file writes them: ``*`` stands for any run of characters within one value, a leading ``!`` excludes.

A list holds where any of its plain words matches and none of its excluded ones does; a list with exclusions only starts from everything. There is
no other magic: ``?``, ``[`` and ``\\`` mean themselves. Matching is linear in the value (each piece between stars is searched once, leftmost),
so no pattern is a regular expression in disguise that takes exponential time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

from attrs import field, frozen

K = TypeVar("K")
K_contra = TypeVar("K_contra", contravariant=True)


@frozen(cache_hash=True)
class Glob:
    """One pattern; without a ``*`` it is just itself."""

    text: str
    _pieces: tuple[str, ...] = field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_pieces", tuple(self.text.split("*")))

    @property
    def prefix(self) -> str:
        """What stands before the first star."""
        return self._pieces[0]

    def matches(self, value: str) -> bool:
        """Whether the whole of ``value`` fits."""
        if len(self._pieces) == 1:
            return value == self.text
        first, *middle, last = self._pieces
        if len(value) < len(first) + len(last) or not value.startswith(first) or not value.endswith(last):
            return False
        at, end = len(first), len(value) - len(last)
        for piece in middle:
            found = value.find(piece, at, end)
            if found < 0:
                return False
            at = found + len(piece)
        return True


class Pattern(Protocol[K_contra]):
    """What matches more than one value. Hashable, so that an index keeps one of each."""

    @property
    def prefix(self) -> str:
        """How every text begins that it matches; of what is no text, and where that is not known, nothing."""

    def matches(self, value: K_contra, /) -> bool:
        """Whether ``value`` fits."""


@frozen
class Selection(Generic[K]):
    """A list of patterns for values of one kind. ``texts`` is the list as written."""

    texts: tuple[str, ...]
    exact: frozenset[K]
    patterns: tuple[Pattern[K], ...]
    excluded_exact: frozenset[K]
    excluded_patterns: tuple[Pattern[K], ...]
    everything: bool
    """Whether it starts from everything: ``*`` is in it, or nothing but exclusions."""

    @property
    def universal(self) -> bool:
        """Whether no value at all could fail."""
        return self.everything and not self.excluded_exact and not self.excluded_patterns

    def matches(self, value: K) -> bool:
        """Whether the list holds for ``value``."""
        return self.any((value,))

    def any(self, values: Iterable[K]) -> bool:
        """Whether it holds for a set of values: one of them is included, none excluded. Nothing is included in an empty set."""
        values = tuple(values)
        included = not (self.exact or self.patterns) or any(map(self._included, values))
        return included and not any(map(self._excluded, values))

    def excludes(self, value: K) -> bool:
        """Whether an exclusion is what fails ``value``."""
        return self._excluded(value)

    def __str__(self) -> str:
        return ", ".join(self.texts)

    def _included(self, value: K) -> bool:
        return value in self.exact or any(pattern.matches(value) for pattern in self.patterns)

    def _excluded(self, value: K) -> bool:
        return value in self.excluded_exact or any(pattern.matches(value) for pattern in self.excluded_patterns)


class Words(Selection[str]):
    """A list of plain words and globs."""


def words(texts: Iterable[str]) -> Words:
    """The list that ``texts`` write. Raises ValueError for an empty word, a ``!`` with nothing after it, or two stars together."""
    texts = tuple(texts)
    included, excluded = split_exclusions(texts)
    for text in (*included, *excluded):
        if not text or "**" in text:
            raise ValueError(f'"{text}": write one * for any run of characters' if text else "an empty word")
    everything = "*" in included or not included
    return Words(texts, *_by_kind(included), *_by_kind(excluded), everything)


def split_exclusions(texts: Iterable[str]) -> tuple[list[str], list[str]]:
    """The plain words, and those that a ``!`` excludes, without it."""
    written = list(dict.fromkeys(texts))
    return [text for text in written if not text.startswith("!")], [text[1:] for text in written if text.startswith("!")]


def _by_kind(texts: list[str]) -> tuple[frozenset[str], tuple[Glob, ...]]:
    return frozenset(text for text in texts if "*" not in text), tuple(Glob(text) for text in texts if "*" in text)
