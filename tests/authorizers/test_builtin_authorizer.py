"""The policy in force is replaced whole."""

from __future__ import annotations

from kgate.authorizers.builtin import PolicyAuthorizer
from kgate.authorizers.interface import Authorizer
from kgate.model import Action, Cluster, Context, Identity
from kgate.policy.load import load_policy

GET = Action(Cluster("c"), "GET", "get", "/x", "/x", "", "v1", "pods", "", "ns", "p")
OPEN = load_policy('rules: [{name: r, who: {users: ["*"]}, clusters: {names: ["*"]}, allow: [{verbs: [get], resources: [pods]}]}]', "open")
SHUT = load_policy("rules: []", "shut")


def test_a_replaced_policy_decides_from_the_next_question_on() -> None:
    policy = PolicyAuthorizer(OPEN)
    authorizer: Authorizer = policy
    before = authorizer.authorize(Identity("alice"), GET, Context(0.0, ""))
    policy.replace(SHUT)
    after = authorizer.authorize(Identity("alice"), GET, Context(0.0, ""))
    assert (before.allowed, before.revision) == (True, OPEN.revision)
    assert (after.allowed, after.revision) == (False, SHUT.revision)
