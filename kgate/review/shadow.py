"""A candidate beside the policy in force: it is asked the same, and decides nothing. What it would have said otherwise is counted and on record.

A stream is not one decision (see ``replay``): what the candidate allows at its start it may end later by itself, where a window closes or a fact is too
old. So the candidate's own edges of live streams are kept, and each is asked again at its edge.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from kgate.exchange.gate import OnRecord
from kgate.model import Action, Context, Decision, Identity, Impersonation
from kgate.policy.evaluate import Policy
from kgate.review.past import decide_by
from kgate.review.turns import NOT_POLICY, Turn, seen_by, turn

NEVER = float("inf")


class Otherwise(NamedTuple):
    """What the candidate would have said."""

    turn: Turn
    decision: Decision

    @property
    def ended(self) -> bool:
        """Whether it is the end of a stream that lives on."""
        return self.turn is Turn.ENDED


class Shadow:
    """One candidate, and the live streams that it would not have ended yet."""

    def __init__(self, policy: Policy, living: Iterable[OnRecord] = ()) -> None:
        """``living`` are streams that are older than the candidate: they are due at once."""
        self.policy = policy
        self._lasting = {stream: stream.admitted.decision.but(until=0.0) for stream in living}
        self._next = 0.0 if self._lasting else NEVER

    def judge(
        self,
        identity: Identity,
        action: Action,
        context: Context,
        asked_as: Impersonation | None,
        decision: Decision,
        stream: OnRecord | None = None,
    ) -> Otherwise | None:
        """What the candidate says, where it is not what ``decision`` says. What another authorizer or a lock said is not its matter.

        A ``stream`` is followed from here on for as long as the candidate allows it.
        """
        if decision.reasons and decision.reasons[0].ground in NOT_POLICY:
            return None
        other = decide_by(self.policy, identity, action, context, asked_as)
        before = self._lasting.pop(stream, None) if stream is not None else None
        if before is not None and decision.allowed and _ends(before, other):
            return Otherwise(Turn.ENDED, other)
        if stream is not None and other.allowed and other.until is not None:
            self._lasting[stream] = other
            self._next = min(self._next, other.until)
        found = turn(decision.allowed, decision.rule, seen_by(decision), other)
        return Otherwise(found, other) if found is not None else None

    def due(self, now: float) -> list[OnRecord]:
        """Streams whose decision by the candidate has ended by itself at ``now`` (Unix seconds): ask again. One comparison while there is none."""
        if now < self._next:
            return []
        edges = {stream: _until(decision) for stream, decision in self._lasting.items()}
        self._next = min(edges.values(), default=NEVER)
        return [stream for stream, edge in edges.items() if edge <= now]

    def forget(self, stream: OnRecord) -> None:
        """It ended."""
        self._lasting.pop(stream, None)


def succeeding(former: Shadow | None, policy: Policy | None, living: Iterable[OnRecord]) -> Shadow | None:
    """The candidate after a reload. One that is the same goes on where it was."""
    if policy is None or former is None or former.policy.revision != policy.revision:
        return Shadow(policy, living) if policy is not None else None
    return former


def _ends(before: Decision, now: Decision) -> bool:
    """Whether a gate would cut: nobody goes on under another name."""
    return not now.allowed or now.impersonate != before.impersonate


def _until(decision: Decision) -> float:
    return decision.until if decision.until is not None else NEVER
