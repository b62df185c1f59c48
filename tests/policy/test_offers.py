"""A rule with ``request`` gives nothing to those who only fit it: it takes a grant, and the denial names the command that asks for one."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from kgate.errors import InvalidFileError
from kgate.model import Action, Cluster, Context, Decision, Ending, Grant, Ground, Identity, Operation, Reason
from kgate.policy.evaluate import evaluate
from kgate.policy.load import load_policy
from kgate.sessions.causes import denied

NOW = 1_800_000_000.0
POLICY = load_policy(
    """
rules:
  - name: break-glass
    who: {groups: [sre]}
    clusters: {names: [prod-*]}
    allow: [{actions: [exec], namespaces: [payments, shop]}]
    request: {approvers: {groups: [leads]}, duration: 2h, approvals: 2}
    limits: {idle: 15m}
""",
    "policy.yaml",
)
ALICE = Identity("alice", ("sre",))
EXEC = Action(
    Cluster("prod-eu"),
    "POST",
    "create",
    "/x",
    "/x",
    "",
    "v1",
    "pods",
    "exec",
    "payments",
    "web-0",
    Operation.EXEC,
    "app",
    ("sh",),
    follows=True,
)
GRANT = Grant("G1", "alice", "break-glass", "prod-eu", "", NOW, NOW + 7200, "INC-7", ("bob", "carol"))


def asks(*grants: Grant, who: Identity = ALICE, action: Action = EXEC, now: float = NOW) -> Decision:
    return evaluate(POLICY, who, action, Context(now, "192.0.2.1", grants=grants))


def test_without_a_grant_the_denial_names_the_command() -> None:
    decision = asks()
    assert not decision.allowed
    assert [(reason.ground, reason.rule) for reason in decision.reasons] == [(Ground.GRANT, "break-glass")]
    assert decision.reasons[0].text == (
        'it must be requested: kgate request create --cluster prod-eu --rule break-glass --namespace payments --reason "…"'
    )


def test_with_a_grant_it_is_allowed_until_the_grant_ends() -> None:
    decision = asks(GRANT)
    assert decision.allowed and decision.rule == "break-glass" and decision.until == NOW + 7200 and decision.limits.idle == 900
    (reason,) = decision.reasons
    assert (reason.ground, reason.rule) == (Ground.ALLOWED, "break-glass")
    assert reason.text == 'rule "break-glass" allows it: grant G1 is in force, approved by bob, carol'


@pytest.mark.parametrize(
    "other",
    [
        {"user": "mallory"},
        {"rule": "another"},
        {"cluster": "prod-us"},
        {"namespace": "shop"},
        {"begins": NOW + 1},
        {"until": NOW},
        {"revoked_by": "bob"},
    ],
    ids=str,
)
def test_a_grant_for_something_else_gives_nothing(other: dict[str, Any]) -> None:
    assert not asks(evolve(GRANT, **other)).allowed


def test_a_grant_gives_no_more_than_its_rule() -> None:
    assert not asks(GRANT, action=EXEC.but(namespace="kube-system")).allowed
    assert not asks(GRANT, who=ALICE.but(groups=())).allowed


def test_a_grant_for_one_namespace_is_good_there() -> None:
    assert asks(evolve(GRANT, namespace="payments")).allowed
    assert not asks(evolve(GRANT, namespace="payments"), action=EXEC.but(namespace="shop")).allowed


def test_a_grant_makes_nobody_somebody_whom_the_rule_cannot_name() -> None:
    """What the grant says must not stand where the reason belongs."""
    policy = load_policy(POLICY.source + '    as: {user: "{identity.groups:team-*}"}\n', "policy.yaml")
    for groups, many in (((), "no"), (("team-a", "team-b"), "2")):
        alice = ALICE.but(groups=(*ALICE.groups, *groups))
        decision = evaluate(policy, alice, EXEC, Context(NOW, "192.0.2.1", grants=(GRANT,)))
        said = f"the rule's as.user {{identity.groups:team-*}} is {many} names for alice"
        assert not decision.allowed and decision.reasons == (Reason(Ground.IMPERSONATION, "break-glass", said),)


def test_a_grant_that_is_still_to_come_is_an_edge() -> None:
    to_come = evolve(GRANT, begins=NOW + 60)
    assert asks(to_come).until == NOW + 60
    assert asks(to_come).reasons[0].text.startswith("it must be requested: ")
    assert asks(to_come, evolve(GRANT, id="G0", until=NOW - 1)).until == NOW + 60
    assert asks(evolve(to_come, revoked_by="bob")).until is None and asks(evolve(GRANT, until=NOW)).until is None


def test_the_longest_of_several_counts() -> None:
    assert asks(evolve(GRANT, id="G0", until=NOW + 60), GRANT).until == NOW + 7200


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        (evolve(GRANT, revoked_by="bob"), "grant G1 was revoked by bob; it must be requested"),
        (evolve(GRANT, until=NOW), "grant G1 has ended; it must be requested"),
    ],
)
def test_what_it_ended_says_what_became_of_the_grant(gone: Grant, words: str) -> None:
    cause = denied(asks(gone), "ID", None)
    assert cause.ending is Ending.GRANT
    assert f'rule "break-glass" no longer allows it: {words}' in cause.text


def test_of_several_grants_that_are_over_the_last_one_given_is_named() -> None:
    revoked = evolve(GRANT, id="G0", begins=NOW - 60, revoked_by="bob")
    ended = evolve(GRANT, begins=NOW - 30, until=NOW)
    assert "grant G1 has ended" in asks(revoked, ended).reasons[0].text


def test_of_several_offers_the_one_is_named_whose_grant_is_over() -> None:
    """They want to know what became of it, though another rule stands before."""
    other = POLICY.source.partition("rules:\n")[2].replace("break-glass", "before")
    both = load_policy(f"rules:\n{other}{POLICY.source.partition('rules:')[2]}", "policy.yaml")

    def named(*grants: Grant) -> str:
        return evaluate(both, ALICE, EXEC, Context(NOW, "192.0.2.1", grants=grants)).reasons[0].rule

    assert (named(), named(evolve(GRANT, until=NOW)), named(evolve(GRANT, until=NOW, rule="another"))) == (
        "before",
        "break-glass",
        "before",
    )


def test_whoever_became_another_by_as_leaves_their_grants_behind() -> None:
    assert not asks(GRANT, who=ALICE.but(user="dave")).allowed


@pytest.mark.parametrize(
    ("written", "mistake"),
    [
        ("{approvers: {}, duration: 2h}", "names nobody"),
        ("{approvers: {groups: [sre]}}", '"duration" is missing'),
        ("{approvers: {groups: [sre]}, duration: 31d}", "is out of range"),
        ("{approvers: {groups: [sre]}, duration: 0s}", "is out of range"),
        ("{approvers: {groups: [sre]}, duration: 2h, approvals: 0}", "0 is out of range"),
        ("{approvers: {groups: [sre]}, duration: 2h, approvals: 11}", "11 is out of range"),
        ("{approvers: {groups: [sre]}, duration: 2h, reason: never}", '"never" is not known'),
    ],
)
def test_a_wrong_offer_is_refused_with_its_line(written: str, mistake: str) -> None:
    text = f'rules:\n  - {{name: r, who: {{users: [a]}}, clusters: {{names: ["*"]}}, allow: [{{actions: [exec]}}], request: {written}}}\n'
    with pytest.raises(InvalidFileError) as caught:
        load_policy(text, "p.yaml")
    assert mistake in str(caught.value) and str(caught.value).startswith("p.yaml:2:")


@pytest.mark.parametrize("written", ["duration: 30d, approvals: 10", "duration: 1ms, approvals: 1"])
def test_what_is_just_in_range_is_an_offer(written: str) -> None:
    text = POLICY.source.replace("duration: 2h, approvals: 2", written)
    assert load_policy(text, "p.yaml").rules[0].request is not None


@pytest.mark.parametrize(
    ("approvers", "who"),
    [
        ("{groups: [leads]}", ["bob", "carol"]),
        ("{users: [bob, dave]}", ["bob", "dave"]),
        ("{users: [bob, dave], groups: [leads]}", ["bob"]),
        ('{users: ["*", "!bob"], groups: ["*", "!interns"]}', ["carol"]),
    ],
)
def test_approvers_are_those_for_whom_all_keys_hold(approvers: str, who: list[str]) -> None:
    offer = load_policy(POLICY.source.replace("{groups: [leads]}", approvers), "p.yaml").rules[0].request
    people = (Identity("bob", ("leads",)), Identity("carol", ("leads", "sre")), Identity("dave", ("interns", "sre")))
    assert offer is not None and [each.user for each in people if offer.approvers.include(each)] == who


def test_a_deny_offers_nothing() -> None:
    text = (
        'rules:\n  - {name: r, who: {users: [a]}, clusters: {names: ["*"]}, deny: [{actions: [exec]}], '
        "request: {approvers: {groups: [sre]}, duration: 2h}}\n"
    )
    with pytest.raises(InvalidFileError, match="request: does not go with deny"):
        load_policy(text, "p.yaml")
