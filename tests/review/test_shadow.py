"""A candidate beside the policy in force: asked the same, deciding nothing."""

from __future__ import annotations

import pytest

from kgate.model import Action, Cluster, Context, Decision, Ground, Identity, Impersonation, Reason
from kgate.policy.evaluate import evaluate
from kgate.policy.load import load_policy
from kgate.review.shadow import Shadow
from kgate.review.turns import Turn

RULE = '  - {{name: {0}, who: {{groups: [{1}]}}, clusters: {{names: ["*"]}}, allow: [{{verbs: [get], resources: [pods]}}]{2}}}\n'
PODS = Action(Cluster("dev"), "", "get", "", "/api/v1/pods", resource="pods", namespace="a")
ALICE, NOW = Identity("alice", ("developers",)), Context(1.8e9, "10.0.0.1")


def rules(name: str = "r", group: str = "developers", more: str = "") -> str:
    return "rules:\n" + RULE.format(name, group, more)


def decided(text: str) -> Decision:
    return evaluate(load_policy(text, "p"), ALICE, PODS, NOW)


@pytest.mark.parametrize(
    ("live", "candidate", "turn"),
    [
        (rules(), rules(), None),
        (rules(), rules() + "# other words\n", None),
        (rules(), rules(group="sre"), Turn.DENIED),
        (rules(group="sre"), rules(), Turn.ALLOWED),
        (rules(), rules(more=", as: {groups: [view]}"), Turn.SEEN),
        (rules(), rules("renamed"), Turn.RULE),
        (rules(group="sre"), rules("renamed", "sre"), None),
    ],
)
def test_it_is_asked_the_same_and_says_what_would_be_otherwise(live: str, candidate: str, turn: Turn | None) -> None:
    shadow = Shadow(load_policy(candidate, "candidate"))
    otherwise = shadow.judge(ALICE, PODS, NOW, None, decided(live))
    assert (otherwise.turn if otherwise else None) is turn
    assert otherwise is None or otherwise.decision.revision == shadow.policy.revision


def test_what_another_authorizer_said_is_not_its_matter() -> None:
    denied = decided(rules()).but(allowed=False, reasons=(Reason(Ground.AUTHORIZER, text="opa says no"),))
    assert Shadow(load_policy(rules(), "candidate")).judge(ALICE, PODS, NOW, None, denied) is None


def test_who_wants_to_be_somebody_else_is_decided_in_steps() -> None:
    otherwise = Shadow(load_policy(rules(), "candidate")).judge(ALICE, PODS, NOW, Impersonation("bob"), decided(rules()))
    assert otherwise is not None and otherwise.turn is Turn.DENIED
