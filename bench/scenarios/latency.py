"""How long a small GET takes at a steady rate, what waiting for the disk adds, and what it would add at the very least."""

from __future__ import annotations

from itertools import cycle
from statistics import median, quantiles

from bench.crowd import Crowd
from bench.disk import durable_writes_ms
from bench.ground import Ground, object_paths
from bench.process import Server
from bench.rounds import Goal, Measures, Pace, Scenario, Subject
from bench.scenarios import subjects as of

BEST_EFFORT = Subject("kgate best_effort")
WRITES = 500
"""By which the disk is measured."""


def _at_200(ground: Ground, server: Server, subject: Subject, pace: Pace) -> Measures:
    return _hundredths(_latencies(200, ground, server, subject, pace))


def _at_500(ground: Ground, server: Server, subject: Subject, pace: Pace) -> Measures:
    """With Envoy in the same round: how late its answers were, had each waited for one durable write of this disk, and for nothing else."""
    latencies = _latencies(500, ground, server, subject, pace)
    found = _hundredths(latencies)
    if subject == of.ENVOY:
        writes = durable_writes_ms(ground, WRITES)
        waited = _hundredths([latency + write for latency, write in zip(latencies, cycle(writes), strict=False)])
        found["durable write ms"] = median(writes)
        found["at best, p50"], found["at best, p99"] = (waited[name] / found[name] for name in ("p50 ms", "p99 ms"))
    return found


def _latencies(rate: int, ground: Ground, server: Server, subject: Subject, pace: Pace) -> list[float]:
    paths, people = object_paths(subject.cluster, "pods"), len(ground.people)
    crowd = Crowd(ground, server.port, paths, pace.seconds(5.0) + 1, people=people, at_once=1, per_second=rate / people)
    crowd.wait()
    return crowd.latencies()


def _hundredths(latencies: list[float]) -> Measures:
    found = quantiles(latencies, n=100)
    return {"p50 ms": found[49], "p90 ms": found[89], "p99 ms": found[98]}


AT_200 = Scenario(
    "latency-200",
    "GET of 1 KB, 200 requests a second; strict audit beside best effort",
    (of.KGATE, BEST_EFFORT, of.ENVOY, of.AUTHORIZING),
    _at_200,
    (
        Goal("200 requests/s: kgate / plain Envoy h2>h1, p50", "p50 ms", of.KGATE, of.ENVOY, 1.2),
        Goal("200 requests/s: kgate / plain Envoy h2>h1, p99", "p99 ms", of.KGATE, of.ENVOY, 1.5),
        Goal("200 requests/s: strict audit less best effort, p50, ms", "p50 ms", of.KGATE, BEST_EFFORT, 1.0, difference=True),
    ),
    rounds=3,
)
AT_500 = Scenario(
    "latency-500",
    "GET of 1 KB, 500 requests a second",
    (of.KGATE, BEST_EFFORT, of.ENVOY, of.AUTHORIZING),
    _at_500,
    (
        Goal("500 requests/s: kgate / plain Envoy h2>h1, p50", "p50 ms", of.KGATE, of.ENVOY, 1.2),
        Goal("500 requests/s: plain Envoy and one durable write / plain Envoy, p50", "at best, p50", of.ENVOY, None, 1.2),
        Goal("500 requests/s: kgate / Envoy with ext_authz h2>h1, p50", "p50 ms", of.KGATE, of.AUTHORIZING, 1.2),
        Goal("500 requests/s: kgate / plain Envoy h2>h1, p99", "p99 ms", of.KGATE, of.ENVOY, 1.5),
        Goal("500 requests/s: plain Envoy and one durable write / plain Envoy, p99", "at best, p99", of.ENVOY, None, 1.5),
    ),
    rounds=7,
)
