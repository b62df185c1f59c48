"""explain says of every rule what evaluate would do with it, and of the decision what evaluate did."""

from __future__ import annotations

import json
from typing import Any

from generated_cases import cases
from hypothesis import given, settings

from kgate.documents.values import instant
from kgate.model import Action, Cluster, Context, Ground, Identity, Operation
from kgate.policy.evaluate import evaluate
from kgate.policy.explain import Explanation, Verdict, explain, next_change, written
from kgate.policy.load import load_policy
from kgate.policy.question import Question

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


@settings(max_examples=60)
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


def test_an_entry_is_one_line() -> None:
    policy = load_policy(
        """
rules:
  - name: r
    who: {groups: [a]}
    clusters: {names: [dev]}
    allow:
      - {actions: [exec], resources: [pods], namespaces: [t-*, "!t-x"], names: [w], containers: [app], commands: [[ls, "*.txt"], [sh, "**"]]}
      - {actions: [port-forward], ports: [80, 8000-8080]}
      - {verbs: [list], resources: [deployments.apps], label_selector: {app: [web], tier: x}}
""",
        "p",
    )
    assert list(map(written, policy.rules[0].entries)) == [
        "resources: pods; actions: exec; namespaces: t-*, !t-x; names: w; containers: app; commands: ls *.txt, sh **",
        "actions: port-forward; ports: 80, 8000-8080",
        "verbs: list; resources: deployments.apps; label_selector: app=web, tier=x",
    ]


def test_three_rules_at_most_are_named_the_nearest_first() -> None:
    far = "".join(
        f"  - {{name: far-{number}, who: {{groups: [a]}}, clusters: {{names: [c]}}, allow: [{{verbs: [get], resources: [pods], names: [y]}}]}}\n"
        for number in range(4)
    )
    near = "  - {name: near, who: {groups: [a]}, clusters: {names: [dev-1]}, allow: [{verbs: [get], resources: [pods], namespaces: [other]}]}\n"
    other = "  - {name: other, who: {groups: [a]}, clusters: {names: [dev-1]}, allow: [{verbs: [get], paths: [/metrics]}]}\n"
    found = explain(load_policy("rules:\n" + far + near + other, "p"), Identity("u", ("a",)), get("pods", "n"), Context(DAY, "10.0.0.1"))
    assert found.changes == (
        'rule "near" would allow it, but namespace is n, not other',
        'rule "far-0" would allow it, but cluster is dev-1, not c and name is x, not y',
        'rule "far-1" would allow it, but cluster is dev-1, not c and name is x, not y',
    )


def test_what_is_open_to_all_is_no_rules_doing() -> None:
    rule = "{name: r, who: {groups: [a]}, clusters: {names: [dev-1]}, allow: [{verbs: [get], paths: [/version]}]}"
    deny = "{name: d, who: {groups: [b]}, clusters: {names: [dev-1]}, deny: [{verbs: [get], paths: [/version]}]}"
    policy = load_policy(f"rules: [{rule}, {deny}]", "p")
    version = Action(DEV, "GET", "get", "/version", "/version")
    found = explain(policy, Identity("u", ("a",)), version, Context(DAY, "10.0.0.1"))
    assert found.decision.allowed and verdicts(found) == {"d": "does not match", "r": "matches, after the one that decides"}
    denied = explain(policy, Identity("u", ("a", "b")), version, Context(DAY, "10.0.0.1"))
    assert not denied.decision.allowed and verdicts(denied)["d"] == "decides"


def test_an_entry_about_something_else_says_so_and_nothing_of_this_requests_details() -> None:
    found = explained(get("nodes", ""))
    shell = next(view for view in found.rules if view.name == "shell")
    assert [reason.text for reason in shell.entries[0].missing] == ["it is about actions"]
    path = explained(Action(DEV, "GET", "get", "/secret", "/secret"))
    assert {view.name: view.entries[0].missing[-1].text for view in path.rules if view.name in ("no-secrets", "others")} == {
        "no-secrets": "it is about resources",
        "others": "it is about resources",
    }


def test_a_turn_that_never_comes_is_not_looked_for() -> None:
    rule = "name: r, who: {groups: [a]}, clusters: {names: [dev-1]}, allow: [{verbs: [get], resources: [pods]}]"
    policy = load_policy(f"rules: [{{{rule}, when: {{time: {{dates: [2020-01-01], zone: UTC}}}}}}]", "p")
    asked = Question(Identity("u", ("a",)), get("pods", "n"), Context(DAY, "10.0.0.1"))
    assert next_change(policy, asked, evaluate(policy, *asked)) is None
