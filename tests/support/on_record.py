"""Asks every decision of an audit directory again: does explain say what the gate did, and does a replay find nothing different?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import orjson
from attrs import frozen

from kgate.audit.chain import Broken, verify
from kgate.audit.read import DECISIONS, Past, Rebuilding
from kgate.audit.search import Search
from kgate.net import trail
from kgate.net.archive import kept_policy
from kgate.policy.evaluate import Policy
from kgate.policy.load import load_policy
from kgate.review.past import explain_past
from kgate.review.replay import Replay


@frozen
class Asked:
    """How many decisions of which kind were asked again, and by how many policies they had been made."""

    events: Counter[str]
    denied: int
    policies: int
    facts: int


def ask_again(directory: Path, *, in_the_same_words: bool = True) -> Asked:
    """Fails with the first decision that comes out otherwise. Sentences may get better over the years; grounds and rules may not change."""
    policies: dict[str, Policy] = {}

    def policy_of(revision: str) -> Policy:
        if revision not in policies:
            policies[revision] = load_policy(kept_policy(directory, revision), revision)
        return policies[revision]

    lines = list(trail.lines(directory, Search()))
    assert not isinstance(verify(lines), Broken)
    events, denied = _explain(lines, policy_of, in_the_same_words)
    replay = Replay(policy_of)
    for line in lines:
        replay.line(line)
    report = replay.finish(0.0)
    assert (report.groups, dict(report.skipped)) == ({}, {})
    assert report.requests + report.streams == events["request"] + events["stream-start"]
    facts = {orjson.loads(line)["facts"] for line in lines if b'"event":"facts"' in line}
    return Asked(events, denied, len(policies), len(facts))


def _explain(lines: list[bytes], policy_of: Callable[[str], Policy], in_the_same_words: bool) -> tuple[Counter[str], int]:
    rebuilding, events, denied = Rebuilding(), Counter[str](), 0
    for line in lines:
        fields = orjson.loads(line)
        past = rebuilding.read(fields)
        if not isinstance(past, Past):
            assert "policy_revision" not in fields or fields["event"] not in DECISIONS, (past, fields)
            continue
        _, _, found = explain_past(policy_of(past.revision), past)
        decision = found.decision
        assert (decision.allowed, decision.rule, decision.reasons[0].ground) == (past.allowed, past.rule, past.ground), fields
        reasons = [
            f"{each.ground.value}: {each.rule}: {each.text}" if each.rule else f"{each.ground.value}: {each.text}"
            for each in decision.reasons
        ]
        assert reasons == fields["reasons"] or not in_the_same_words
        events[past.event] += 1
        denied += not past.allowed
    return events, denied
