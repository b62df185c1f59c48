"""The gate's own policy as an authorizer.

There is no memo of whole decisions here, on purpose. A key would need the identity, the action, the address and the revision, and looking it up
costs as much as asking: ``evaluate`` takes 2–3 µs from 50 rules to 10,000 (bench/micro_policy.py), because the policy keeps what is exact to keep
(the entries that a person, a cluster, a verb or a name satisfies, and the decision that a rule gives a person) under small keys that repeat.
"""

from __future__ import annotations

from attrs import frozen

from kgate.model import Action, Cluster, Context, Decision, Identity, Impersonation
from kgate.policy.evaluate import Policy, evaluate
from kgate.policy.visible import Face, faces


class PolicyAuthorizer:
    """Decides by the policy in force, which ``replace`` exchanges whole."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    def replace(self, policy: Policy) -> None:
        """Every decision from now on is by ``policy``. Whatever lives is to be decided again by the caller."""
        self.policy = policy

    def authorize(self, identity: Identity, action: Action, context: Context) -> Decision:
        """The decision of the policy in force."""
        return evaluate(self.policy, identity, action, context)

    def overview(self, identity: Identity, cluster: Cluster, context: Context) -> PolicyOverview:
        """See ``Authorizer``."""
        return PolicyOverview(self.policy, identity, faces(self.policy, identity, cluster), context)


@frozen
class PolicyOverview:
    """See ``Overview``."""

    policy: Policy
    identity: Identity
    faces: tuple[Face, ...]
    context: Context

    def seen_as(self, action: Action) -> Impersonation | None:
        """By the decision itself."""
        decision = evaluate(self.policy, self.identity, action, self.context)
        return decision.impersonate if decision.allowed else None
