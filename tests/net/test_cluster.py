"""What a cluster's connections are asked now and then: whether anybody is still there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from kgate.exchange.legs import UpstreamLeg
from kgate.net.cluster import DEAD_SECONDS, PING_SECONDS, ClusterUpstream
from kgate.net.turn import Turn
from kgate.wire import http2
from kgate.wire.events import RequestHead


class World:
    """A cluster with one HTTP/2 connection that is open, over a transport that is this object."""

    congested = False

    def __init__(self) -> None:
        self.clock, self.aborted = 50.0, False
        server = SimpleNamespace(host="192.0.2.1", port=6443, authority="192.0.2.1:6443", base_path="")
        access = SimpleNamespace(server=server, tls_server_name="", proxy_url="")
        nothing: Any = None
        self.upstream = ClusterUpstream(nothing, Turn(), self.now, cast("Any", access), nothing, lambda: 5.0)
        wire, this = cast("Any", http2.ClientConnection(http2.Http2Limits(), self.now)), cast("Any", self)
        self.leg = UpstreamLeg(wire, this, Turn(), self.now, lambda leg: None, lambda leg: None, multiplexed=True)
        self.upstream.pool.legs.add(self.leg)

    def now(self) -> float:
        return self.clock

    def abort(self) -> None:
        self.aborted = True

    def ask(self) -> None:
        """Somebody's request goes out on it."""
        requester: Any = self
        self.leg.request(requester, RequestHead(b"GET", b"/api", b"192.0.2.1:6443", []), True)

    def passes(self, seconds: int) -> None:
        """Time, with a look at each second."""
        for _ in range(seconds):
            self.clock += 1
            self.upstream.tick()


@pytest.fixture
def world() -> World:
    return World()


def test_a_connection_that_nobody_asked_anything_for_long_is_not_taken_for_dead_when_somebody_does(world: World) -> None:
    world.passes(600)
    world.ask()
    world.passes(int(PING_SECONDS))
    assert not world.aborted


def test_a_connection_that_does_not_answer_is_given_up(world: World) -> None:
    world.ask()
    world.passes(int(DEAD_SECONDS))
    assert not world.aborted
    world.passes(1)
    assert world.aborted
