"""The company's directory as SCIM pushed it: a roster in memory, by the name that the gate knows people by.

Somebody who was deactivated or deleted there is out. Whoever the directory never heard of is not: the directory may cover a part of the company only,
and who vouches for the others is their issuer.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen


@frozen
class Listed:
    """Somebody in the directory."""

    active: bool
    groups: tuple[str, ...] = ()


class Directory:
    """A ``Roster`` (see ``people``) that is told what changed."""

    name = "scim"

    def __init__(self) -> None:
        self.revision = 0
        self._people: dict[str, Listed] = {}

    def __len__(self) -> int:
        return len(self._people)

    def replace(self, people: Mapping[str, Listed]) -> None:
        """All of it, read anew."""
        self._people = dict(people)
        self.revision += 1

    def update(self, people: Mapping[str, Listed]) -> None:
        """These changed."""
        self._people.update(people)
        self.revision += 1

    def groups_of(self, user: str) -> tuple[str, ...] | None:
        """The names of the groups that the person is in; None where the directory does not know the person."""
        listed = self._people.get(user)
        return listed.groups if listed is not None else None

    def is_out(self, user: str) -> bool:
        """Whether the person was deactivated or deleted there."""
        listed = self._people.get(user)
        return listed is not None and not listed.active
