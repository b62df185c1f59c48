"""who-can and what-can never leave out the rule that decides."""

from __future__ import annotations

import json
from typing import Any

import pytest
from generated_cases import cases
from hypothesis import given, settings

from kgate.model import Action, Cluster, Context, Identity, Operation
from kgate.policy.difference import Edit, RuleEdit, edits, shifts
from kgate.policy.evaluate import Policy, evaluate
from kgate.policy.load import load_policy
from kgate.policy.reach import Reach, Standing, what_can, who_can
from kgate.policy.samples import samples


@settings(max_examples=40)
@given(cases())
def test_the_rule_that_decides_is_found_from_either_end(case: Any) -> None:
    made, questions = case
    policy = load_policy(json.dumps(made), "p.yaml")
    for identity, action, context in questions:
        decision = evaluate(policy, identity, action, context)
        if decision.rule:
            assert decision.rule in {reach.rule for reach in who_can(policy, action, context)}
            assert decision.rule in {reach.rule for reach in what_can(policy, identity, action.cluster, context)}


@settings(max_examples=25)
@given(cases(most=1))
def test_a_policy_and_its_samples_differ_from_nothing_but_another(case: Any) -> None:
    policy = load_policy(json.dumps(case[0]), "p.yaml")
    assert list(samples(policy, 1.8e9))
    assert edits(policy, policy) == () and shifts(policy, policy, 1.8e9) == []


def test_what_depends_on_the_person_says_so() -> None:
    policy = load_policy(
        """
rules:
  - name: own
    who: {groups: ["*"]}
    clusters: {names: ["*"]}
    allow: [{verbs: [get], resources: [pods], namespaces: ["team-{identity.user}"]}]
  - name: fit
    who: {groups: ["*"]}
    clusters: {names: ["*"]}
    allow: [{actions: [exec]}]
    when: {device: {compliant: true}}
""",
        "p.yaml",
    )
    pods = Action(Cluster("dev"), "", "get", "", "", "", "v1", "pods", "", "team-alice")
    shell = Action(Cluster("dev"), "", "create", "", "", "", "v1", "pods", "exec", "a", "b", Operation.EXEC)
    found = {action: who_can(policy, action, Context(1.8e9, "")) for action in (pods, shell)}
    assert [(reach.rule, reach.standing, reach.why) for each in found.values() for reach in each] == [
        ("own", Standing.DEPENDS, ("its namespaces are the caller's own",)),
        ("fit", Standing.DEPENDS, ("no device is known",)),
    ]
    assert what_can(policy, Identity("alice"), None, Context(1.8e9, ""))[1].why == ("no device is known",)


DEMANDING = """
rules:
  - name: demanding
    who: {{groups: [sre], devices: [laptop-*]}}
    clusters: {{names: [prod]}}
    allow: [{{verbs: [get], resources: [pods], namespaces: [a], label_selector: {{app: [web]}}}}, {{actions: [exec], namespaces: [a]}}]
    when: {{country: [{countries}], network: [192.0.2.0/24], asn: [64500], device: {{compliant: true}}, facts: {{freeze: none}},
           authentication: {{amr: [hwk], max_age: 1h}}}}
    unless: {{user_agent: [{agents}]}}
    request: {{approvers: {{groups: [sre]}}, duration: 1h}}
"""


@pytest.mark.parametrize(
    ("countries", "agents", "turns"),
    [
        ("DE, FR", '"curl*"', [("demanding", "")]),  # FR is a moment of its own
        ("DE", '"curl*"', []),
        ("DE", '"curl*", "wget*"', [("", "demanding")]),
        ("DE", '"wget*"', [("", "demanding"), ("demanding", "")]),
    ],
)
def test_a_change_of_what_a_rule_asks_of_the_moment_shows_on_a_sample(countries: str, agents: str, turns: list[tuple[str, str]]) -> None:
    old = load_policy(DEMANDING.format(countries=countries, agents='"curl*"' if countries != "DE" else agents), "old")
    new = load_policy(DEMANDING.format(countries="DE", agents='"curl*"'), "new")
    found = sorted((shift.before.rule, shift.after.rule) for shift in shifts(old, new, 1.8e9))
    assert found == turns


@pytest.mark.parametrize("words", ['["port-*"]', '["!port-*"]', '["p*", attach]', '["nothing*"]'])
def test_actions_may_be_patterns(words: str) -> None:
    policy = 'rules: [{name: r, who: {users: ["*"]}, clusters: {names: ["*"]}, allow: [{actions: %s}]}]'
    old, new = load_policy(policy % words, "old"), load_policy(policy % '["!token"]', "new")
    assert shifts(old, old, 1.8e9) == [] and shifts(old, new, 1.8e9)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("facts: {freeze: [none, soft]}", "facts: {freeze: none}"),
        ("facts: {freeze: {level: [none, soft]}}", "facts: {freeze: {level: soft}}"),
        ("authentication: {acr: [silver, gold]}", "authentication: {acr: [silver]}"),
        ("authentication: {amr: [otp, hwk]}", "authentication: {amr: [otp]}"),
        ("device: {posture: {os: [linux, macos]}}", "device: {posture: {os: [linux]}}"),
        (
            "country: [DE, FR], network: ['!192.0.2.0/25', 192.0.2.0/24, 198.51.100.0/24]",
            "country: [DE], network: [192.0.2.128/25, 198.51.100.0/24]",
        ),
        ("country: [DE, FR], network: ['!192.0.2.0/25', 192.0.2.0/24]", "country: [DE], network: ['!192.0.2.0/25', 192.0.2.0/24]"),
    ],
)
def test_each_value_that_a_condition_lists_is_a_moment_of_its_own(before: str, after: str) -> None:
    policy = 'rules: [{name: r, who: {users: ["*"]}, clusters: {names: ["*"]}, allow: [{verbs: [get], resources: [pods]}], when: {%s}}]'
    old, new = load_policy(policy % before, "old"), load_policy(policy % after, "new")
    assert [(shift.before.allowed, shift.after.allowed) for shift in shifts(old, new, 1.8e9)] == [(True, False)]


RULE = {
    "who": "{users: [a]}",
    "clusters": "{names: [dev]}",
    "allow": "[{verbs: [get], resources: [pods]}]",
}


@pytest.mark.parametrize(
    ("key", "before", "after"),
    [
        ("who", "{users: [a, b]}", "{users: [a]}"),
        ("who", "{users: ['b*']}", "{users: [c]}"),
        ("who", "{groups: [a, b]}", "{groups: [a]}"),
        ("who", "{users: [a], issuers: [i]}", "{users: [a], issuers: [j]}"),
        ("who", "{users: [a], robots: [ci]}", "{users: [a], robots: [cd]}"),
        ("who", "{users: [a], devices: [d]}", "{users: [a], devices: [e]}"),
        ("clusters", "{names: [dev, test]}", "{names: [dev]}"),
        ("clusters", "{labels: {env: [dev, test]}}", "{labels: {env: [dev]}}"),
        ("clusters", "{names: [dev], labels: {env: [dev], tier: [a, b]}}", "{names: [dev], labels: {env: [dev], tier: [a]}}"),
        ("clusters", "{labels: {env: ['*'], tier: [a]}}", "{labels: {env: [x], tier: [a]}}"),
        ("allow", "[{verbs: [get, list], resources: [pods]}]", "[{verbs: [get], resources: [pods]}]"),
        ("allow", "[{verbs: ['*'], resources: [pods]}]", "[{verbs: [list], resources: [pods]}]"),
        ("allow", "[{verbs: [get], resources: [pods, services]}]", "[{verbs: [get], resources: [pods]}]"),
        ("allow", "[{verbs: [get], resources: [pods, pods/log]}]", "[{verbs: [get], resources: [pods]}]"),
        ("allow", "[{verbs: [get], resources: [pods], namespaces: [a, b]}]", "[{verbs: [get], resources: [pods], namespaces: [a]}]"),
        ("allow", "[{verbs: [get], resources: [pods], names: [a, b]}]", "[{verbs: [get], resources: [pods], names: [a]}]"),
        (
            "allow",
            "[{verbs: [list], resources: [pods], label_selector: {app: [web]}}]",
            "[{verbs: [list], resources: [pods], label_selector: {app: [db]}}]",
        ),
        (
            "allow",
            "[{verbs: [list], resources: [pods], field_selector: {spec.nodeName: [n1]}}]",
            "[{verbs: [list], resources: [pods], field_selector: {spec.nodeName: [n2]}}]",
        ),
        ("allow", "[{actions: [exec, logs]}]", "[{actions: [exec]}]"),
        ("allow", "[{actions: [exec], containers: [a, b]}]", "[{actions: [exec], containers: [a]}]"),
        ("allow", "[{actions: [exec], commands: [[ls], [cat, '**']]}]", "[{actions: [exec], commands: [[ls]]}]"),
        ("allow", "[{actions: [exec], commands: [[ls, '*.txt']]}]", "[{actions: [exec], commands: [[ls, a.txt]]}]"),
        ("allow", "[{actions: [port-forward], ports: [80, 443]}]", "[{actions: [port-forward], ports: [80]}]"),
        ("allow", "[{verbs: [get, post], paths: [/a]}]", "[{verbs: [get], paths: [/a]}]"),
        ("allow", "[{verbs: [get], paths: [/a, '/b*']}]", "[{verbs: [get], paths: [/a]}]"),
    ],
)
def test_each_value_that_a_rule_lists_is_asked_for(key: str, before: str, after: str) -> None:
    def policy(value: str) -> Policy:
        rule = ", ".join(f"{each}: {written}" for each, written in {**RULE, key: value}.items())
        return load_policy(f"rules: [{{name: r, {rule}}}]", "p")

    found = [(shift.before.allowed, shift.after.allowed) for shift in shifts(policy(before), policy(after), 1.8e9)]
    assert (True, False) in found and found.count((True, False)) == 1
    assert shifts(policy(before), policy(before), 1.8e9) == []


def test_the_next_edge_of_time_is_a_moment_too() -> None:
    """1.8e9 is a Friday, 08:00 in UTC."""

    def policy(hours: str) -> Policy:
        entry = "allow: [{verbs: [get], resources: [pods]}]"
        when = f"when: {{time: {{days: [fri], hours: {hours}, zone: UTC}}}}"
        return load_policy(f"rules: [{{name: r, who: {{users: [a]}}, clusters: {{names: [dev]}}, {entry}, {when}}}]", "p")

    (shift,) = shifts(policy("20:00-22:00"), policy("21:00-22:00"), 1.8e9)
    assert (shift.before.allowed, shift.after.allowed, shift.example.context.now) == (True, False, 1.8e9 + 12 * 3600)


def test_other_names_towards_the_cluster_are_a_difference_and_another_rule_is_none() -> None:
    def policy(name: str, more: str = "") -> Policy:
        entry = "allow: [{verbs: [get, list], resources: [pods]}]"
        return load_policy(f"rules: [{{name: {name}, who: {{users: [a]}}, clusters: {{names: [dev]}}, {entry}{more}}}]", "p")

    (shift,) = shifts(policy("r"), policy("r", ", as: {groups: [view]}"), 1.8e9)
    assert shift.count == 4 and shift.after.impersonate is not None and shift.after.impersonate.groups == ("view",)
    assert shifts(policy("r"), policy("s"), 1.8e9) == []


def test_what_was_written_otherwise() -> None:
    def rule(name: str, user: str = "a") -> str:
        return f"{{name: {name}, who: {{users: [{user}]}}, clusters: {{names: [dev]}}, allow: [{{verbs: [get], resources: [pods]}}]}}"

    def policy(rules: list[str], sets: str = "") -> Policy:
        return load_policy(f"rules: [{', '.join(rules)}]\n{sets}", "p")

    old = policy([rule("one"), rule("two"), rule("three"), rule("gone")], "people: {sre: [{groups: [sre]}], leads: [{users: [x]}]}")
    new = policy(
        [rule("three"), rule("one"), rule("two", "b"), rule("new")], "people: {sre: [{groups: [ops]}]}\nclusters: {prod: [{names: [p]}]}"
    )
    assert edits(old, new) == (
        RuleEdit(Edit.CHANGED, "rule", "two", (("who", '{"users": ["a"]}', '{"users": ["b"]}'),)),
        RuleEdit(Edit.ADDED, "rule", "new"),
        RuleEdit(Edit.REMOVED, "rule", "gone"),
        RuleEdit(Edit.MOVED, "rule", "three"),
        RuleEdit(Edit.CHANGED, "people", "sre", (("members", '[{"groups": ["sre"]}]', '[{"groups": ["ops"]}]'),)),
        RuleEdit(Edit.REMOVED, "people", "leads"),
        RuleEdit(Edit.ADDED, "clusters", "prod"),
    )
    assert edits(old, old) == ()


STANDINGS = load_policy(
    """
rules:
  - {name: all, who: {users: ["*"]}, clusters: {names: ["*"]}, allow: [{verbs: [get], resources: [pods]}]}
  - {name: office, who: {groups: [sre], issuers: [idp]}, clusters: {names: [prod]}, allow: [{verbs: [get], resources: [pods], namespaces: [a]}],
     when: {network: [192.0.2.0/24]}, unless: {country: [XX]}}
  - {name: strong, who: {groups: [sre]}, clusters: {names: [prod]}, allow: [{verbs: [get], resources: [pods]}], when: {authentication: {acr: [gold]}}}
  - {name: said, who: {groups: [sre]}, clusters: {names: [prod]}, allow: [{verbs: [get], resources: [pods]}], when: {expression: "identity.user == 'x'"}}
  - {name: asked, who: {groups: [sre]}, clusters: {names: [prod]}, allow: [{verbs: [get], resources: [pods]}],
     request: {approvers: {groups: [leads]}, duration: 1h}}
  - {name: both, who: {groups: [sre]}, clusters: {names: [prod]}, allow: [{verbs: [get], resources: [pods]}],
     when: {device: {compliant: true}, network: [192.0.2.0/24]}}
  - {name: other, who: {groups: [dev]}, clusters: {names: [test]}, allow: [{verbs: [list], resources: [services]}]}
  - {name: never, who: {groups: [sre]}, clusters: {names: [prod]}, deny: [{verbs: [get], resources: [pods]}], when: {facts: {freeze: true}}}
""",
    "p",
)
PODS = Action(Cluster("prod"), "", "get", "", "", "", "v1", "pods", "", "a", "web")


def test_who_can_tells_of_each_rule_whether_it_holds_now_for_whoever_is_meant() -> None:
    """What only a person could bring along is open; what is so for everybody is not: the address is the one that was asked about."""
    found = who_can(STANDINGS, PODS, Context(1.8e9, "10.0.0.1"))
    assert [(reach.rule, reach.standing) for reach in found] == [
        ("never", Standing.DEPENDS),  # a fact that nobody knows
        ("all", Standing.NOW),
        ("office", Standing.NOT_NOW),
        ("strong", Standing.DEPENDS),
        ("said", Standing.DEPENDS),
        ("asked", Standing.DEPENDS),
        ("both", Standing.NOT_NOW),
    ]
    never, everyone, office = found[:3]
    assert never.denies and everyone.everyone and not everyone.denies and not office.everyone
    assert office == Reach(
        "office",
        False,
        "groups: sre; issuers: idp",
        "names: prod",
        "verbs: get; resources: pods; namespaces: a",
        "when network 192.0.2.0/24; unless country",
        Standing.NOT_NOW,
        False,
        ("address 10.0.0.1 is not in 192.0.2.0/24", "country is not known"),
    )
    assert found[-1].why == ("address 10.0.0.1 is not in 192.0.2.0/24", "no device is known")


def test_what_can_tells_the_rules_of_one_person_and_what_of_that_person_is_missing() -> None:
    alice = Identity("alice", ("sre",), issuer="idp")
    found = what_can(STANDINGS, alice, Cluster("prod"), Context(1.8e9, "192.0.2.1"))
    assert [(reach.rule, reach.standing) for reach in found] == [
        ("never", Standing.DEPENDS),
        ("all", Standing.NOW),
        ("office", Standing.DEPENDS),
        ("strong", Standing.DEPENDS),
        ("said", Standing.NOT_NOW),
        ("asked", Standing.NOT_NOW),
        ("both", Standing.DEPENDS),
    ]
    dev = Identity("dora", ("dev",))
    assert [reach.rule for reach in what_can(STANDINGS, dev, None, Context(1.8e9, ""))] == ["all", "other"]
    assert [reach.rule for reach in what_can(STANDINGS, dev, Cluster("prod"), Context(1.8e9, ""))] == ["all"]
