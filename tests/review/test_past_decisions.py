"""A decision on record comes out the same when it is asked again, and explain says why it did."""

from __future__ import annotations

import json
from typing import Any

import orjson
from generated_cases import cases
from hypothesis import given, settings
from hypothesis import strategies as st

from kgate.audit.chain import Chain
from kgate.audit.read import Past, Rebuilding
from kgate.audit.record import decision_record, facts_record
from kgate.authorizers.builtin import PolicyAuthorizer
from kgate.exchange.admission import decide
from kgate.kube.impersonation import ImpersonationRequest
from kgate.model import Action, Cluster, Context, Decision, Ground, Identity, Impersonation
from kgate.policy.evaluate import Policy
from kgate.policy.load import load_policy
from kgate.review.past import decide_past, explain_past

WANTED = st.sampled_from(
    [
        None,
        None,
        Impersonation("b1", ("b2",)),
        Impersonation("system:admin"),
        Impersonation("a", ("system:masters",), "7", (("k", ("v",)),)),
    ]
)


def through_the_file(
    policy: Policy, identity: Identity, action: Action, context: Context, wanted: Impersonation | None
) -> tuple[Decision, Past]:
    """Decided as the gate does it, recorded, and read back."""
    request = ImpersonationRequest(wanted.user, wanted.groups, wanted.uid, wanted.extra) if wanted else None
    decision = decide(PolicyAuthorizer(policy), identity, action, context, request)
    assert isinstance(decision, Decision)
    chain, rebuilding = Chain(), Rebuilding()
    rebuilding.read(orjson.loads(chain.seal(facts_record("0", "gate", context.now, context.facts))))
    line = chain.seal(decision_record("request", "1", "gate", identity, action, context, decision, None, wanted))
    past = rebuilding.read(orjson.loads(line))
    assert isinstance(past, Past)
    return decision, past


@settings(max_examples=60)
@given(cases(), WANTED)
def test_replay_and_explain_agree_with_what_the_gate_did(case: Any, wanted: Impersonation | None) -> None:
    made, questions = case
    policy = load_policy(json.dumps(made), "p.yaml")
    for identity, action, context in questions:
        decision, past = through_the_file(policy, identity, action, context, wanted)
        assert (past.allowed, past.rule, past.ground) == (decision.allowed, decision.rule, decision.reasons[0].ground)
        assert decide_past(policy, past) == decision
        assert explain_past(policy, past)[2].decision == decision


def test_who_wants_to_be_somebody_else_is_explained_by_the_step_that_decided() -> None:
    policy = load_policy(
        """
        rules:
          - {name: all, who: {users: [alice]}, clusters: {names: ["*"]}, allow: [{verbs: [get], resources: [pods]}]}
        """,
        "p.yaml",
    )
    pods = Action(Cluster("dev"), "", "get", "", "/api/v1/pods", resource="pods")
    _, past = through_the_file(policy, Identity("alice"), pods, Context(1.8e9, ""), Impersonation("bob"))
    identity, action, found = explain_past(policy, past)
    assert (identity.user, action.verb, action.name) == ("alice", "impersonate", "bob")
    assert not found.decision.allowed and found.decision.reasons[0].ground is Ground.NO_RULE
