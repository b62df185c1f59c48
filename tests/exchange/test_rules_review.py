"""A list of what somebody may do has nothing in it that the gate or the cluster would refuse."""

from __future__ import annotations

import json
import sys
from collections import Counter
from types import FrameType

import pytest

from kgate.authorizers.builtin import PolicyAuthorizer
from kgate.exchange.rules_review import MOST_LINES, MOST_LOOKS, common
from kgate.exchange.self_review import action_of
from kgate.kube.access_review import Attributes
from kgate.kube.rules_review import Listed, ListedRule, read_list, render_list
from kgate.model import Cluster, Context, Identity, Impersonation
from kgate.policy.load import load_policy

LAB = Cluster("lab")
POLICY = load_policy(
    """
rules:
  - name: no-secrets
    who: {users: ["*"]}
    clusters: {names: ["*"]}
    deny: [{verbs: ["*"], resources: [secrets]}]
  - name: readers
    who: {users: [alice]}
    clusters: {names: ["*"]}
    allow:
      - {verbs: [get, list], resources: [pods, secrets, deployments.apps]}
      - {verbs: [get], paths: [/metrics]}
  - name: shells
    who: {users: [alice]}
    clusters: {names: ["*"]}
    allow: [{actions: [exec]}]
    as: {groups: [shell]}
  - name: beyond
    who: {users: [carol]}
    clusters: {names: ["*"]}
    allow: [{verbs: [get, list], resources: [nodes, pods/log]}, {verbs: [get], paths: [/metrics, /healthz]}]
  - name: all
    who: {users: [bob]}
    clusters: {names: ["*"]}
    allow: [{verbs: ["*"], resources: ["*"]}, {verbs: ["*"], paths: ["*"]}, {actions: ["*"]}]
""",
    "policy.yaml",
)
EVERYTHING = ListedRule(("*",), ("*",), ("*",))
PATHS = ListedRule(("get",), paths=("/api/*", "/healthz", "*"))
ALICE, SHELL, BOB = Impersonation("alice"), Impersonation("alice", ("shell",)), Impersonation("bob")
CAROL = Impersonation("carol")


def listed(user: str, **lists: ListedRule | tuple[ListedRule, ...]) -> list[ListedRule]:
    faces = {"alice": ALICE, "shell": SHELL, "bob": BOB, "carol": CAROL}
    overview = PolicyAuthorizer(POLICY).overview(Identity(user), LAB, Context(0.0, "192.0.2.1"))
    told = {faces[name]: Listed(rules if isinstance(rules, tuple) else (rules,)) for name, rules in lists.items()}
    rules = common(overview, told, LAB, "team-a")
    for rule in rules:
        for verb in rule.verbs:
            for resource in rule.resources:
                name, _, sub = resource.partition("/")
                assert overview.seen_as(action_of(Attributes(verb, rule.groups[0], "", name, sub, "team-a"), LAB)) is not None
    return rules


def test_a_star_of_the_cluster_s_becomes_what_the_policy_names() -> None:
    assert listed("alice", alice=(EVERYTHING, PATHS), shell=EVERYTHING) == [
        ListedRule(("get", "list"), ("",), ("pods",)),
        ListedRule(("create",), ("",), ("pods/exec",)),
        ListedRule(("get", "list"), ("apps",), ("deployments",)),
        ListedRule(("get",), paths=("/api/*",)),
        ListedRule(("get",), paths=("/metrics",)),
    ]


def test_a_face_has_only_what_the_cluster_grants_to_that_face() -> None:
    assert listed("alice", alice=ListedRule(("get",), ("",), ("pods", "nodes")), shell=ListedRule(("get",), ("",), ("pods",))) == [
        ListedRule(("get",), ("",), ("pods",))
    ]


def test_a_star_of_the_policy_s_leaves_the_cluster_s_list_less_the_denied() -> None:
    rules = listed("bob", bob=(ListedRule(("get", "watch"), ("",), ("pods", "secrets")), ListedRule(("*",), ("apps",), ("deployments",))))
    assert rules == [ListedRule(("get", "watch"), ("",), ("pods",)), ListedRule(("*",), ("apps",), ("deployments",))]


def test_everything_is_not_told_where_something_is_denied() -> None:
    """Whoever wants to know more asks can-i: the list says that it is not complete."""
    told = [resource for rule in listed("bob", bob=EVERYTHING) for resource in rule.resources]
    assert "*" not in told and "secrets" not in told and "pods/exec" in told


def test_a_star_for_the_verb_is_each_verb_that_the_policy_allows() -> None:
    assert listed("alice", alice=ListedRule(("*",), ("",), ("pods",))) == [ListedRule(("get", "list"), ("",), ("pods",))]


def test_a_star_in_a_namespace_grants_nothing_outside_of_it() -> None:
    log = ListedRule(("get", "list"), ("",), ("pods/log",))
    assert listed("carol", carol=EVERYTHING) == [log]
    nodes = ListedRule(("get", "list"), ("",), ("nodes",))
    assert listed("carol", carol=(EVERYTHING, nodes)) == [nodes, log]
    assert listed("carol", carol=ListedRule(("get",), ("",), ("nodes", "*/log"))) == [
        ListedRule(("get",), ("",), ("nodes",)),
        ListedRule(("get",), ("",), ("pods/log",)),
    ]


def test_of_the_paths_that_the_policy_names_those_are_told_that_the_list_covers() -> None:
    metrics = ListedRule(("get",), paths=("/metrics",))
    assert listed("carol", carol=ListedRule(("get",), paths=("/met*", "/livez"))) == [metrics]
    assert listed("carol", carol=ListedRule(("get",), ("apps",), ("deployments",))) == []


def test_a_list_without_end_is_looked_at_up_to_a_bound() -> None:
    """Each line is held against the policy, and a cluster may grant very much."""
    many = ListedRule(("get",), ("",), ("services",) * (MOST_LINES - 1))
    pods = ListedRule(("get",), ("",), ("pods",))
    assert listed("alice", alice=(many, pods)) == [pods]
    assert listed("alice", alice=(many, ListedRule(("get",), ("",), ("services",)), pods)) == []


@pytest.mark.threat("08")
@pytest.mark.parametrize(
    "rule", [ListedRule((), (), ("services",)), ListedRule((), paths=("/healthz",)), ListedRule(("get",), (), ("services",))]
)
def test_lines_that_grant_nothing_have_their_bound_too(rule: ListedRule) -> None:
    """Each is held against all that the policy names, which took 18 seconds for as many as a cluster's answer may have."""
    looks = Counter[str]()

    def called(frame: FrameType, event: str, _: object) -> None:
        looks[frame.f_code.co_name] += event == "call"

    sys.setprofile(called)
    try:
        assert listed("alice", alice=(rule,) * 150_000, shell=(rule,) * 150_000) == []
    finally:
        sys.setprofile(None)
    assert looks["covers"] + looks["covers_path"] <= 2 * MOST_LOOKS


def test_names_stay_with_their_line() -> None:
    assert listed("alice", alice=ListedRule(("get",), ("",), ("pods",), ("web",))) == [ListedRule(("get",), ("",), ("pods",), ("web",))]


def test_lists_are_read_and_written_as_kubernetes_does() -> None:
    rules = [ListedRule(("get",), ("",), ("pods",), ("web",)), ListedRule(("get",), paths=("/metrics",))]
    answer = render_list("team-a", rules, "there is more")
    assert json.loads(answer)["status"]["incomplete"] is True
    assert read_list(answer) == Listed(tuple(rules), "there is more")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"status": {"resourceRules": [1]}}', b'{"status": {"nonResourceRules": [{"verbs": "get"}]}}']
)
def test_what_is_no_list(body: bytes) -> None:
    assert isinstance(read_list(body), str)


@pytest.mark.parametrize(
    ("rule", "verb", "group", "resource", "covered"),
    [
        (EVERYTHING, "get", "apps", "deployments/scale", True),
        (ListedRule(("get",), ("",), ("pods",)), "get", "", "pods/exec", False),
        (ListedRule(("get",), ("",), ("*/scale",)), "get", "", "pods/scale", True),
        (ListedRule(("get",), ("apps",), ("pods",)), "get", "", "pods", False),
        (ListedRule(("list",), ("",), ("pods",)), "get", "", "pods", False),
    ],
)
def test_rbac_matches(rule: ListedRule, verb: str, group: str, resource: str, covered: bool) -> None:
    assert rule.covers(verb, group, resource) is covered


@pytest.mark.threat("08")
@pytest.mark.parametrize("rules", ["5", "true", '"get"', '{"verbs": ["get"]}', "[5]", '[{"verbs": "get"}]', '[{"verbs": [5]}]'])
@pytest.mark.parametrize("key", ["resourceRules", "nonResourceRules"])
def test_what_is_no_list_of_rules_is_said(key: str, rules: str) -> None:
    assert read_list(f'{{"status": {{"{key}": {rules}}}}}'.encode()) == f"{key} of wrong types"
