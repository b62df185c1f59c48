"""What a credential is good for at all, whatever the policy says: a robot's token names the networks and clusters it may be used on."""

from __future__ import annotations

from functools import lru_cache

from kgate.documents.globs import words
from kgate.model import Action, Context, Ground, Identity, Reason
from kgate.policy.conditions.network import networks
from kgate.policy.details import listed, shown


def beyond_scope(identity: Identity, action: Action, context: Context) -> Reason | None:
    """Why the credential is not good for this request, or None."""
    if identity.networks and _networks(identity.networks).contains(context.address) is not True:
        return Reason(Ground.NETWORK, text=f"the credential may not be used from {context.address or 'an unknown address'}")
    if identity.clusters and not _words(identity.clusters).matches(action.cluster.name):
        return Reason(Ground.CLUSTER, text=f"the credential is for {listed(identity.clusters)}, not for {shown(action.cluster.name)}")
    return None


_networks = lru_cache(maxsize=4096)(networks)
_words = lru_cache(maxsize=4096)(words)
