"""Resources as RBAC writes them, with the group after the name: ``pods``, ``pods/log``, ``deployments.apps``, ``*/scale``, ``*``.

Without a group the core group is meant (``*.*`` and ``pods.*`` are every group's). Without a subresource the object itself is meant, save that a bare
``*`` (or ``*.apps``) includes the plain subresources, as in RBAC. Subresources that open a channel or mint a credential are granted by
``actions`` only (``CHANNELS``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from attrs import frozen

from kgate.documents.globs import Glob, Selection, split_exclusions
from kgate.documents.values import Unacceptable
from kgate.model import Action, Operation


class ResourceKey(NamedTuple):
    """One kind of thing that a request can name."""

    group: str
    resource: str
    subresource: str

    def __str__(self) -> str:
        name = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{name}/{self.subresource}" if self.subresource else name


CHANNELS = {
    "exec": Operation.EXEC,
    "attach": Operation.ATTACH,
    "portforward": Operation.PORT_FORWARD,
    "proxy": Operation.PROXY,
    "token": Operation.TOKEN,
}
"""Subresource → the action under which it is granted."""

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
CLUSTER_SCOPED = frozenset((group, resource) for group, resources in _OUTSIDE_NAMESPACES.items() for resource in resources.split())
"""Kubernetes' own resources outside namespaces: listing them spans no namespace, so a deny on a namespace does not concern it."""

_SPANNING_VERBS = frozenset({"list", "watch", "deletecollection"})


def spans_namespaces(action: Action) -> bool:
    """Whether a request is for a kind of thing in every namespace at once."""
    if action.namespace or action.name or action.verb not in _SPANNING_VERBS:
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
_WRITTEN = re.compile(r"(?P<resource>[a-z0-9*-]+)(\.(?P<group>[a-z0-9*.-]+))?(/(?P<subresource>[a-z0-9*/-]+))?")


@frozen(cache_hash=True)
class ResourcePattern:
    """A pattern with a star. ``subresource`` None: the plain ones are included, none asked for."""

    group: Glob
    resource: Glob
    subresource: Glob | None
    prefix = ""

    def matches(self, value: ResourceKey) -> bool:
        """Whether ``value`` fits."""
        return (
            self.resource.matches(value.resource)
            and self.group.matches(value.group)
            and (self.subresource is None or self.subresource.matches(value.subresource))
        )


class Resources(Selection[ResourceKey]):
    """A list of resources."""

    @property
    def channels(self) -> tuple[str, ...]:
        """The words that name a channel's subresource."""
        return tuple(text for text in self.texts if text.partition("/")[2] in CHANNELS and text[0] != "!")


def resources(texts: Iterable[str]) -> Resources:
    """The list that ``texts`` write. Raises Unacceptable for the first word that is no resource."""
    texts = tuple(texts)
    included, excluded = split_exclusions(texts)
    return Resources(texts, *_by_kind(included), *_by_kind(excluded), "*" in included or not included)


def _by_kind(texts: list[str]) -> tuple[frozenset[ResourceKey], tuple[ResourcePattern, ...]]:
    parsed = [_parse(text) for text in texts]
    exact = frozenset(each for each in parsed if isinstance(each, ResourceKey))
    return exact, tuple(each for each in parsed if isinstance(each, ResourcePattern))


def _parse(text: str) -> ResourceKey | ResourcePattern:
    match = _WRITTEN.fullmatch(text)
    if match is None or "**" in text:
        raise Unacceptable(f'has "{text}", which is not a resource', "write it as pods, pods/log, deployments.apps or *")
    resource, group, subresource = match["resource"], match["group"] or "", match["subresource"]
    if not group and resource in HOME:
        meant = f"{resource}.{HOME[resource]}" + (f"/{subresource}" if subresource else "")
        raise Unacceptable(f'has "{text}", but the core group has no {resource}', f'did you mean "{meant}"?')
    if text == "*" or (resource == "*" and not group):
        group = "*"
    if "*" not in f"{resource}{group}{subresource}":
        return ResourceKey(group, resource, subresource or "")
    whole = resource == "*" and subresource is None
    return ResourcePattern(Glob(group), Glob(resource), None if whole else Glob(subresource or ""))
