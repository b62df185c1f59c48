"""The company's directory as SCIM pushed it: a roster in memory, by the name that the gate knows people by.

Somebody who was deactivated or deleted there is out. Whoever the directory never heard of is not: the directory may cover a part of the company only,
and who vouches for the others is their issuer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import Enum

from attrs import frozen


class KnownAs(Enum):
    """Which of a person's names the gate knows them by."""

    USER_NAME = "userName"
    EXTERNAL_ID = "externalId"
    EMAIL = "email"


@frozen
class Listed:
    """Somebody in the directory, by the name that the gate knows them by, which may be empty."""

    name: str
    active: bool = True
    groups: tuple[str, ...] = ()


class Directory:
    """A ``Roster`` (see ``people``) that is told what changed, by the directory's own ids: a name may go from one person to another.

    Where two people have the same name, one of whom is out, the other one counts: a name may be given to a successor. Groups are of whoever has the very
    name. Who is out is out in any case of its letters, unless the directory knows somebody by the very name: to most directories these are one person.
    """

    name = "scim"

    def __init__(self) -> None:
        self.revision = 0
        self._people: dict[str, Listed] = {}
        self._named: dict[str, dict[str, Listed]] = {}
        """By name in lower case, and by id."""

    def __len__(self) -> int:
        return len(self._named)

    def replace(self, people: Mapping[str, Listed]) -> None:
        """All of it, read anew."""
        self._people, self._named = {}, {}
        self.update(people, people)

    def update(self, ids: Iterable[str], people: Mapping[str, Listed]) -> Collection[str]:
        """These changed; whom ``people`` does not have is gone. Gives the names that are concerned, former ones too."""
        concerned = set()
        for id_ in ids:
            concerned |= {self._forget(id_), self._learn(id_, people.get(id_))}
        self.revision += 1
        return concerned - {""}

    def groups_of(self, user: str) -> tuple[str, ...] | None:
        """The names of the groups that the person is in; None where the directory does not know the person."""
        listed = max(self._exactly(user), key=_is_active, default=None)
        return listed.groups if listed is not None else None

    def is_out(self, user: str) -> bool:
        """Whether the person was deactivated or deleted there."""
        listed = self._exactly(user) or [*self._alike(user)]
        return bool(listed) and not any(map(_is_active, listed))

    def _alike(self, user: str) -> Collection[Listed]:
        return self._named.get(user.casefold(), _NOBODY).values()

    def _exactly(self, user: str) -> list[Listed]:
        return [each for each in self._alike(user) if each.name == user]

    def _forget(self, id_: str) -> str:
        former = self._people.pop(id_, None)
        if former is None or not former.name:
            return ""
        folded = former.name.casefold()
        del self._named[folded][id_]
        if not self._named[folded]:
            del self._named[folded]
        return former.name

    def _learn(self, id_: str, listed: Listed | None) -> str:
        if listed is None or not listed.name:
            return ""
        self._people[id_] = listed
        self._named.setdefault(listed.name.casefold(), {})[id_] = listed
        return listed.name


_NOBODY: Mapping[str, Listed] = {}


def _is_active(listed: Listed) -> bool:
    return listed.active
