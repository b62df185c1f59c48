"""The facts that are known, by source and age. Where two sources tell the same fact, the one that stands first in the settings counts.

A fact is known until its source's ``max_age`` is over: then it is unknown, and unknown never allows. What follows from that instant is in the facts
themselves (``Fact.until``), so it is an edge of the decisions that looked at them and needs no notice from here. A *change* is another value.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from kgate.model import Fact
from kgate.surroundings.document import Values


@frozen
class _Told:
    values: Values
    until: float | None


class Board:
    """See the module. ``sources`` are the names of the sources in the order in which they count."""

    def __init__(self, sources: Iterable[str] = (), former: Board | None = None) -> None:
        self._sources = tuple(sources)
        kept = former._told if former is not None else {}
        self._told: dict[str, _Told] = {name: kept[name] for name in self._sources if name in kept}
        self._known: tuple[Fact, ...] = ()
        self._stale: float | None = None
        self._gather()

    def tell(self, source: str, values: Values, until: float | None) -> tuple[str, ...]:
        """``source`` tells all its facts, known until ``until`` (Unix seconds; None is for ever). Gives the names of those that changed."""
        return self._exchange(source, _Told(values, until))

    def forget(self, source: str) -> tuple[str, ...]:
        """``source`` tells nothing any more."""
        return self._exchange(source, None)

    def known(self, now: float) -> tuple[Fact, ...]:
        """All that is known at ``now``, sorted by name."""
        if self._stale is not None and now >= self._stale:
            return tuple(fact for fact in self._known if fact.until is None or fact.until > now)
        return self._known

    def _exchange(self, source: str, told: _Told | None) -> tuple[str, ...]:
        before = {fact.name: fact.value for fact in self._known}
        if told is None:
            self._told.pop(source, None)
        elif source in self._sources:
            self._told[source] = told
        self._gather()
        after = {fact.name: fact.value for fact in self._known}
        return tuple(sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)))

    def _gather(self) -> None:
        found: dict[str, Fact] = {}
        for source in self._sources:
            told = self._told.get(source)
            for name, value in told.values.items() if told is not None else ():
                found.setdefault(name, Fact(name, value, told.until if told is not None else None))
        self._known = tuple(found[name] for name in sorted(found))
        self._stale = min((fact.until for fact in self._known if fact.until is not None), default=None)
