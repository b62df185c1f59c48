"""The company's directory as SCIM pushed it: a roster in memory, by the name that the gate knows people by.

Somebody who was deactivated or deleted there is out. Whoever the directory never heard of is not: the directory may cover a part of the company only,
and who vouches for the others is their issuer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from attrs import frozen


@frozen
class Listed:
    """Somebody in the directory, by the name that the gate knows them by, which may be empty."""

    name: str
    active: bool = True
    groups: tuple[str, ...] = ()


class Directory:
    """A ``Roster`` (see ``people``) that is told what changed, by the directory's own ids: a name may go from one person to another.

    Where two people have the same name, one of whom is out, the other one counts: a name may be given to a successor. Groups are those of just the name
    that is asked for; who is out is so in any case of its letters, for directories compare names so (RFC 7643 section 4.1.1) and issuers may write them
    otherwise.
    """

    name = "scim"

    def __init__(self) -> None:
        self.revision = 0
        self._people: dict[str, Listed] = {}
        self._named: dict[str, dict[str, Listed]] = {}
        self._alike: dict[str, dict[str, Listed]] = {}

    def __len__(self) -> int:
        return len(self._named)

    def replace(self, people: Mapping[str, Listed]) -> None:
        """All of it, read anew."""
        self._people, self._named, self._alike = {}, {}, {}
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
        listed = _who_counts(self._named.get(user))
        return listed.groups if listed is not None else None

    def is_out(self, user: str) -> bool:
        """Whether the person was deactivated or deleted there."""
        listed = _who_counts(self._named.get(user)) or _who_counts(self._alike.get(user.casefold()))
        return listed is not None and not listed.active

    def _forget(self, id_: str) -> str:
        former = self._people.pop(id_, None)
        if former is None:
            return ""
        for names, name in ((self._named, former.name), (self._alike, former.name.casefold())):
            del names[name][id_]
            if not names[name]:
                del names[name]
        return former.name

    def _learn(self, id_: str, listed: Listed | None) -> str:
        if listed is None or not listed.name:
            return ""
        self._people[id_] = listed
        self._named.setdefault(listed.name, {})[id_] = listed
        self._alike.setdefault(listed.name.casefold(), {})[id_] = listed
        return listed.name


def _who_counts(people: Mapping[str, Listed] | None) -> Listed | None:
    return max(people.values(), key=_is_active) if people else None


def _is_active(listed: Listed) -> bool:
    return listed.active
