"""Which clusters somebody may see: those for which some rule could ever allow them something.

It decides nothing (a request is decided when it comes, with its context); it answers "which clusters are there for me?" in kubeconfigs and listings.
"""

from __future__ import annotations

from kgate.model import Cluster, Identity
from kgate.policy.evaluate import Policy
from kgate.policy.rules import Rule
from kgate.policy.scope import is_for


def may_see(policy: Policy, identity: Identity, cluster: Cluster) -> bool:
    """Whether some rule allows ``identity`` anything in ``cluster``, whatever its conditions."""
    index = policy.index
    return is_for(identity, cluster) and bool(index.person(identity).standing & index.of_cluster(cluster) & ~index.denying)


def offers(policy: Policy, identity: Identity, cluster: Cluster) -> tuple[Rule, ...]:
    """The rules of which ``identity`` could have a grant in ``cluster``, in the policy's order."""
    index = policy.index
    concerned = index.person(identity).standing & index.of_cluster(cluster) & ~index.denying if is_for(identity, cluster) else 0
    rules = {
        clause.number: clause.rule
        for number, clause in enumerate(index.clauses)
        if clause.rule.request is not None and concerned >> number & 1
    }
    return tuple(rules.values())
