"""Memory of what does nothing: 1,000 connections that asked once, 100 that listed 5 MB once as controllers do, and 1,000 watches without events.

Each figure of kgate is that of a gate just started: one that has served a while reuses what connections before left it, and does not grow at all.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench.client import Http2Client
from bench.ground import Ground, object_path
from bench.peers.kgate import start
from bench.process import Server
from bench.rounds import Goal, Measures, Pace, Scenario, Subject
from bench.scenarios import subjects as of

COUNT = 1_000
LISTED = 100
PER_CONNECTION = 20
"""Watches of each connection."""
KGATE_WATCH = Subject("kgate", "h2", "streams-h2")
ENVOY_WATCH = Subject("envoy", "h2", "streams-h2")


def _connections(ground: Ground, server: Server, subject: Subject, pace: Pace) -> Measures:
    paths = [object_path(subject.cluster, "pods", number) for number in range(COUNT)]
    with _fresh(ground, server, subject) as started:
        return _grown(ground, started, paths)


def _controllers(ground: Ground, server: Server, subject: Subject, pace: Pace) -> Measures:
    with _fresh(ground, server, subject) as started:
        return _grown(ground, started, [f"/clusters/{subject.cluster}/api/v1/namespaces/team-1/pods"] * LISTED)


@contextmanager
def _fresh(ground: Ground, server: Server, subject: Subject) -> Iterator[Server]:
    if subject.peer != "kgate":
        yield server
        return
    gate = start(ground, "kgate-idle")
    try:
        gate.ready()
        yield gate
    finally:
        gate.stop()


def _grown(ground: Ground, server: Server, paths: Sequence[str]) -> Measures:
    """By what the server is larger with a connection for each of ``paths``, which was asked once."""
    context, clients = ground.context("h2"), []
    _opened(ground, server, paths)  # what is made once, and what is remembered of a path, whoever asks it
    before = server.resident()
    try:
        clients = [Http2Client(server.port, context, ground.people[number % len(ground.people)]) for number in range(len(paths))]
        for client, path in zip(clients, paths, strict=True):
            client.get(path)
        time.sleep(0.3)
        return {"KB/connection": (server.resident() - before) / len(paths) / 1024}
    finally:
        for client in clients:
            client.close()


def _watches(ground: Ground, server: Server, subject: Subject, pace: Pace) -> Measures:
    with _fresh(ground, server, subject) as started:
        return _watching(ground, started, subject)


def _watching(ground: Ground, server: Server, subject: Subject) -> Measures:
    context = ground.context("h2")
    clients = [Http2Client(server.port, context, ground.people[number % len(ground.people)]) for number in range(COUNT // PER_CONNECTION)]
    path = f"/clusters/{subject.cluster}/api/v1/namespaces/team-1/pods?watch=true"
    try:
        for client in clients:
            client.watch(path, 1)
        before = server.resident()
        for client in clients:
            client.watch(path, PER_CONNECTION - 1)
        time.sleep(0.3)
        return {"KB/watch": (server.resident() - before) / (COUNT - len(clients)) / 1024}
    finally:
        for client in clients:
            client.close()


def _opened(ground: Ground, server: Server, paths: Sequence[str]) -> None:
    for number, person in enumerate(ground.people):
        client = Http2Client(server.port, ground.context("h2"), person)
        for path in dict.fromkeys(paths[number :: len(ground.people)]):
            client.get(path)
        client.close()


CONNECTIONS = Scenario(
    "idle-connections",
    "1,000 TLS connections that asked once over HTTP/2, each with its person's token",
    (of.KGATE, of.ENVOY, of.NGINX, of.HAPROXY),
    _connections,
    (Goal("idle connection of kgate, KB", "KB/connection", of.KGATE, None, 24.0),),
    rounds=1,
)
CONTROLLERS = Scenario(
    "idle-controllers",
    "100 TLS connections that listed 5 MB once over HTTP/2 and are idle, as controllers mostly are",
    (of.KGATE, of.ENVOY, of.HAPROXY),
    _controllers,
    rounds=1,
)
WATCHES = Scenario(
    "idle-watches",
    "1,000 watches over 50 connections, HTTP/2 to the cluster",
    (KGATE_WATCH, ENVOY_WATCH),
    _watches,
    (Goal("idle watch of kgate beyond its connection, KB", "KB/watch", KGATE_WATCH, None, 8.0),),
    rounds=1,
)
