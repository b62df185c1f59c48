"""From the start of the process to the first accepted connection."""

from __future__ import annotations

from bench.ground import Ground
from bench.peers import PEERS
from bench.process import Server
from bench.rounds import Measures, Pace, Scenario, Subject
from bench.scenarios import subjects as of


def _start(ground: Ground, server: Server, subject: Subject, pace: Pace) -> Measures:
    again = PEERS[subject.peer](ground) if subject.peer != "kgate" else kgate_again(ground)
    if again is None:
        raise RuntimeError("is not on this machine")
    try:
        return {"s": again.ready(), "CPU s": again.cpu_seconds(), "MB": again.resident() / 1e6}
    finally:
        again.stop()


def kgate_again(ground: Ground) -> Server:
    """A second gate, in a folder of its own: the audit directory of the first is taken."""
    from bench.peers.kgate import start

    return start(ground, "kgate-again")


START = Scenario("start", "process start to the first accepted connection", (of.KGATE, of.ENVOY, of.NGINX, of.HAPROXY), _start, rounds=3)
