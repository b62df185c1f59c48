"""How two decisions on the same request differ, in what somebody would notice."""

from __future__ import annotations

from enum import Enum

from kgate.model import Decision, Ground

Seen = tuple[str, tuple[str, ...]]
"""User and groups that a cluster sees."""
NOT_POLICY = frozenset({Ground.AUTHORIZER, Ground.LOCK})
"""Grounds that no policy says: another authorizer, a lock."""


class Turn(Enum):
    """What would be otherwise."""

    DENIED = "would be denied"
    ALLOWED = "would be allowed"
    ENDED = "would be ended while open"
    SEEN = "would be seen as another"
    RULE = "same answer, another rule"

    @property
    def matters(self) -> bool:
        """Whether anybody would notice."""
        return self is not Turn.RULE


def turn(allowed: bool, rule: str, seen: Seen | None, other: Decision) -> Turn | None:
    """From what was decided to ``other``; None where they are the same."""
    if allowed is not other.allowed:
        return Turn.DENIED if allowed else Turn.ALLOWED
    if seen is not None and other.impersonate is not None and seen_by(other) != seen:
        return Turn.SEEN
    return Turn.RULE if allowed and rule != other.rule else None


def seen_by(decision: Decision) -> Seen | None:
    """Whom the cluster sees."""
    seen = decision.impersonate
    return (seen.user, seen.groups) if seen is not None else None
