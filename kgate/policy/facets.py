"""Sets of entries as bits, and what gives them for a value: the machinery under ``index`` and ``people``.

A facet is a dictionary of exact words beside the *distinct* patterns of all entries, found by how they begin; what a value gives is kept,
bounded, until the policy is replaced. These memos are exact: a set depends on nothing but the policy and the value. So somebody never seen costs a
look-up for their name and one for each of their groups: the groups were seen with others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Generic, TypeVar

from kgate.documents.globs import Selection
from kgate.memory import remember
from kgate.policy.listing import Bits, Listed, bits

K = TypeVar("K")
V = TypeVar("V")
KEPT: Final = 8192
"""Values remembered by each memo; it starts over when full."""
KEPT_LENGTH: Final = 512
"""Longer values come from nobody but an attacker who fills memory."""


def remember_short(memo: dict[K, V], value: K, found: V) -> None:
    """Keep what ``value`` gives, within bounds."""
    if len(str(value)) <= KEPT_LENGTH:
        remember(memo, value, found, KEPT)


class Facet(Generic[K]):
    """One thing that entries ask: ``selections`` has the lists of those that do. ``free``: the others that are satisfied whatever it is."""

    def __init__(self, selections: Mapping[int, Selection[K]], free: Bits, denying: Bits = 0) -> None:
        listed = selections.items()
        some = [(number, selection) for number, selection in listed if not selection.everything]
        self._listed = Listed((number, selection.exact, selection.patterns) for number, selection in some)
        self._excluded = Listed((number, selection.excluded_exact, selection.excluded_patterns) for number, selection in listed)
        self._always = free | bits(number for number, selection in listed if not (selection.exact or selection.patterns))
        self._any_value = self._always | bits(number for number, selection in listed if selection.everything)
        self._memo: dict[K, Bits] = {}
        self._listings: dict[K, tuple[Bits, Bits]] = {}
        asking = bits(selections)
        universal = bits(number for number, selection in listed if selection.universal)
        self.free = free
        self.spanning = free | universal | (asking & denying)
        """The entries that a request satisfies which does not say which one."""
        self.idle = not selections
        """No entry asks it."""

    def of(self, value: K) -> Bits:
        """The entries that ``value`` satisfies; those that every value does (of a deny: that some value does), where it is a bare star.

        No request has such a value, but who asks whether they may do everything has.
        """
        found = self._memo.get(value)
        if found is None:
            included, excluded = self._listing(value)
            found = self.spanning if _is_every(value) else (self._any_value | included) & ~excluded
            remember_short(self._memo, value, found)
        return found

    def of_any(self, values: Sequence[K]) -> Bits:
        """The entries that a set of values satisfies; a star needs a value, a list of nothing but exclusions needs none."""
        found = self._any_value if values else self._always
        without = 0
        for value in values:
            known = self._listings.get(value)
            if known is None:
                known = self._listing(value)
                remember_short(self._listings, value, known)
            found |= known[0]
            without |= known[1]
        return found & ~without if without else found

    def _listing(self, value: K) -> tuple[Bits, Bits]:
        """The entries that include ``value``, and those that exclude it."""
        return self._listed.entries(value), self._excluded.entries(value)


def facet(selections: Sequence[Selection[K] | None], denying: Bits = 0, *, unasked: bool) -> Facet[K]:
    """The facet of each entry's list, None where it does not ask. ``unasked``: such entries are satisfied."""
    asked = {number: selection for number, selection in enumerate(selections) if selection is not None}
    free = ((1 << len(selections)) - 1) & ~bits(asked) if unasked else 0
    return Facet(asked, free, denying)


def _is_every(value: object) -> bool:
    return getattr(value, "resource", value) == "*"
