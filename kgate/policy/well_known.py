"""What Kubernetes itself has: which of its resources are outside namespaces, and which group each of them is in."""

from __future__ import annotations

from typing import Final

from kgate.model import Action

_OUTSIDE_NAMESPACES = {
    "": "nodes persistentvolumes namespaces componentstatuses users groups",
    "authentication.k8s.io": "uids userextras tokenreviews selfsubjectreviews",
    "authorization.k8s.io": "subjectaccessreviews selfsubjectaccessreviews selfsubjectrulesreviews",
    "rbac.authorization.k8s.io": "clusterroles clusterrolebindings",
    "storage.k8s.io": "storageclasses volumeattachments csidrivers csinodes volumeattributesclasses",
    "apiextensions.k8s.io": "customresourcedefinitions",
    "apiregistration.k8s.io": "apiservices",
    "admissionregistration.k8s.io": "mutatingwebhookconfigurations validatingwebhookconfigurations validatingadmissionpolicies "
    "validatingadmissionpolicybindings mutatingadmissionpolicies mutatingadmissionpolicybindings",
    "scheduling.k8s.io": "priorityclasses",
    "node.k8s.io": "runtimeclasses",
    "networking.k8s.io": "ingressclasses ipaddresses servicecidrs",
    "flowcontrol.apiserver.k8s.io": "flowschemas prioritylevelconfigurations",
    "certificates.k8s.io": "certificatesigningrequests clustertrustbundles",
    "resource.k8s.io": "deviceclasses resourceslices devicetaintrules",
    "internal.apiserver.k8s.io": "storageversions",
    "storagemigration.k8s.io": "storageversionmigrations",
    "metrics.k8s.io": "nodes",
}
CLUSTER_SCOPED: Final = frozenset((group, resource) for group, resources in _OUTSIDE_NAMESPACES.items() for resource in resources.split())
"""Kubernetes' own resources outside namespaces: listing them spans no namespace, so a deny on a namespace does not concern it."""

SPANNING_VERBS: Final = frozenset({"list", "watch", "deletecollection", "lock"})


def spans_namespaces(action: Action) -> bool:
    """Whether a request is for a kind of thing in every namespace at once: all of them, or whatever has one name (``metadata.name`` in its selector)."""
    if action.namespace or action.verb not in SPANNING_VERBS:
        return False
    return (action.api_group, action.resource) not in CLUSTER_SCOPED


_IN_NAMESPACES = {
    "apps": "deployments statefulsets daemonsets replicasets controllerrevisions",
    "batch": "jobs cronjobs",
    "networking.k8s.io": "ingresses networkpolicies",
    "rbac.authorization.k8s.io": "roles rolebindings",
    "autoscaling": "horizontalpodautoscalers",
    "policy": "poddisruptionbudgets",
    "discovery.k8s.io": "endpointslices",
    "coordination.k8s.io": "leases",
}
HOME = {
    resource: group
    for table in (_OUTSIDE_NAMESPACES, _IN_NAMESPACES)
    for group, resources in table.items()
    for resource in resources.split()
    if group and resource != "nodes"
}
"""Well-known resources that the core group does not have: ``deployments`` without its group would match nothing, silently."""
