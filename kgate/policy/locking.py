"""Who may shut others out: an ordinary decision on the action ``lock``, in each cluster that the lock is about.

Only the policy is asked. Other authorizers know Kubernetes' requests, and a lock is none: it has to work while a cluster or a webhook does not.
"""

from __future__ import annotations

from collections.abc import Iterable

from kgate.model import Action, Cluster, Context, Decision, Identity, Operation
from kgate.policy.evaluate import Policy, evaluate


def lock_action(cluster: Cluster) -> Action:
    """Shutting people out of ``cluster``, as the policy is asked about it."""
    return Action(cluster, "", "lock", "", "", "kgate", "v1", "locks", operation=Operation.LOCK)


def refused_in(policy: Policy, identity: Identity, clusters: Iterable[Cluster], context: Context) -> tuple[Cluster, Decision] | None:
    """The first of ``clusters`` in which ``identity`` may not, and why; None where they may in all."""
    for cluster in clusters:
        decision = evaluate(policy, identity, lock_action(cluster), context)
        if not decision.allowed:
            return cluster, decision
    return None
