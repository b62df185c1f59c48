"""Which cluster a request is for: by the path ``/clusters/NAME/…`` or by the host that it names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from kgate.exchange.gate import Upstream
from kgate.model import Cluster

PREFIX: Final = b"/clusters/"


@frozen
class Route:
    """A cluster as requests find it."""

    cluster: Cluster
    upstream: Upstream


@frozen
class Routes:
    """``names`` serve ``/clusters/NAME/…``; ``hosts`` map a Host without its port, lower-case."""

    names: Mapping[bytes, Route]
    hosts: Mapping[bytes, Route]

    def is_cluster_host(self, authority: bytes) -> bool:
        """Whether everything at this host is a cluster's."""
        return bool(self.hosts) and _host(authority) in self.hosts

    def find(self, authority: bytes, target: bytes) -> tuple[Route, bytes] | None:
        """The cluster that a request is for, and the target below it."""
        if self.hosts:
            route = self.hosts.get(_host(authority))
            if route is not None:
                return route, target
        if not target.startswith(PREFIX):
            return None
        end = _name_end(target)
        route = self.names.get(target[len(PREFIX) : end])
        return None if route is None else (route, target[end:] if target[end : end + 1] == b"/" else b"/" + target[end:])


def _host(authority: bytes) -> bytes:
    """The host of ``host[:port]``, lower-case."""
    if authority[:1] == b"[":
        return authority.partition(b"]")[0].lower() + b"]"
    return authority.partition(b":")[0].lower()


def _name_end(target: bytes) -> int:
    """Where the cluster's name ends: at the next slash, or at the query."""
    slash, query = target.find(b"/", len(PREFIX)), target.find(b"?", len(PREFIX))
    if slash < 0 or 0 <= query < slash:
        return query if query >= 0 else len(target)
    return slash
