"""What is known of people beside what they sign in with: further groups, and that somebody is out.

An identity provider sends no groups, or too many to fit a token, or sends them hours late. So groups may come from several *rosters*: the credential
itself (``token``), a file of the operator's, the company's directory by SCIM. They are merged by stated precedence: ``union`` takes every roster's
groups, the first roster that has a group being named as its source; ``first`` believes the first roster that knows the person and no other.

A directory may also say that a person is out (deactivated there). That wins over everything: the credential is rejected, whoever issued it.

Robots are not people: what their token says is all there is to them.

Merging happens for every request, so it is remembered by identity; a roster that changes says so by its ``revision``.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final, Protocol

from kgate.identity.credentials import Rejected
from kgate.identity.names import MAX_GROUPS
from kgate.model import Identity

TOKEN: Final = "token"
"""The name of the credential itself as a roster."""
KEPT: Final = 8192


class Merge(Enum):
    """How several rosters' groups become one list."""

    UNION = "union"
    FIRST = "first"


class Roster(Protocol):
    """One source of groups."""

    @property
    def name(self) -> str:
        """``file``, ``scim``: as ``whoami`` shows it."""

    @property
    def revision(self) -> int:
        """Another number after every change."""

    def groups_of(self, user: str) -> tuple[str, ...] | None:
        """The person's groups here, in a stable order; None where the person is not known."""


class Leavers(Protocol):
    """Knows who is out."""

    @property
    def revision(self) -> int:
        """Another number after every change."""

    def is_out(self, user: str) -> bool:
        """Whether the person may not come in at all."""


class Credential:
    """The credential's own groups, as one roster among the others. The identity brings them, so nothing is looked up."""

    name = TOKEN
    revision = 0

    def groups_of(self, user: str) -> tuple[str, ...] | None:
        """Never asked: see ``People``."""
        return None


class People:
    """The rosters in their order of precedence, and who says that somebody is ``out``. An empty list leaves every identity as it came."""

    def __init__(self, rosters: Sequence[Roster], merge: Merge = Merge.UNION, *, out: Leavers | None = None) -> None:
        self._rosters, self._merge, self._out = tuple(rosters), merge, out
        self._known: dict[Identity, Identity | Rejected] = {}
        self._revisions: tuple[int, ...] = ()

    def resolve(self, identity: Identity) -> Identity | Rejected:
        """The identity with all its groups, or why the person is out."""
        if not self._rosters or identity.robot:
            return identity
        revisions = tuple(roster.revision for roster in self._rosters) + ((self._out.revision,) if self._out is not None else ())
        if revisions != self._revisions or len(self._known) >= KEPT:
            self._revisions = revisions
            self._known.clear()
        known = self._known.get(identity)
        if known is None:
            known = self._known[identity] = self._resolved(identity)
        return known

    def _resolved(self, identity: Identity) -> Identity | Rejected:
        if self._out is not None and self._out.is_out(identity.user):
            return Rejected(f"{identity.user} is deactivated in the company's directory", "ask whoever runs the directory")
        sources: dict[str, str] = {}
        for roster in self._rosters:
            groups = identity.groups if roster.name == TOKEN else roster.groups_of(identity.user)
            if groups is None or (roster.name == TOKEN and not groups and self._merge is Merge.FIRST):
                continue
            for group in groups:
                sources.setdefault(group, roster.name)
            if self._merge is Merge.FIRST:
                break
        if len(sources) > MAX_GROUPS:
            return Rejected(f"{identity.user} is in more than {MAX_GROUPS} groups", "ask whoever runs this gate to take fewer groups over")
        return identity.but(groups=tuple(sources), group_sources=tuple(sorted(sources.items())))
