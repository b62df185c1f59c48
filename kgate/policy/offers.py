"""``request``: what a rule gives only to those who asked for it and whom others approved.

Such a rule is an offer. It allows while a ``Grant`` for it, for this caller and this place, is in the context, and no longer; everything else it asks
(who, when, from where) must hold beside that. Whoever lacks nothing but the grant reads the command that asks for one.

A grant that was revoked or has ended stays in the context for a while, so that the reason can say so.
"""

from __future__ import annotations

import shlex
from enum import Enum

from attrs import fields, frozen

from kgate.documents.globs import Words
from kgate.documents.values import Duration, Unacceptable, accept
from kgate.model import Grant, Ground, Identity
from kgate.policy.details import listed, shown
from kgate.policy.question import Question

MOST_APPROVALS = 10
LONGEST = Duration(30 * 86400.0)
"""Seconds. What somebody needs for longer is a rule."""


class ReasonWanted(Enum):
    """Whether who asks must say why."""

    REQUIRED = "required"
    OPTIONAL = "optional"


@frozen
class Approvers:
    """Who may approve, deny and revoke: all keys must hold."""

    users: Words | None = None
    groups: Words | None = None

    def __attrs_post_init__(self) -> None:
        named = any(getattr(self, each.name) is not None for each in fields(Approvers))
        accept(None if named else Unacceptable("names nobody", "write groups: [sre]"))

    def include(self, identity: Identity) -> bool:
        """Whether ``identity`` is one of them."""
        if self.users is not None and not self.users.matches(identity.user):
            return False
        return self.groups is None or self.groups.any(identity.groups)


@frozen
class Offer:
    """``request`` as written."""

    approvers: Approvers
    duration: Duration
    """The longest that a grant may last, and how long it lasts where who asks does not say."""
    reason: ReasonWanted = ReasonWanted.REQUIRED
    approvals: int = 1

    def __attrs_post_init__(self) -> None:
        accept(
            None
            if 1 <= self.approvals <= MOST_APPROVALS
            else Unacceptable(f"{self.approvals} is out of range", f"it is at least 1 and at most {MOST_APPROVALS}", ("approvals",)),
            None
            if 0 < self.duration <= LONGEST
            else Unacceptable("is out of range", "it is more than 0s and at most 30d; write a rule for what lasts longer", ("duration",)),
        )


@frozen
class Granted:
    """The condition that ``request`` makes: a grant for this rule, this caller and this place is in force."""

    rule: str
    ground = Ground.GRANT

    def in_force(self, asked: Question) -> Grant | None:
        """The one that lasts longest."""
        now = asked.context.now
        return max(
            (grant for grant in self._fitting(asked) if not grant.revoked_by and grant.begins <= now < grant.until), key=_end, default=None
        )

    def holds(self, asked: Question) -> bool:
        """Whether there is one."""
        return self.in_force(asked) is not None

    def edge(self, asked: Question) -> float | None:
        """The end of the one in force, or the next beginning."""
        grant = self.in_force(asked)
        if grant is not None:
            return grant.until
        beginnings = (grant.begins for grant in self._fitting(asked) if not grant.revoked_by and grant.begins > asked.context.now)
        return min(beginnings, default=None)

    def miss(self, asked: Question) -> str:
        """What became of the last one, and the command that asks for one."""
        action = asked.action
        command = f"kgate request create --cluster {action.cluster.name} --rule {self.rule}"
        if action.namespace:
            command += f" --namespace {shlex.quote(shown(action.namespace))}"
        ask = f'it must be requested: {command} --reason "…"'
        last = max(self._fitting(asked), key=_beginning, default=None)
        if last is not None and last.revoked_by:
            return f"grant {last.id} was revoked by {shown(last.revoked_by)}; {ask}"
        return f"grant {last.id} has ended; {ask}" if last is not None and last.until <= asked.context.now else ask

    def hit(self, asked: Question) -> str:
        """Which one."""
        grant = self.in_force(asked)
        return f"grant {grant.id} is in force, approved by {listed(grant.approvers)}" if grant is not None else self.miss(asked)

    def _fitting(self, asked: Question) -> tuple[Grant, ...]:
        """The caller's grants for this rule that fit the place, in force or not. Whom ``--as`` made has none of them."""
        identity, action, context = asked
        return tuple(
            grant
            for grant in context.grants
            if grant.rule == self.rule
            and grant.user == identity.user
            and grant.cluster == action.cluster.name
            and grant.namespace in ("", action.namespace)
        )


def _beginning(grant: Grant) -> tuple[float, str]:
    return grant.begins, grant.id


def _end(grant: Grant) -> tuple[float, str]:
    return grant.until, grant.id
