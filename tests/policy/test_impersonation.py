"""Who the cluster sees, and what ``kubectl --as`` needs."""

from __future__ import annotations

import pytest

from kgate.model import Action, Cluster, Context, Ground, Identity, Impersonation, Operation
from kgate.policy.evaluate import evaluate
from kgate.policy.impersonation import impersonated, impersonation_actions
from kgate.policy.load import load_policy

CLUSTER = Cluster("c")
GET = Action(CLUSTER, "GET", "get", "/x", "/x", "", "v1", "pods", "", "ns", "p")
NOW = Context(0.0, "10.0.0.1")


def seen(who: Identity, as_: str = "") -> Impersonation | str:
    policy = load_policy(
        f'rules: [{{name: r, who: {{users: ["*"]}}, clusters: {{names: ["*"]}}, allow: [{{verbs: ["*"], resources: ["*"]}}]{as_}}}]', "f"
    )
    decision = evaluate(policy, who, GET, NOW)
    return decision.impersonate if decision.impersonate is not None else decision.reasons[0].text


ALICE = Identity("alice", ("a", "system:masters", "b"), uid="7", extra=(("k", ("v",)),))


def test_by_default_the_cluster_sees_the_caller() -> None:
    assert seen(ALICE) == Impersonation("alice", ("a", "b"), "7", (("k", ("v",)),))


def test_as_groups_replaces_the_groups_and_keeps_the_person() -> None:
    assert seen(ALICE, ", as: {groups: [view]}") == Impersonation("alice", ("view",), "7", (("k", ("v",)),))
    assert seen(ALICE, ", as: {groups: []}") == Impersonation("alice", (), "7", (("k", ("v",)),))


def test_as_user_leaves_uid_and_extra_of_the_person_behind() -> None:
    assert seen(ALICE, ", as: {user: bot}") == Impersonation("bot", ("a", "b"))
    assert seen(ALICE, ", as: {user: bot, uid: u, extra: {key: [x, y]}}") == Impersonation("bot", ("a", "b"), "u", (("key", ("x", "y")),))


@pytest.mark.threat("04")
def test_system_groups_of_an_identity_provider_are_dropped_unless_the_rule_gives_them() -> None:
    insider = Identity("eve", ("system:masters", "system:authenticated"))
    assert seen(insider) == Impersonation("eve", ())
    assert seen(insider, ", as: {groups: [system:masters]}") == Impersonation("eve", ("system:masters",))


def test_a_space_of_another_script_is_a_letter() -> None:
    team = "開発\u3000チーム"
    assert (
        seen(Identity("a", (team,)))
        == seen(Identity("a", (team,)), ', as: {groups: ["{identity.groups:*}"]}')
        == Impersonation("a", (team,))
    )
    assert seen(Identity("a", (team,)), f', as: {{groups: ["{team}"]}}') == Impersonation("a", (team,))


@pytest.mark.threat("04")
@pytest.mark.parametrize("name", ["system:admin", "system:serviceaccount:kube-system:default", "system:kube-scheduler"])
def test_a_system_user_is_refused_unless_the_rule_names_a_user(name: str) -> None:
    assert "one of the cluster's own names" in str(seen(Identity(name)))
    assert "one of the cluster's own names" in str(seen(Identity(name), ", as: {groups: [view]}"))
    assert seen(Identity(name), ", as: {user: bot}") == Impersonation("bot", ())


@pytest.mark.threat("04")
def test_a_system_user_does_not_even_discover() -> None:
    policy = load_policy("rules: []", "f")
    decision = evaluate(policy, Identity("system:admin"), Action(CLUSTER, "GET", "get", "/api", "/api"), NOW)
    assert not decision.allowed and decision.reasons[0].ground is Ground.IMPERSONATION


def test_each_thing_that_as_asks_for_is_an_action() -> None:
    actions = impersonation_actions(CLUSTER, "jane", ["dev", "ops"], "42", [("scopes", ("x", "y"))])
    assert [(each.api_group, each.resource, each.subresource, each.namespace, each.name) for each in actions] == [
        ("", "users", "", "", "jane"),
        ("", "groups", "", "", "dev"),
        ("", "groups", "", "", "ops"),
        ("authentication.k8s.io", "uids", "", "", "42"),
        ("authentication.k8s.io", "userextras", "scopes", "", "x"),
        ("authentication.k8s.io", "userextras", "scopes", "", "y"),
    ]
    assert {each.operation for each in actions} == {Operation.IMPERSONATE} and {each.verb for each in actions} == {"impersonate"}


def test_a_service_account_is_asked_for_in_its_namespace() -> None:
    (action,) = impersonation_actions(CLUSTER, "system:serviceaccount:shop:ci")
    assert (action.resource, action.namespace, action.name) == ("serviceaccounts", "shop", "ci")


def allowed(entry: str, user: str, groups: tuple[str, ...] = ()) -> bool:
    policy = load_policy(f'rules: [{{name: r, who: {{users: ["*"]}}, clusters: {{names: ["*"]}}, allow: [{entry}]}}]', "f")
    return all(evaluate(policy, ALICE, each, NOW).allowed for each in impersonation_actions(CLUSTER, user, groups))


@pytest.mark.threat("04")
@pytest.mark.parametrize(
    ("entry", "may", "may_not"),
    [
        ("{actions: [impersonate], resources: [users], names: [jane]}", ["jane"], ["bob", "jane+dev", "system:admin"]),
        ("{actions: [impersonate]}", ["jane", "jane+dev"], ["system:admin", "jane+system:masters", "system:serviceaccount:shop:ci"]),
        ('{actions: ["*"]}', ["jane"], ["system:admin", "jane+system:masters"]),
        ('{actions: [impersonate], names: ["*"]}', ["jane"], ["system:admin"]),
        (
            '{actions: [impersonate], names: ["system:*", "!system:masters", jane]}',
            ["system:admin", "jane"],
            ["jane+system:masters", "bob"],
        ),
        (
            "{actions: [impersonate], resources: [serviceaccounts], namespaces: [shop]}",
            ["system:serviceaccount:shop:ci"],
            ["system:serviceaccount:kube-system:ci", "jane"],
        ),
        ('{verbs: ["*"], resources: ["*"]}', [], ["jane"]),
    ],
)
def test_as_is_granted_name_by_name(entry: str, may: list[str], may_not: list[str]) -> None:
    def asks(text: str) -> bool:
        user, *groups = text.split("+")
        return allowed(entry, user, tuple(groups))

    assert [text for text in may if not asks(text)] == []
    assert [text for text in may_not if asks(text)] == []


def test_whom_one_became_is_decided_on_and_keeps_what_limits_the_credential() -> None:
    robot = ALICE.but(robot="ci", networks=("10.0.0.0/8",), expires=9.0, session="s")
    became = impersonated(robot, "system:serviceaccount:shop:ci", ["system:serviceaccounts"])
    assert (became.user, became.groups, became.robot, became.session, became.expires, became.networks) == (
        "system:serviceaccount:shop:ci", ("system:serviceaccounts",), "", "s", 9.0, ("10.0.0.0/8",),
    )  # fmt: skip
    assert seen(became) == Impersonation("system:serviceaccount:shop:ci", ("system:serviceaccounts",))


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("{actions: [exec]}", "action is impersonate (kubectl --as), not exec"),
        ('{verbs: ["*"], resources: ["*"]}', "impersonate (kubectl --as) is granted only by name, under actions"),
    ],
)
def test_whoever_wrote_exec_and_as_reads_which_of_them_is_denied(entry: str, words: str) -> None:
    policy = load_policy(f'rules: [{{name: r, who: {{users: ["*"]}}, clusters: {{names: ["*"]}}, allow: [{entry}]}}]', "f")
    assert evaluate(policy, ALICE, impersonation_actions(CLUSTER, "jane")[0], NOW).reasons[0].text == words
