"""exec over WebSocket: bulk each way while kgate follows every frame, and a 64-byte ping."""

from __future__ import annotations

import ssl
import time
from statistics import median

from bench.client import open_exec, stdin_message
from bench.ground import Ground
from bench.process import Server
from bench.rounds import Goal, Measures, Pace, Scenario, Subject

KGATE = Subject("kgate", "h1", "streams-h1")
ENVOY = Subject("envoy", "h1", "streams-h1")
PINGS = 4000
"""Half a second, quick or not: fewer are over before the tunnel that ended last is quite forgotten."""


def _stream(ground: Ground, server: Server, subject: Subject, pace: Pace) -> Measures:
    seconds, context, person = pace.seconds(2.0), ground.context("http/1.1"), ground.people[0]

    def opened(command: str) -> ssl.SSLSocket:
        return open_exec(server.port, context, person, subject.cluster, command)

    with opened("source") as down:
        used = server.cpu_seconds()
        to_client = _receive(down, seconds)
        down_cost = (server.cpu_seconds() - used) / (to_client * seconds)
    with opened("sink") as up:
        used = server.cpu_seconds()
        to_cluster = _send(up, seconds)
        up_cost = (server.cpu_seconds() - used) / (to_cluster * seconds)
    with opened("echo") as echo:
        ping = _ping(echo, PINGS)
    return {
        "MB/s to client": to_client,
        "MB/s to cluster": to_cluster,
        "MB/CPU s to client": 1 / down_cost,
        "MB/CPU s to cluster": 1 / up_cost,
        "ping p50 µs": ping,
    }


def _receive(tls: ssl.SSLSocket, seconds: float) -> float:
    buffer, size, end = bytearray(1 << 18), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        size += tls.recv_into(buffer)
    return size / seconds / 1e6


def _send(tls: ssl.SSLSocket, seconds: float) -> float:
    message, size, end = stdin_message(b"z" * 32768) * 4, 0, time.monotonic() + seconds
    while time.monotonic() < end:
        tls.sendall(message)
        size += len(message)
    return size / seconds / 1e6


def _ping(tls: ssl.SSLSocket, count: int) -> float:
    message, times = stdin_message(b"p" * 64), []
    for _ in range(count):
        began = time.perf_counter()
        tls.sendall(message)
        got = 0
        while got < 67:
            got += len(tls.recv(100))
        times.append(time.perf_counter() - began)
    return median(times) * 1e6


STREAM = Scenario(
    "tunnel",
    "exec over WebSocket, h1>h1: messages of 32 KB each way, 64-byte ping",
    (KGATE, ENVOY),
    _stream,
    (
        Goal("tunnel to the client: kgate / Envoy, MB/s", "MB/s to client", KGATE, ENVOY, 0.8, at_least=True),
        Goal("tunnel to the cluster: kgate / Envoy, MB/s", "MB/s to cluster", KGATE, ENVOY, 0.8, at_least=True),
        Goal("tunnel to the client: kgate / Envoy, MB per CPU second", "MB/CPU s to client", KGATE, ENVOY, 0.8, at_least=True),
        Goal("tunnel to the cluster: kgate / Envoy, MB per CPU second", "MB/CPU s to cluster", KGATE, ENVOY, 0.8, at_least=True),
        Goal("tunnel, 64-byte ping p50: kgate / Envoy", "ping p50 µs", KGATE, ENVOY, 1.1),
    ),
)
