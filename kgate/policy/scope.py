"""What a credential is good for at all, whatever the policy says: a robot's token names the networks and clusters it may be used on."""

from __future__ import annotations

from functools import lru_cache

from kgate.documents.globs import words
from kgate.model import Action, Cluster, Context, Ground, Identity, Reason
from kgate.policy.conditions.network import networks
from kgate.policy.details import listed, shown


def beyond_scope(identity: Identity, action: Action, context: Context) -> Reason | None:
    """Why the credential is not good for this request, or None."""
    if not is_from(identity, context.address):
        return Reason(Ground.NETWORK, text=f"the credential may not be used from {context.address or 'an unknown address'}")
    if not is_for(identity, action.cluster):
        return Reason(Ground.CLUSTER, text=f"the credential is for {listed(identity.clusters)}, not for {shown(action.cluster.name)}")
    return None


def is_from(identity: Identity, address: str) -> bool:
    """Whether the credential may be used from ``address``."""
    return not identity.networks or _networks(identity.networks).contains(address) is True


def is_for(identity: Identity, cluster: Cluster) -> bool:
    """Whether the credential may be used on ``cluster``."""
    return not identity.clusters or _words(identity.clusters).matches(cluster.name)


_networks = lru_cache(maxsize=4096)(networks)
_words = lru_cache(maxsize=4096)(words)
