"""A file of groups and their members, for companies whose identity provider sends none.

groups:
  - {name: sre, users: [bob, carol@example.com]}
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from kgate.documents.reading import read_mapping
from kgate.documents.structuring import strict_converter, structure_list, unknown_keys, written
from kgate.documents.values import Unacceptable, accept
from kgate.errors import InvalidFileError, Mistake
from kgate.identity.robots import Name, person_name


@frozen
class GroupEntry:
    """One line of the file."""

    name: Name
    users: tuple[Name, ...]

    def __attrs_post_init__(self) -> None:
        twice = {user for user in self.users if self.users.count(user) > 1} if len(set(self.users)) != len(self.users) else set()
        accept(Unacceptable(f'has "{min(twice)}" twice', "keep one", ("users",)) if twice else None)


@frozen(eq=False)
class RosterFile:
    """The file's groups by user: a ``Roster``. It is replaced whole when the file changes, so it needs no revision of its own."""

    members: Mapping[str, tuple[str, ...]] = field(factory=dict)
    name = "file"
    revision = 0

    def groups_of(self, user: str) -> tuple[str, ...] | None:
        """In the file's order."""
        return self.members.get(user)


def load_roster(text: str, file: str) -> RosterFile:
    """The groups that ``text`` lists. Raises InvalidFileError with every mistake."""
    mistakes: list[Mistake] = []
    root = read_mapping(text, file, mistakes)
    mistakes += unknown_keys(root, ("groups",), file)
    entries = structure_list(_CONVERTER, root, "groups", GroupEntry, file, mistakes)
    if mistakes:
        raise InvalidFileError(sorted(mistakes, key=lambda mistake: mistake.line))
    members: dict[str, list[str]] = {}
    for entry in entries:
        for user in entry.users:
            members.setdefault(user, []).append(entry.name)
    return RosterFile({user: tuple(groups) for user, groups in members.items()})


_CONVERTER = strict_converter()
_CONVERTER.register_structure_hook_func(lambda kind: kind is Name, written(person_name))
