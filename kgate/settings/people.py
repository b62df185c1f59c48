"""``identity.groups`` and ``identity.scim``: what else is known of people, and who knows it."""

from __future__ import annotations

from enum import Enum

from attrs import frozen

from kgate.documents.values import Unacceptable, accept
from kgate.identity.directory import Directory, KnownAs
from kgate.identity.people import Credential, Merge, People, Roster
from kgate.identity.roster_file import RosterFile, load_roster
from kgate.identity.tokens import Tokens
from kgate.settings.reading import Reading
from kgate.settings.values import FilePath


class GroupSource(Enum):
    """A roster of ``identity.groups.sources``."""

    TOKEN = "token"
    """What the credential itself says."""
    FILE = "file"
    SCIM = "scim"
    """What the company's directory pushed."""


@frozen
class ScimSettings:
    """The company's directory pushes people and groups to ``/scim/v2``."""

    robots: tuple[str, ...]
    """Names of the static tokens that may push."""
    known_as: KnownAs = KnownAs.USER_NAME
    """Which of a person's names the gate knows them by."""

    def __attrs_post_init__(self) -> None:
        hint = "name the token that the directory has"
        accept(
            None if self.robots else Unacceptable("is an empty list", hint, ("robots",)),
            None if all(self.robots) else Unacceptable("has an empty name", hint, ("robots",)),
        )


@frozen
class GroupSettings:
    """Where people's groups come from, the most trusted source first."""

    sources: tuple[GroupSource, ...]
    merge: Merge = Merge.UNION
    file: FilePath | None = None

    def __attrs_post_init__(self) -> None:
        twice = len(set(self.sources)) != len(self.sources)
        accept(
            None if self.sources else Unacceptable("is an empty list", "write sources: [token]", ("sources",)),
            Unacceptable("names a source twice", "keep one", ("sources",)) if twice else None,
            None
            if (GroupSource.FILE in self.sources) == (self.file is not None)
            else Unacceptable("needs file among its sources and a file together", "write sources: [token, file] and file: groups.yaml"),
        )


def roster_file(reading: Reading, groups: GroupSettings | None) -> RosterFile | None:
    """The file of groups, where there is one."""
    return reading.document(("identity", "groups", "file"), groups.file, load_roster) if groups is not None else None


def check_scim(reading: Reading, scim: ScimSettings | None, tokens: Tokens | None) -> None:
    """Who may push has a token. One that is revoked is no mistake, or it would stay in force."""
    known = {each.robot for each in tokens.identities.values()} if tokens is not None else set()
    for name in scim.robots if scim is not None else ():
        if name not in known:
            text = f"{name} is no token of identity.tokens, so nobody can push by that name"
            reading.warn(("identity", "scim", "robots"), text, f"kgate token create {name}")


def people_of(groups: GroupSettings | None, scim: ScimSettings | None, roster: RosterFile | None, directory: Directory | None) -> People:
    """The rosters as they are configured. A directory that is pushed says who is out even where its groups do not count."""
    known = directory if scim is not None else None
    if groups is None:
        return People([Credential()], out=known) if known is not None else People(())
    rosters: dict[GroupSource, Roster | None] = {
        GroupSource.TOKEN: Credential(),
        GroupSource.FILE: roster,
        GroupSource.SCIM: known,
    }
    return People([each for source in groups.sources if (each := rosters[source]) is not None], groups.merge, out=known)
