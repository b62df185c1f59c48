"""Larger answers: objects of 10 KB, and a list of 5 MB."""

from __future__ import annotations

from bench.ground import Ground, list_path, object_paths
from bench.process import Server
from bench.rounds import Goal, Measures, Pace, Scenario, Subject
from bench.scenarios import subjects as of
from bench.scenarios.serving import serve
from bench.upstream import MEGABYTES_5


def _ten_kilobytes(ground: Ground, server: Server, subject: Subject, pace: Pace) -> Measures:
    return serve(ground, server, subject, object_paths(subject.cluster, "configmaps"), pace.seconds(3.0))


def _list(ground: Ground, server: Server, subject: Subject, pace: Pace) -> Measures:
    paths = [list_path(subject.cluster, number) for number in range(20)]
    found = serve(ground, server, subject, paths, pace.seconds(3.0), people=4, at_once=1)
    megabytes = found["requests/s"] * MEGABYTES_5 / 1e6
    return {"MB/s": megabytes, "MB/CPU s": megabytes / found["core busy"], "core busy": found["core busy"]}


TEN_KILOBYTES = Scenario(
    "10kb",
    "GET of 10 KB over HTTP/2; 50 people × 2,000 paths",
    (of.KGATE, of.ENVOY, of.ENVOY_H2, of.NGINX, of.HAPROXY),
    _ten_kilobytes,
    (Goal("10 KB: kgate / plain Envoy h2>h1, CPU a request", "µs/request", of.KGATE, of.ENVOY, 0.8),),
)
LIST = Scenario(
    "5mb",
    "list of 5 MB over HTTP/2; 4 people, one at a time each",
    (of.KGATE, of.KGATE_H2_H1, of.ENVOY, of.ENVOY_H2, of.NGINX, of.HAPROXY),
    _list,
    (
        Goal("5 MB: kgate / plain Envoy h2>h1, MB/s", "MB/s", of.KGATE, of.ENVOY, 0.8, at_least=True),
        Goal("5 MB: kgate / plain Envoy h2>h1, MB per CPU second", "MB/CPU s", of.KGATE, of.ENVOY, 0.8, at_least=True),
    ),
    rounds=3,
)
