"""One file for each thing that is measured; ``SCENARIOS`` is their order."""

from __future__ import annotations

from bench.rounds import Scenario
from bench.scenarios import bodies, connections, idle, latency, policy, small, starting, tunnel, watch, workers

SCENARIOS: tuple[Scenario, ...] = (
    small.H2,
    small.FRESH,
    small.H1,
    bodies.TEN_KILOBYTES,
    bodies.LIST,
    watch.EVENTS,
    tunnel.STREAM,
    connections.NEW,
    latency.AT_200,
    latency.AT_500,
    idle.CONNECTIONS,
    idle.CONTROLLERS,
    idle.WATCHES,
    policy.DECISIONS,
    starting.START,
    workers.WORKERS,
)
