"""How long a small GET takes at a steady rate, and what waiting for the disk adds."""

from __future__ import annotations

from statistics import quantiles

from bench.crowd import Crowd
from bench.ground import Ground, object_paths
from bench.process import Server
from bench.rounds import Goal, Measure, Measures, Pace, Scenario, Subject
from bench.scenarios import subjects as of

BEST_EFFORT = Subject("kgate best_effort")


def _at(rate: int) -> Measure:
    def measure(ground: Ground, server: Server, subject: Subject, pace: Pace) -> Measures:
        paths, people = object_paths(subject.cluster, "pods"), len(ground.people)
        crowd = Crowd(ground, server.port, paths, pace.seconds(5.0) + 1, people=people, at_once=1, per_second=rate / people)
        crowd.wait()
        hundredths = quantiles(crowd.latencies(), n=100)
        return {"p50 ms": hundredths[49], "p90 ms": hundredths[89], "p99 ms": hundredths[98]}

    return measure


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
    _at(500),
    (
        Goal("500 requests/s: kgate / plain Envoy h2>h1, p50", "p50 ms", of.KGATE, of.ENVOY, 1.2),
        Goal("500 requests/s: kgate / plain Envoy h2>h1, p99", "p99 ms", of.KGATE, of.ENVOY, 1.5),
    ),
    rounds=3,
)
