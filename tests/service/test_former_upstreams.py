"""Connections that a reload replaced: what goes on over them is looked after as before."""

from __future__ import annotations

import gc
import weakref
from types import SimpleNamespace
from typing import Any, cast

from kgate.exchange.legs import UpstreamLeg
from kgate.kube.kubeconfig import ClusterAccess, GateCredential, Server
from kgate.model import Cluster
from kgate.net.cluster import DEAD_SECONDS
from kgate.net.turn import Turn
from kgate.service.upstreams import Upstreams
from kgate.wire import http2
from kgate.wire.events import RequestHead


class Pipe:
    """A transport that nothing comes back from."""

    congested = aborted = closed = False

    def write(self, data: bytes) -> None:
        pass

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None:
        self.closed = True


class World:
    """The upstreams of a gate with one cluster, to which there is always a connection."""

    def __init__(self) -> None:
        self.clock, self.turn = 50.0, Turn()
        shared = SimpleNamespace(
            reactor=None, turn=self.turn, now=self.now, wall=self.now, disk=None, configuration=lambda: self.configuration
        )
        self.upstreams = Upstreams(cast("Any", shared))

    def now(self) -> float:
        return self.clock

    def reload(self, host: str) -> UpstreamLeg:
        """The cluster is at ``host`` now; gives a connection to it."""
        access = ClusterAccess("lab", Server(host, 6443), GateCredential(token="the gate's own"))
        cluster = SimpleNamespace(hosts=(), as_policy_sees_it=Cluster)
        self.configuration = SimpleNamespace(access={"lab": access}, settings=SimpleNamespace(clusters={"lab": cluster}))
        self.upstreams.reloaded()
        pool = self.upstreams.current()["lab"].pool
        wire, pipe = cast("Any", http2.ClientConnection(http2.Http2Limits(), self.now)), cast("Any", Pipe())
        leg = UpstreamLeg(wire, pipe, self.turn, self.now, pool.spare, pool.gone, multiplexed=True)
        pool.legs.add(leg)
        return leg

    def passes(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock += 1
            self.upstreams.look()
            self.turn.flush()


def test_a_connection_that_a_reload_replaced_is_given_up_too_where_nobody_is_there_any_more() -> None:
    world = World()
    former = world.reload("192.0.2.1")
    watching: Any = world
    former.request(watching, RequestHead(b"GET", b"/api/v1/pods?watch=true", b"192.0.2.1:6443", []), True)
    world.reload("192.0.2.2")
    assert world.upstreams.connections() == 2
    world.passes(int(DEAD_SECONDS) + 1)
    assert cast("Pipe", former.transport).aborted
    former.requesters.clear()
    former.lost("aborted")
    world.passes(1)
    assert world.upstreams.connections() == 1


def test_a_cluster_that_was_replaced_leaves_nothing_behind() -> None:
    """The garbage collector does not count: it hardly ever looks at what lived for a while."""
    gc.collect()
    gc.disable()
    try:
        world = World()
        former = world.reload("192.0.2.1")
        replaced = weakref.ref(world.upstreams.current()["lab"]), weakref.ref(world.upstreams.current()["lab"].pool)
        world.reload("192.0.2.2")
        former.lost("closed")
        del former
        world.passes(1)
        assert [each() for each in replaced] == [None, None]
    finally:
        gc.enable()
