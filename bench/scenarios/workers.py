"""One worker and two, each time over all cores: load and upstream take their part of the same ones where there are only two."""

from __future__ import annotations

from bench.ground import Ground, object_paths
from bench.peers.kgate import start
from bench.process import Server
from bench.rounds import Goal, Measures, Pace, Scenario, Subject
from bench.scenarios.serving import serve

ONE = Subject("kgate", "h2", "h2")
TWO = Subject("kgate 2 workers", "h2", "h2")


def _workers(ground: Ground, server: Server, subject: Subject, pace: Pace) -> Measures:
    gate = start(ground, "kgate-workers", workers=2 if subject is TWO else 1, core=None)
    try:
        gate.ready()
        return serve(ground, gate, subject, object_paths("h2", "pods"), pace.seconds(3.0))
    finally:
        gate.stop()


WORKERS = Scenario(
    "workers",
    "GET of 1 KB over HTTP/2 with one worker and with two, on whatever cores there are",
    (ONE, TWO),
    _workers,
    (Goal("requests/s of two workers / one (cores shared with the load)", "requests/s", TWO, ONE, 1.7, at_least=True),),
    rounds=3,
)
