"""The connections to all clusters, and how requests find them. A cluster whose access did not change keeps its connections over a reload."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kgate.exchange.gate import Route, Routes
from kgate.kube.kubeconfig import ClusterAccess
from kgate.net.cluster import ClusterUpstream
from kgate.net.credentials import credential_of
from kgate.net.turn import Turn
from kgate.settings.shapes import Settings


class Upstreams:
    """See the module. ``current`` are by name; ``now`` is monotonic, ``wall`` Unix seconds."""

    def __init__(
        self, reactor: Any, turn: Turn, now: Callable[[], float], wall: Callable[[], float], connect_seconds: Callable[[], float]
    ) -> None:
        self._reactor, self._turn, self._now, self._wall, self._connect_seconds = reactor, turn, now, wall, connect_seconds
        self.current: dict[str, ClusterUpstream] = {}

    def exchange(self, settings: Settings, access: Mapping[str, ClusterAccess]) -> Routes:
        """These clusters from now on; connections to those that are gone end."""
        names: dict[bytes, Route] = {}
        hosts: dict[bytes, Route] = {}
        former, self.current = self.current, {}
        for name, cluster in settings.clusters.items():
            known = former.get(name)
            upstream = known if known is not None and known.access == access[name] else self._make(access[name])
            self.current[name] = upstream
            route = Route(cluster.as_policy_sees_it(name), upstream)
            names[name.encode()] = route
            hosts.update({host.lower().encode(): route for host in cluster.hosts})
        for gone, old in former.items():
            if self.current.get(gone) is not old:
                old.close()
        return Routes(names, hosts)

    def _make(self, access: ClusterAccess) -> ClusterUpstream:
        credential = credential_of(self._reactor, self._now, self._wall, access)
        return ClusterUpstream(self._reactor, self._turn, self._now, access, credential, self._connect_seconds)

    def look(self) -> None:
        """Called every few seconds: notice connections whose peer vanished, and clusters that cannot be reached."""
        for upstream in self.current.values():
            upstream.tick()
            upstream.probe()

    def connections(self) -> int:
        """How many there are."""
        return sum(len(upstream.pool.legs) for upstream in self.current.values())

    def problems(self) -> dict[str, str]:
        """For /readyz."""
        return {f"cluster {name}": each.health.text for name, each in self.current.items() if each.health.reachable is False}
