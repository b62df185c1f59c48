"""CPU per request while a crowd asks: what most scenarios measure."""

from __future__ import annotations

import time
from collections.abc import Sequence

from bench.crowd import Crowd
from bench.ground import Ground
from bench.process import Server
from bench.rounds import Measures, Subject
from bench.upstream import requests_served

WARM_SECONDS = 1.0
MICRO = 1e6


def serve(
    ground: Ground,
    server: Server,
    subject: Subject,
    paths: Sequence[str],
    seconds: float,
    *,
    people: int = 50,
    at_once: int = 10,
    share: bool = False,
) -> Measures:
    """A window of ``seconds`` in the middle of a crowd's work: CPU µs a request, requests a second, and how much of a core it took."""
    lasts, http1 = seconds + WARM_SECONDS + 1.0, subject.client == "h1"
    crowd = Crowd(ground, server.port, paths, lasts, http1=http1, people=people, at_once=at_once, share=share)
    time.sleep(WARM_SECONDS)
    used, served, began = server.cpu_seconds(), requests_served(ground), time.monotonic()
    time.sleep(seconds)
    used, served, took = server.cpu_seconds() - used, requests_served(ground) - served, time.monotonic() - began
    crowd.wait()
    if served <= 0:
        raise RuntimeError("nothing reached the upstream in the window")
    return {"µs/request": used / served * MICRO, "requests/s": served / took, "core busy": used / took}
