"""explain says of every rule what evaluate would do with it, and of the decision what evaluate did."""

from __future__ import annotations

import json
from typing import Any

from generated_cases import cases
from hypothesis import given, settings

from kgate.documents.values import instant
from kgate.model import Action, Cluster, Context, Ground, Identity, Operation
from kgate.policy.evaluate import evaluate
from kgate.policy.explain import Explanation, Verdict, explain
from kgate.policy.load import load_policy

POLICY = """
rules:
  - name: readers
    who: {groups: [developers]}
    clusters: {names: ["dev*"]}
    allow:
      - {verbs: [get, list], resources: [pods, secrets], namespaces: [team-*]}
      - {verbs: [get], paths: [/metrics]}
  - name: shell
    who: {groups: [developers]}
    clusters: {names: ["*"]}
    allow: [{actions: [exec], containers: ["!proxy"], commands: [["sh"]]}]
    when: {time: {days: [mon, tue, wed, thu, fri], hours: "08:00-20:00", zone: UTC}}
  - name: others
    who: {users: [bob, carol]}
    clusters: {names: ["*"]}
    allow: [{verbs: ["*"], resources: ["*"]}]
  - name: no-secrets
    who: {groups: ["*"]}
    clusters: {names: ["*"]}
    deny: [{verbs: ["*"], resources: [secrets]}]
"""
ALICE = Identity("alice", ("developers",))
DEV = Cluster("dev-1")
NIGHT, DAY = instant("2026-11-25T21:00:00Z"), instant("2026-11-25T10:00:00Z")
SHELL = Action(
    DEV, "POST", "create", "", "/x", "", "v1", "pods", "exec", "team-a", "web-0", Operation.EXEC, container="app", command=("sh",)
)  # fmt: skip


def explained(action: Action, now: float = DAY, identity: Identity = ALICE) -> Explanation:
    return explain(load_policy(POLICY, "p.yaml"), identity, action, Context(now, "10.0.0.1"))


def get(resource: str, namespace: str) -> Action:
    return Action(DEV, "GET", "get", "", "/x", "", "v1", resource, "", namespace, "x")


def verdicts(found: Explanation) -> dict[str, str]:
    return {view.name: view.verdict.value for view in found.rules}


@settings(max_examples=60, deadline=None)
@given(cases())
def test_the_first_rule_that_matches_is_the_one_that_evaluate_decided_by(case: Any) -> None:
    made, questions = case
    policy = load_policy(json.dumps(made), "p.yaml")
    for identity, action, context in questions:
        found = explain(policy, identity, action, context)
        decision = evaluate(policy, identity, action, context)
        assert found.decision == decision
        decided = [view for view in found.rules if view.verdict is Verdict.DECIDED]
        assert [view.name for view in decided] == ([decision.rule] if decision.rule else [])
        assert all(view.denies is not decision.allowed for view in decided if decision.reasons[0].ground is not Ground.IMPERSONATION)
        for view in found.rules:
            assert (view.verdict is Verdict.MISSED) == all(entry.missing for entry in view.entries)


def test_what_matched_and_what_was_missing() -> None:
    found = explained(get("pods", "payments"))
    assert not found.decision.allowed
    readers = next(view for view in found.rules if view.name == "readers")
    assert [(entry.text, [reason.text for reason in entry.missing]) for entry in readers.entries] == [
        ("verbs: get, list; resources: pods, secrets; namespaces: team-*", ["namespace is payments, not team-*"]),
        ("verbs: get; paths: /metrics", ["it is about paths"]),
    ]
    assert found.changes == (
        'rule "readers" would allow it, but namespace is payments, not team-*',
        'rule "others" would allow it, but alice is not among its users bob, carol',
    )


def test_a_deny_decides_and_the_allow_behind_it_is_shown() -> None:
    found = explained(get("secrets", "team-a"))
    assert verdicts(found) == {
        "no-secrets": "decides", "readers": "matches, after the one that decides", "shell": "does not match", "others": "does not match",
    }  # fmt: skip
    assert found.changes == ('rule "no-secrets" must not deny it, for rule "readers" allows it',)


def test_time_alone_will_allow_it() -> None:
    found = explained(SHELL, NIGHT)
    assert found.changes[0] == 'nothing but time: rule "shell" allows it from Thu 2026-11-26 08:00:00 UTC on'
    assert "time is outside 08:00-20:00 UTC" in found.changes[1]
    friday = explained(SHELL, instant("2026-11-27T20:00:00Z"))
    assert "from Mon 2026-11-30 08:00:00 UTC on" in friday.changes[0]


def test_what_no_rule_can_allow() -> None:
    found = explained(SHELL, identity=Identity("alice", ("developers",), expires=DAY - 1))
    assert verdicts(found)["shell"] == "matches, after the one that decides"
    assert found.changes == ("the credential has expired; sign in again",)


def test_an_allowed_request_needs_no_change() -> None:
    found = explained(SHELL)
    assert found.decision.allowed and found.changes == () and verdicts(found)["shell"] == "decides"
