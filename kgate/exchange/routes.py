"""Which cluster a request is for: by the path ``/clusters/NAME/…`` or by the host that it names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kgate.exchange.upstream import Upstream
from kgate.model import Cluster

PREFIX: Final = b"/clusters/"
_NAME: Final = len(PREFIX)


class Route:
    """A cluster as requests find it."""

    def __init__(self, cluster: Cluster, upstream: Upstream) -> None:
        self.cluster: Final = cluster
        self.upstream: Final = upstream


class Routes:
    """``names`` serve ``/clusters/NAME/…``; ``hosts`` map a Host without its port, lower-case."""

    def __init__(self, names: Mapping[bytes, Route], hosts: Mapping[bytes, Route]) -> None:
        self.names: Final = dict(names)
        self.hosts: Final = dict(hosts)

    def is_cluster_host(self, authority: bytes) -> bool:
        """Whether everything at this host is a cluster's."""
        return bool(self.hosts) and _host(authority) in self.hosts

    def cluster(self, name: str) -> Cluster | None:
        """The cluster of that name, None where there is none now."""
        route = self.names.get(name.encode())
        return route.cluster if route is not None else None

    def find(self, authority: bytes, target: bytes) -> tuple[Route, bytes] | None:
        """The cluster that a request is for, and the target below it."""
        if self.hosts:
            route = self.hosts.get(_host(authority))
            if route is not None:
                return route, target
        if not target.startswith(PREFIX):
            return None
        end = target.find(b"/", _NAME)
        route = self.names.get(target[_NAME:end]) if end >= 0 else None  # no name has a question mark: the query cannot begin in it
        if route is not None:
            return route, target[end:]
        end = _name_end(target)
        route = self.names.get(target[_NAME:end])
        return None if route is None else (route, target[end:] if target[end : end + 1] == b"/" else b"/" + target[end:])


def _host(authority: bytes) -> bytes:
    """The host of ``host[:port]``, lower-case."""
    if authority[:1] == b"[":
        return authority.partition(b"]")[0].lower() + b"]"
    return authority.partition(b":")[0].lower()


def _name_end(target: bytes) -> int:
    """Where the cluster's name ends: at the next slash, or at the query."""
    slash, query = target.find(b"/", _NAME), target.find(b"?", _NAME)
    if slash < 0 or 0 <= query < slash:
        return query if query >= 0 else len(target)
    return slash
