"""The gate's own rights in a cluster: what is needed, and what is too much."""

from __future__ import annotations

import pytest

from kgate.kube.access_review import Attributes
from kgate.kube.gate_rights import GIVEN, NEEDED, RBAC_LINES, Granted, besides, has_star_of_extras, impersonation, names_of
from kgate.kube.rules_review import ListedRule

ALL = (
    ListedRule(("impersonate",), ("",), ("users", "groups", "serviceaccounts")),
    ListedRule(("impersonate",), ("authentication.k8s.io",), ("*",)),
)


def rule(verbs: str, group: str, resources: str, *names: str) -> ListedRule:
    return ListedRule(tuple(verbs.split()), (group,), tuple(resources.split()), names)


def path(verbs: str, *paths: str) -> ListedRule:
    return ListedRule(tuple(verbs.split()), paths=paths)


@pytest.mark.parametrize(
    ("rules", "more"),
    [
        (ALL, []),
        (GIVEN, []),
        ([rule("create", "authorization.k8s.io", "selfsubjectaccessreviews")], []),
        ([path("get", "/healthz", "/api/*")], []),
        ([rule("get list", "", "secrets")], ["get, list secrets"]),
        ([rule("get", "", "configmaps"), rule("list", "", "secrets")], ["list secrets", "get configmaps"]),
        ([rule("get", "apps", "deployments/scale")], ["get deployments.apps/scale"]),
        ([rule("get", "", "configmaps", "kgate")], ["get configmaps (kgate)"]),
        ([rule("*", "*", "*"), path("*", "*")], ["do anything with everything", "do anything with every path"]),
        ([path("get", "/metrics")], ["get /metrics"]),
        ([path("post", "/healthz")], ["post /healthz"]),
        ([rule("impersonate get", "", "users")], ["get users"]),
        ([rule("impersonate:user-info impersonate-on:user-info:list", "", "pods")], []),
    ],
)
def test_what_a_credential_can_do_besides(rules: list[ListedRule], more: list[str]) -> None:
    assert list(map(str, besides(rules, GIVEN, ()))) == more


def test_what_everybody_may_there_is_not_the_gates() -> None:
    given = (*GIVEN, rule("get list", "project.openshift.io", "projects"), rule("get", "", "configmaps", "hello"))
    asked = [rule("get", "project.openshift.io", "projects"), rule("get", "", "configmaps", "hello"), rule("get", "", "configmaps")]
    assert list(map(str, besides(asked, given, ()))) == ["get configmaps"]


def test_what_was_asked_for_by_name_is_said_where_no_rule_lists_it_and_once_where_one_does() -> None:
    secrets, exec_ = Attributes("get", resource="secrets"), Attributes("create", resource="pods", subresource="exec")
    assert list(map(str, besides([rule("get list", "", "secrets")], GIVEN, (secrets, exec_)))) == ["get, list secrets", "create pods/exec"]


@pytest.mark.parametrize(
    ("kind", "allowed", "rules", "granted"),
    [
        ("users", True, [], Granted.ALL),
        ("users", False, [], Granted.NONE),
        ("groups", False, [rule("impersonate", "", "groups", "view", "edit")], Granted.SOME),
        ("groups", False, [rule("impersonate", "", "users", "alice")], Granted.NONE),
        ("groups", False, [rule("get", "", "groups", "view")], Granted.NONE),
        ("users", False, [rule("impersonate:user-info", "authentication.k8s.io", "users")], Granted.SOME),
        ("userextras", False, [rule("impersonate", "authentication.k8s.io", "userextras/scopes")], Granted.SOME),
        ("userextras", False, [rule("impersonate", "authentication.k8s.io", "uids userextras/*")], Granted.NONE),
    ],
)
def test_of_which_names_it_may_impersonate(kind: str, allowed: bool, rules: list[ListedRule], granted: Granted) -> None:
    assert impersonation(kind, allowed, rules) is granted


def test_names_that_rules_spell_out() -> None:
    assert names_of("groups", [rule("impersonate", "", "groups users", "view", "edit"), rule("impersonate", "", "users", "x")]) == (
        "view",
        "edit",
    )


def test_a_star_that_is_no_pattern() -> None:
    """RBAC knows ``*/sub`` and ``*``; what stands behind a slash it compares letter by letter."""
    starred = [rule("impersonate", "authentication.k8s.io", "userextras/*")]
    extra = NEEDED["userextras"]
    assert has_star_of_extras(starred) and not starred[0].covers(extra.verb, extra.group, f"{extra.resource}/{extra.subresource}")


def test_the_lines_that_are_told_are_those_of_the_manifest(pytestconfig: pytest.Config) -> None:
    manifest = (pytestconfig.rootpath / "conf/kubernetes/impersonator.yaml").read_text()
    assert [line for line in RBAC_LINES if line not in manifest] == []
