"""Small GETs: 50 people, one object of 1 KB after the other."""

from __future__ import annotations

from bench.ground import FRESH as FRESH_PATHS
from bench.ground import Ground, object_paths
from bench.process import Server
from bench.rounds import Goal, Measures, Pace, Scenario, Subject
from bench.scenarios import subjects as of
from bench.scenarios.serving import serve


def _small(ground: Ground, server: Server, subject: Subject, pace: Pace) -> Measures:
    return serve(ground, server, subject, object_paths(subject.cluster, "pods"), pace.seconds(3.0))


def _fresh(ground: Ground, server: Server, subject: Subject, pace: Pace) -> Measures:
    # Each person's share only: fifty times all of them would keep the load busy with reading its lists.
    return serve(ground, server, subject, object_paths(subject.cluster, "pods", FRESH_PATHS), pace.seconds(3.0), share=True)


H2 = Scenario(
    "small-h2",
    "GET of 1 KB over HTTP/2; 50 people × 2,000 paths",
    (of.KGATE, of.KGATE_H2_H1, of.AUTHORIZING, of.AUTHORIZING_H2, of.ENVOY, of.ENVOY_H2, of.NGINX, of.HAPROXY, of.HAPROXY_H2),
    _small,
    (
        Goal("small GET h2: kgate / Envoy with ext_authz h2>h1, CPU a request", "µs/request", of.KGATE, of.AUTHORIZING, 0.5),
        Goal("small GET h2: kgate / plain Envoy h2>h1, CPU a request", "µs/request", of.KGATE, of.ENVOY, 1.0),
    ),
)
FRESH = Scenario(
    "fresh-h2",
    "the same with 100,000 paths, so that hardly any comes twice",
    (of.KGATE, of.AUTHORIZING, of.ENVOY),
    _fresh,
    (Goal("paths never seen before: kgate / Envoy with ext_authz h2>h1, CPU a request", "µs/request", of.KGATE, of.AUTHORIZING, 0.5),),
    rounds=3,
)
H1 = Scenario(
    "small-h1",
    "GET of 1 KB over HTTP/1.1; 50 people × 2,000 paths",
    (of.KGATE_H1, of.ENVOY_H1, of.NGINX_H1, of.HAPROXY_H1),
    _small,
    (Goal("small GET h1>h1: kgate / plain Envoy, CPU a request", "µs/request", of.KGATE_H1, of.ENVOY_H1, 1.3),),
)
