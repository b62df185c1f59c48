"""The past by another policy: every decision on record is asked again, and every stream is followed for as long as it lived.

A stream is not one decision. The gate decides it anew at each edge of time and whenever a fact changes, and so must a replay: a window that closes at 18:00 in
the new policy would have ended a shell that was opened at 17:00 and left at 19:00, though nobody asked at 18:00. So an open stream is walked along the edges
of the new policy's decisions, and asked again at each change of facts, until the record of its end.

Without another policy each decision is asked of the policy of its own moment: then nothing may differ, which proves the records and the kept policies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from attrs import define, evolve, field, frozen

from kgate.audit.read import Past, Rebuilding, Unusable, instant, parsed
from kgate.model import Decision
from kgate.policy.evaluate import Policy
from kgate.review.past import decide_past
from kgate.review.turns import Turn, turn

PolicyOf = Callable[[str], "Policy | None"]
"""The policy of a revision; None where its text is not at hand."""
TOLD_LATE = 1.0
"""Seconds within which the gate looks at an edge and tells the facts of that moment: what a fact's age ends is asked with those."""
SLACK = 60.0
"""Seconds within which the gate's own cut of a stream is the same as the one that a replay finds."""
_END = b'"event":"request-end"'
_STREAM_END = b'"event":"stream-end"'
_HEAD = 160
"""A record's event stands in its first bytes, unless the gate's name is very long: then it is found all the same, only later."""


class Skipped(Enum):
    """Decisions that are not asked again, besides ``Unusable`` ones."""

    NOT_POLICY = "was not the policy's: another authorizer or a credential"
    NO_POLICY = "was by a policy whose text is not kept here"


@frozen
class Group:
    """What differs in one way, for one person."""

    turn: Turn
    before: str
    """The rule that decided; empty for none."""
    after: str
    user: str


@define
class Tally:
    """How often, and one of them to look at."""

    example: Past
    decision: Decision
    requests: int = 0
    ids: set[str] = field(factory=set)
    """Of the streams: one may have been decided many times."""

    @property
    def streams(self) -> int:
        """How many."""
        return len(self.ids)


@define
class Report:
    """What a replay found."""

    requests: int = 0
    streams: int = 0
    groups: dict[Group, Tally] = field(factory=dict)
    skipped: Counter[Unusable | Skipped] = field(factory=Counter)

    @property
    def changed(self) -> int:
        """How many requests and streams would come out otherwise for whoever made them."""
        return sum(tally.requests + tally.streams for group, tally in self.groups.items() if group.turn.matters)

    def add(self, turn: Turn, past: Past, decision: Decision) -> None:
        """One more that differs."""
        group = Group(turn, past.rule, decision.rule or _nearest(decision), past.identity.user)
        tally = self.groups.setdefault(group, Tally(past, decision))
        if past.action.follows:
            tally.ids.add(past.id)
        else:
            tally.requests += 1


def _is_dated(fields: Mapping[str, Any]) -> bool:
    try:
        instant(fields["time"])
    except (LookupError, TypeError, ValueError):
        return False
    return True


def _nearest(decision: Decision) -> str:
    return decision.reasons[0].rule if decision.reasons and not decision.allowed else ""


@define
class _Open:
    """A stream that lives, in the record and by the new policy."""

    past: Past
    decision: Decision
    ended: float | None = None
    """When the new policy ended it."""


class Replay:
    """Feed it every line in order; then ``finish``. ``policy`` is the other one; None is each decision's own."""

    def __init__(self, policy_of: PolicyOf, policy: Policy | None = None) -> None:
        self._policy_of, self._policy = policy_of, policy
        self._rebuilding = Rebuilding()
        self._open: dict[str, _Open] = {}
        self.report = Report()

    def line(self, line: bytes) -> None:
        """One record."""
        head = line[:_HEAD]
        if _END in head:
            return
        fields = parsed(line)
        if fields is None or not _is_dated(fields):
            self.report.skipped[Unusable.MALFORMED] += 1
            return
        if _STREAM_END in head:
            self._end(fields)
            return
        past = self._rebuilding.read(fields)
        if isinstance(past, Past):
            self._decision(past)
        elif past is not Unusable.NO_DECISION:
            self.report.skipped[past] += 1
        elif fields.get("event") == "facts":
            self._facts_changed(fields)
        elif fields.get("event") == "stream-end":
            self._end(fields)

    def finish(self, now: float) -> Report:
        """``now`` (Unix seconds) is when whatever is still open was last seen."""
        for id_ in list(self._open):
            self._close(id_, now, cut=False)
        return self.report

    def _decision(self, past: Past) -> None:
        if not past.by_policy:
            self.report.skipped[Skipped.NOT_POLICY] += 1
            return
        policy = self._policy or self._policy_of(past.revision)
        if policy is None:
            self.report.skipped[Skipped.NO_POLICY] += 1
            return
        decision = decide_past(policy, past)
        if past.event == "decision-change":
            self._changed(past, decision)
            return
        if past.event == "stream-start":
            self.report.streams += 1
        elif past.event == "request":
            self.report.requests += 1
        differs = turn(past.allowed, past.rule, past.seen, decision)
        if differs is not None:
            self.report.add(differs, past, decision)
        if past.event == "stream-start" and past.allowed and decision.allowed:
            # Whether the credential was still good later on is not the policy's matter, and was on record where it was not.
            lasting = evolve(past, identity=past.identity.but(expires=None))
            self._open[past.id] = _Open(lasting, decide_past(policy, lasting))

    def _changed(self, past: Past, decision: Decision) -> None:
        """The gate decided a live stream otherwise: did the new policy, too?"""
        stream = self._open.get(past.id)
        if stream is not None and stream.ended is None:
            self._walk(stream, past.context.now)
        if stream is not None and stream.ended is not None:
            return  # told when it closes
        differs = turn(past.allowed, past.rule, past.seen, decision)
        if differs is not None:
            self.report.add(differs, past, decision)
        if stream is not None:
            stream.past, stream.decision = evolve(stream.past, context=past.context), decision
            if not decision.allowed:
                del self._open[past.id]

    def _facts_changed(self, fields: Mapping[str, Any]) -> None:
        facts = self._rebuilding.facts.get(str(fields.get("facts", "")), ())
        if self._policy is None:
            return
        now = instant(fields["time"])
        for stream in self._open.values():
            if stream.ended is None and stream.past.context.facts != facts:
                self._walk(stream, now - TOLD_LATE)
                if stream.ended is None:
                    self._again(stream, evolve(stream.past, context=stream.past.context.but(now=now, facts=facts)))

    def _walk(self, stream: _Open, until: float) -> None:
        """Along the edges of the new policy's decisions."""
        while self._policy is not None and stream.ended is None:
            edge, now = stream.decision.until, stream.past.context.now
            if edge is None or not now < edge <= until:
                return
            self._again(stream, evolve(stream.past, context=stream.past.context.but(now=edge)))

    def _again(self, stream: _Open, past: Past) -> None:
        if self._policy is not None:
            stream.past, stream.decision = past, decide_past(self._policy, past)
            if not stream.decision.allowed:
                stream.ended = past.context.now

    def _end(self, fields: Mapping[str, Any]) -> None:
        self._close(str(fields.get("id")), instant(fields["time"]), cut="closed_by" in fields)

    def _close(self, id_: str, now: float, *, cut: bool) -> None:
        stream = self._open.pop(id_, None)
        if stream is None:
            return
        self._walk(stream, now)
        if stream.ended is not None and not (cut and now - stream.ended < SLACK):
            self.report.add(Turn.ENDED, stream.past, stream.decision)
