"""A hundred watches with events, 2,000 a second together, each event on its own."""

from __future__ import annotations

from bench.client import Http2Client, count_events
from bench.ground import Ground
from bench.process import Server
from bench.rounds import Goal, Measures, Pace, Scenario, Subject

CONNECTIONS = 10
WATCHES = 10
"""Of each connection."""
RATE = 20
"""Events a second of each watch."""
KGATE = Subject("kgate", "h2", "streams-h2")
ENVOY_H2 = Subject("envoy", "h2", "streams-h2")
ENVOY_H1 = Subject("envoy", "h2", "streams-h1")


def _events(ground: Ground, server: Server, subject: Subject, pace: Pace) -> Measures:
    context = ground.context("h2")
    clients = [Http2Client(server.port, context, person) for person in ground.people[:CONNECTIONS]]
    try:
        for client in clients:
            client.watch(f"/clusters/{subject.cluster}/api/v1/namespaces/team-1/pods?watch=true&rate={RATE}", WATCHES)
        count_events(clients, 0.5)
        used, seconds = server.cpu_seconds(), pace.seconds(3.0)
        count = count_events(clients, seconds)
        used = server.cpu_seconds() - used
    finally:
        for client in clients:
            client.close()
    return {"µs/event": used / count * 1e6, "events/s": count / seconds}


EVENTS = Scenario(
    "watch",
    "100 watches over 10 connections, 20 events of 0.5 KB a second each",
    (KGATE, ENVOY_H1, ENVOY_H2),
    _events,
    (
        Goal("watch event: kgate h2>h2 / plain Envoy h2>h1, CPU an event", "µs/event", KGATE, ENVOY_H1, 1.1),
        Goal("watch event: kgate h2>h2 / plain Envoy h2>h2, CPU an event", "µs/event", KGATE, ENVOY_H2, 1.1),
    ),
    rounds=3,
)
