"""The proxies, each started by a function that takes the ground and gives a server.

All serve the same paths: ``/clusters/h2/…`` goes to the upstream by HTTP/2, ``/clusters/h1/…`` by HTTP/1.1, ``/clusters/streams-h2/…`` and
``/clusters/streams-h1/…`` to the one that streams. Each runs one thread on the proxy core, verifies the upstream's certificate and keeps its
connections, and is otherwise configured as its manual says for a reverse proxy.
"""

from __future__ import annotations

from collections.abc import Callable

from bench.ground import Ground
from bench.peers.envoy import envoy, envoy_authorizing
from bench.peers.haproxy import haproxy
from bench.peers.kgate import kgate, kgate_best_effort
from bench.peers.nginx import nginx
from bench.process import Server

PEERS: dict[str, Callable[[Ground], Server | None]] = {
    "kgate": kgate,
    "kgate best_effort": kgate_best_effort,
    "envoy": envoy,
    "envoy+authz": envoy_authorizing,
    "nginx": nginx,
    "haproxy": haproxy,
}
"""By name; None from one that this machine does not have."""
