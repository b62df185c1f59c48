"""A decision on record, asked again: of the same policy it comes out the same, of another it shows what that one would have done.

Who wanted to be somebody else (``kubectl --as``) is decided in steps, as when the request was there; what is explained is the step that decided.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from attrs import evolve

from kgate.audit.read import Past
from kgate.authorizers.builtin import PolicyAuthorizer
from kgate.exchange.admission import decide
from kgate.kube.impersonation import ImpersonationRequest
from kgate.model import Action, Context, Decision, Identity, Impersonation, Pending
from kgate.policy.evaluate import Policy
from kgate.policy.explain import Explanation, explain
from kgate.policy.impersonation import impersonated, impersonation_actions


def decide_past(policy: Policy, past: Past) -> Decision:
    """The decision by ``policy``."""
    return decide_by(policy, past.identity, past.action, past.context, past.asked_as)


def decide_by(policy: Policy, identity: Identity, action: Action, context: Context, asked_as: Impersonation | None) -> Decision:
    """What ``policy`` alone says, by the gate's one decision; ``asked_as`` is ``kubectl --as``."""
    decision = decide(PolicyAuthorizer(policy), identity, action, context, _request(asked_as))
    if isinstance(decision, Pending):
        raise AssertionError("the policy never waits for anybody")
    return decision


def explain_past(policy: Policy, past: Past) -> tuple[Identity, Action, Explanation]:
    """The step that decides, and why it came out as it did."""
    decision = decide_past(policy, past)
    for identity, action in _steps(past):
        found = explain(policy, identity, action, past.context)
        if not found.decision.allowed:
            break
    return identity, action, evolve(found, decision=decision)


def _steps(past: Past) -> Iterator[tuple[Identity, Action]]:
    wanted = past.asked_as
    if wanted is None:
        yield past.identity, past.action
        return
    for action in impersonation_actions(past.action.cluster, wanted.user, wanted.groups, wanted.uid, wanted.extra):
        yield past.identity, action
    yield impersonated(past.identity, wanted.user, wanted.groups, wanted.uid, wanted.extra), past.action


@lru_cache(maxsize=1024)
def _request(wanted: Impersonation | None) -> ImpersonationRequest | None:
    return ImpersonationRequest(wanted.user, wanted.groups, wanted.uid, wanted.extra) if wanted is not None else None
