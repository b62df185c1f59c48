"""Who an identity is, to many lists of people at once: to the rules of a policy, and to its named sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from kgate.model import Identity
from kgate.policy.facets import facet
from kgate.policy.listing import Bits
from kgate.policy.parties import Members

_VALUES: dict[str, Callable[[Identity], tuple[str, ...]]] = {
    "users": lambda identity: (identity.user,),
    "groups": lambda identity: identity.groups or ("",),
    "issuers": lambda identity: (identity.issuer,),
    "robots": lambda identity: (identity.robot,) if identity.robot else (),
    "devices": lambda identity: (identity.device.name,) if identity.device is not None else (),
}
"""What each matcher of ``Members`` is held against."""


class People:
    """Lists of people, each a set of matchers that must all hold."""

    def __init__(self, lists: Sequence[Members]) -> None:
        self._all = (1 << len(lists)) - 1
        facets = [(facet([getattr(each, key) for each in lists], unasked=True), values) for key, values in _VALUES.items()]
        self._asked = [(each, values) for each, values in facets if not each.idle]

    def of(self, identity: Identity) -> Bits:
        """The lists that ``identity`` is on."""
        found = self._all
        for each, values in self._asked:
            found &= each.of_any(values(identity))
        return found


class PeopleSets:
    """``people:`` of a policy: named sets, in each of which is whoever is on one of its lists."""

    def __init__(self, sets: Mapping[str, tuple[Members, ...]]) -> None:
        self._owners = [name for name, lists in sets.items() for _ in lists]
        self._people = People([each for lists in sets.values() for each in lists])

    def of(self, identity: Identity) -> tuple[str, ...]:
        """The names of the sets that ``identity`` is in."""
        left = self._people.of(identity) if self._owners else 0
        found: dict[str, None] = {}
        while left:
            lowest = left & -left
            found[self._owners[lowest.bit_length() - 1]] = None
            left ^= lowest
        return tuple(found)
