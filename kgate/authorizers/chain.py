"""The gate's own policy, and whoever else has to agree.

The policy is asked first and alone says as whom, under which limits and how recorded; what it denies nobody else is asked about. All of the others
must allow what it allows; one that denies, has no opinion or cannot be asked in time denies (fail-closed, security.md class 13). What is not
known yet is wanted all at once, so that three authorizers cost the time of the slowest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import frozen

from kgate.authorizers.answers import Answers
from kgate.authorizers.interface import Asker, Authorizer, Overview, Question, Questions
from kgate.model import Action, Cluster, Context, Decision, Ground, Identity, Pending, Reason
from kgate.policy.evaluate import sooner


@frozen(eq=False)
class Consulted:
    """One of the others: who it is, how it is asked, what it said."""

    name: str
    asker: Asker
    answers: Answers


Renew = Callable[[Question], None]
"""Has a question asked again in the background, once however often it is said."""


class Chain:
    """See the module. ``now`` is monotonic."""

    def __init__(self, policy: Authorizer, others: Sequence[Consulted], renew: Renew, now: Callable[[], float]) -> None:
        self._policy, self._others, self._renew, self._now = policy, tuple(others), renew, now

    def authorize(self, identity: Identity, action: Action, context: Context) -> Decision | Pending:
        """The policy's decision, if all others agree."""
        decision = self._policy.authorize(identity, action, context)
        if isinstance(decision, Pending) or not decision.allowed:
            return decision
        wanted: list[Question] = []
        until = decision.until
        for other in self._others:
            question = other.asker.question(identity, action, context, decision)
            if question is None:
                continue
            held = other.answers.of(question)
            if held is None:
                wanted.append(question)
                continue
            end = self._end(question, held.renew_at, held.ends, context.now)
            if not held.allowed:
                return _denied(other.name, decision, held.text, end)
            until = sooner(until, end)
        if wanted:
            return Pending(Questions(tuple(wanted)))
        return decision if until == decision.until else decision.but(until=until)

    def overview(self, identity: Identity, cluster: Cluster, context: Context) -> Overview:
        """The policy's."""
        return self._policy.overview(identity, cluster, context)

    def _end(self, question: Question, renew_at: float, ends: float, wall: float) -> float:
        """When to look again (Unix seconds): first to have the answer renewed while it counts, then at its end."""
        now = self._now()
        if now < renew_at:
            return wall + renew_at - now
        self._renew(question)
        return wall + ends - now


def _denied(name: str, decision: Decision, text: str, until: float) -> Decision:
    said = f'authorizer "{name}" does not allow it' + (f": {text}" if text else "")
    return Decision(False, decision.revision, decision.rule, (Reason(Ground.AUTHORIZER, text=said),), until=until)
