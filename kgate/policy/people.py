"""Who an identity is, to many lists of people at once: to the rules of a policy, and to its named sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kgate.model import Identity
from kgate.policy.facets import Bits, Facet
from kgate.policy.parties import Members


class People:
    """Lists of people, each a set of matchers that must all hold."""

    def __init__(self, lists: Sequence[Members]) -> None:
        self._users = Facet([each.users for each in lists], unasked=True)
        self._groups = Facet([each.groups for each in lists], unasked=True)
        self._issuers = Facet([each.issuers for each in lists], unasked=True)
        self._robots = Facet([each.robots for each in lists], unasked=True)
        self._devices = Facet([each.devices for each in lists], unasked=True)

    def of(self, identity: Identity) -> Bits:
        """The lists that ``identity`` is on."""
        return (
            self._users.of_any((identity.user,))
            & self._groups.of_any(identity.groups or ("",))
            & self._issuers.of_any((identity.issuer,))
            & self._robots.of_any((identity.robot,) if identity.robot else ())
            & self._devices.of_any((identity.device.name,) if identity.device is not None else ())
        )


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
