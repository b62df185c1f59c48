"""How long a small GET takes at a steady rate, what waiting for the disk adds, and what it would add at the very least."""

from __future__ import annotations

from statistics import quantiles

from bench.crowd import Crowd
from bench.disk import durable_write_ms
from bench.ground import Ground, object_paths
from bench.process import Server
from bench.rounds import Goal, Measure, Measures, Pace, Scenario, Subject
from bench.scenarios import subjects as of

BEST_EFFORT = Subject("kgate best_effort")
WRITES = 500
"""By which the disk is measured."""


def _at(rate: int) -> Measure:
    def measure(ground: Ground, server: Server, subject: Subject, pace: Pace) -> Measures:
        paths, people = object_paths(subject.cluster, "pods"), len(ground.people)
        crowd = Crowd(ground, server.port, paths, pace.seconds(5.0) + 1, people=people, at_once=1, per_second=rate / people)
        crowd.wait()
        hundredths = quantiles(crowd.latencies(), n=100)
        return {"p50 ms": hundredths[49], "p90 ms": hundredths[89], "p99 ms": hundredths[98]}

    return measure


def _at_500_and_the_disk(ground: Ground, server: Server, subject: Subject, pace: Pace) -> Measures:
    """With Envoy in the same round: what a durable record would make of its p50, had it one and took no time for anything else."""
    found = _at(500)(ground, server, subject, pace)
    if subject == of.ENVOY:
        found["durable write ms"] = durable_write_ms(ground, WRITES)
        found["at best"] = 1 + found["durable write ms"] / found["p50 ms"]
    return found


AT_200 = Scenario(
    "latency-200",
    "GET of 1 KB, 200 requests a second; strict audit beside best effort",
    (of.KGATE, BEST_EFFORT, of.ENVOY, of.AUTHORIZING),
    _at(200),
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
    _at_500_and_the_disk,
    (
        Goal("500 requests/s: kgate / plain Envoy h2>h1, p50", "p50 ms", of.KGATE, of.ENVOY, 1.2),
        Goal("500 requests/s: plain Envoy and one durable write / plain Envoy, p50", "at best", of.ENVOY, None, 1.2),
        Goal("500 requests/s: kgate / Envoy with ext_authz h2>h1, p50", "p50 ms", of.KGATE, of.AUTHORIZING, 1.2),
        Goal("500 requests/s: kgate / plain Envoy h2>h1, p99", "p99 ms", of.KGATE, of.ENVOY, 1.5),
    ),
    rounds=3,
)
