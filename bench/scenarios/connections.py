"""A new TLS connection for one request: what a script that calls kubectl in a loop costs."""

from __future__ import annotations

import time

from bench.client import get_anew
from bench.ground import Ground, object_path
from bench.process import Server
from bench.rounds import Measures, Pace, Scenario, Subject
from bench.scenarios import subjects as of


def _new(ground: Ground, server: Server, subject: Subject, pace: Pace) -> Measures:
    context, count = ground.context("h2"), 100 if pace.quick else 300
    used, began = server.cpu_seconds(), time.monotonic()
    for number in range(count):
        person = ground.people[number % len(ground.people)]
        get_anew(server.port, context, person, object_path(subject.cluster, "pods", number))
    return {"CPU µs": (server.cpu_seconds() - used) / count * 1e6, "ms": (time.monotonic() - began) / count * 1e3}


NEW = Scenario(
    "new-connection", "TLS 1.3 handshake, one GET over HTTP/2, close", (of.KGATE, of.ENVOY, of.NGINX, of.HAPROXY), _new, rounds=3
)
