"""What the cluster serves: ``/api``, ``/apis`` and below, in the aggregated form that kubectl prefers and in the older one."""

from __future__ import annotations

from kgate.demo.kinds import GROUP_VERSIONS, KINDS, Kind, Subresource
from kgate.demo.schema import Object

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def wants_aggregated(accept: str) -> bool:
    """Whether the client takes apidiscovery.k8s.io/v2."""
    return any("as=APIGroupDiscoveryList" in part and "v=v2;" in part + ";" for part in accept.replace(" ", "").split(","))


def version(cluster: str) -> Object:
    """``/version``."""
    return {
        "major": "1",
        "minor": "33",
        "gitVersion": "v1.33.0-kgate.demo",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "none",
        "platform": f"demo/{cluster}",
    }


def legacy_root(server: str) -> Object:
    """``/api`` for clients that do not take the aggregated form."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server}]}


def group(name: str) -> Object:
    """One API group of ``/apis``."""
    versions = [{"groupVersion": f"{name}/{version}", "version": version} for owner, version in GROUP_VERSIONS if owner == name]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def groups() -> Object:
    """``/apis`` for clients that do not take the aggregated form."""
    named = [group(name) for name, _ in GROUP_VERSIONS if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": named}


def resources(owner: str, api_version: str) -> Object:
    """``/api/v1`` and ``/apis/GROUP/VERSION``."""
    served = [kind for kind in KINDS if (kind.group, kind.version) == (owner, api_version)]
    listed = [entry for kind in served for entry in (_resource(kind), *(_part(kind, part) for part in kind.subresources))]
    name = f"{owner}/{api_version}" if owner else api_version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": listed}


def _resource(kind: Kind) -> Object:
    entry: Object = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
    }
    if kind.short:
        entry["shortNames"] = list(kind.short)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    return entry


def _part(kind: Kind, part: Subresource) -> Object:
    entry = {
        "name": f"{kind.plural}/{part.name}",
        "singularName": "",
        "namespaced": kind.namespaced,
        "kind": part.kind,
        "verbs": list(part.verbs),
    }
    if part.group:
        entry |= {"group": part.group, "version": part.version}
    return entry


def aggregated(*, core: bool) -> Object:
    """``/api`` (``core``) or ``/apis`` as an APIGroupDiscoveryList."""
    owners = [name for name in dict.fromkeys(owner for owner, _ in GROUP_VERSIONS) if (not name) == core]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": [_group_discovery(name) for name in owners],
    }


def _group_discovery(name: str) -> Object:
    versions = [
        {
            "version": version,
            "freshness": "Current",
            "resources": [_discovered(kind) for kind in KINDS if (kind.group, kind.version) == (name, version)],
        }
        for owner, version in GROUP_VERSIONS
        if owner == name
    ]
    return {"metadata": {"name": name} if name else {}, "versions": versions}


def _discovered(kind: Kind) -> Object:
    entry: Object = {
        "resource": kind.plural,
        "responseKind": {"group": "", "version": "", "kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(kind.verbs),
    }
    if kind.short:
        entry["shortNames"] = list(kind.short)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    if kind.subresources:
        entry["subresources"] = [_discovered_part(part) for part in kind.subresources]
    return entry


def _discovered_part(part: Subresource) -> Object:
    response = {"group": part.group, "version": part.version, "kind": part.kind}
    return {"subresource": part.name, "responseKind": response, "verbs": list(part.verbs)}
