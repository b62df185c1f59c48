"""A candidate beside the policy in force: it is asked the same, and decides nothing. What it would have said otherwise is counted and on record."""

from __future__ import annotations

from typing import NamedTuple

from kgate.model import Action, Context, Decision, Identity, Impersonation
from kgate.policy.evaluate import Policy
from kgate.review.past import decide_by
from kgate.review.turns import NOT_POLICY, Turn, seen_by, turn


class Otherwise(NamedTuple):
    """What the candidate would have said."""

    turn: Turn
    decision: Decision


class Shadow:
    """One candidate."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    def judge(
        self, identity: Identity, action: Action, context: Context, asked_as: Impersonation | None, decision: Decision
    ) -> Otherwise | None:
        """What the candidate says, where it is not what ``decision`` says. What another authorizer or a lock said is not its matter."""
        if decision.reasons and decision.reasons[0].ground in NOT_POLICY:
            return None
        other = decide_by(self.policy, identity, action, context, asked_as)
        found = turn(decision.allowed, decision.rule, seen_by(decision), other)
        return Otherwise(found, other) if found is not None else None
