"""The connections to all clusters, and how requests find them. A cluster whose access did not change keeps its connections over a reload."""

from __future__ import annotations

from collections.abc import Mapping

from kgate.exchange.routes import Route, Routes
from kgate.kube.cluster_access import ClusterAccess
from kgate.net.cluster import ClusterUpstream
from kgate.net.credentials import credential_of
from kgate.service.part import Part, Shared


class Upstreams(Part):
    """See the module."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._current: dict[str, ClusterUpstream] = {}
        self._former: set[ClusterUpstream] = set()
        """Those that something still goes on over."""
        self.routing = Routes({}, {})
        """How requests find them."""

    def current(self) -> Mapping[str, ClusterUpstream]:
        """Each cluster's connections, by its name."""
        return self._current

    def reloaded(self) -> None:
        """Other clusters; connections to those that are gone end."""
        configuration = self._shared.configuration()
        access = configuration.access
        names: dict[bytes, Route] = {}
        hosts: dict[bytes, Route] = {}
        former, self._current = self._current, {}
        for name, cluster in configuration.settings.clusters.items():
            known = former.get(name)
            upstream = known if known is not None and known.access == access[name] else self._make(access[name])
            self._current[name] = upstream
            route = Route(cluster.as_policy_sees_it(name), upstream)
            names[name.encode()] = route
            hosts.update({host.lower().encode(): route for host in cluster.hosts})
        for gone, old in former.items():
            if self._current.get(gone) is not old:
                old.close()
                self._former.add(old)
        self.routing = Routes(names, hosts)

    def _make(self, access: ClusterAccess) -> ClusterUpstream:
        shared = self._shared
        credential = credential_of(shared.reactor, shared.disk, shared.now, shared.wall, access)
        return ClusterUpstream(shared.reactor, shared.turn, shared.now, access, credential, self._connect_seconds)

    def _connect_seconds(self) -> float:
        return self._shared.configuration().settings.deadlines.connect

    def look(self) -> None:
        """Notice connections whose peer vanished, and clusters that cannot be reached."""
        for upstream in self._current.values():
            upstream.tick()
            upstream.probe()
        for former in list(self._former):
            former.tick()
            if former.over:
                self._former.discard(former)

    def connections(self) -> int:
        """How many there are."""
        return sum(len(upstream.pool.legs) for upstream in (*self._current.values(), *self._former))

    @property
    def unreachable(self) -> str:
        """Why no request can go anywhere; empty where there is a cluster that one can go to, or none was asked for."""
        out = self._current and all(each.health.reachable is False for each in self._current.values())
        return "none of them can be reached" if out else ""

    def problems(self) -> Mapping[str, str]:
        """Clusters that cannot be reached."""
        return {f"cluster {name}": each.health.text for name, each in self._current.items() if each.health.reachable is False}
