"""Connections to one cluster: as many as its streams need, opened when they are needed, shared where HTTP/2 allows it.

A request is given a connection at once where one has room: an HTTP/2 connection with a free stream, else an idle HTTP/1.1 one, the last used
first. Otherwise it waits for a dial; as many dials are under way as the waiting requests can fill. ALPN decides which protocol a new connection
speaks. An upgrade always gets an HTTP/1.1 connection of its own, which is never pooled. So does a request for a proxied server, but the next one may have
the connection after it: what such a server answers is anybody's own making, and a head that is too long for HTTP/2 would cost the connection
with all that others have on it.

A failed dial fails the requests that wait, with its words; the next request dials again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from attrs import define

from kgate.exchange.legs import UpstreamLeg
from kgate.net.dial import DialFailed
from kgate.net.telling import tell

STREAMS_UNTIL_TOLD: Final = 100
"""How many waiting requests one dial is expected to serve before the connection says (the API server's own limit)."""
IDLE_KEPT: Final = 512
"""Idle HTTP/1.1 connections kept. Fewer than requests are under way at once would be a handshake for nearly every request; the cluster closes those
that it has seen idle for long."""

Then = Callable[["UpstreamLeg | DialFailed"], None]


@define
class Health:
    """What the last attempts to speak to a cluster showed. ``at`` is monotonic."""

    reachable: bool | None = None
    text: str = "not tried yet"
    at: float = 0.0


class UpstreamPool:
    """The connections to one cluster. ``connect(pool, own, then)`` starts a dial for us: it knows the endpoint and the credentials."""

    def __init__(self, connect: Callable[[UpstreamPool, bool, Then], None], now: Callable[[], float]) -> None:
        self._connect, self._now = connect, now
        self._multiplexed: list[UpstreamLeg] = []
        self._idle: list[UpstreamLeg] = []
        self._waiting: deque[Then] = deque()
        self._dialling = 0
        self._closed = False
        self._retired: set[UpstreamLeg] = set()
        self._served: UpstreamLeg | None = None
        """The connection that is being handed to those who wait."""
        self.legs: set[UpstreamLeg] = set()
        self.health = Health()

    def acquire(self, then: Then) -> None:
        """Give ``then`` a connection that takes one request now, or why there is none. It may be called before this returns."""
        leg = self._ready()
        if leg is not None:
            then(leg)
            return
        self._waiting.append(then)
        if self._dialling * STREAMS_UNTIL_TOLD < len(self._waiting) or not self._multiplexed:
            self._dial()

    def acquire_own(self, then: Then) -> None:
        """Give ``then`` a new HTTP/1.1 connection for an upgrade."""

        def opened(result: UpstreamLeg | DialFailed) -> None:
            self._note(result)
            then(result)

        self._connect(self, True, opened)

    def acquire_unshared(self, then: Then) -> None:
        """Give ``then`` an HTTP/1.1 connection on which nobody else has anything: an idle one, or a new one."""
        leg = self._idle_leg()
        if leg is not None:
            then(leg)
        else:
            self.acquire_own(then)

    def spare(self, leg: UpstreamLeg) -> None:
        """A stream of ``leg`` ended."""
        if self._closed or leg in self._retired:
            if not leg.requesters and leg is not self._served:
                self._end(leg)
        elif leg.multiplexed:
            self._serve(leg)
            if not leg.requesters and leg.capacity <= 0 and leg is not self._served:
                self._end(leg)  # it takes none any more: its numbers are used up, or the cluster says so
        elif leg.wire.reusable and not leg.closed:
            self._idle.append(leg)
            self._serve(leg)
            if len(self._idle) > IDLE_KEPT:
                self._end(self._idle[0])
        else:
            self._end(leg)

    def gone(self, leg: UpstreamLeg) -> None:
        """``leg`` is closed."""
        self.legs.discard(leg)
        self._retired.discard(leg)
        self._forget(leg)

    def close(self) -> None:
        """The cluster was removed: end what is idle now, and what is under way once it is through."""
        self._closed = True
        self._end_idle()

    def retire(self) -> None:
        """What is open serves what is under way on it, and nothing new."""
        self._retired = set(self.legs)
        self._end_idle()
        self._multiplexed, self._idle = [], []

    def _end_idle(self) -> None:
        for leg in [*self._idle, *self._multiplexed]:
            if not leg.requesters:
                self._end(leg)

    def _end(self, leg: UpstreamLeg) -> None:
        """Close it. Nobody is given it until that is through: what is written to it then goes nowhere."""
        self._forget(leg)
        leg.transport.close()

    def _forget(self, leg: UpstreamLeg) -> None:
        for pool in (self._multiplexed, self._idle):
            if leg in pool:
                pool.remove(leg)

    def _ready(self) -> UpstreamLeg | None:
        for leg in self._multiplexed:
            if leg.capacity > 0:
                return leg
        return self._idle_leg()

    def _idle_leg(self) -> UpstreamLeg | None:
        while self._idle:
            leg = self._idle.pop()
            if leg.capacity > 0:
                return leg
        return None

    def _dial(self) -> None:
        self._dialling += 1
        self._connect(self, False, self._dialled)

    def _dialled(self, result: UpstreamLeg | DialFailed) -> None:
        self._dialling -= 1
        self._note(result)
        if isinstance(result, DialFailed):
            waiting, self._waiting = self._waiting, deque()
            for then in waiting:
                tell(then, result)
            return
        (self._multiplexed if result.multiplexed else self._idle).append(result)
        self._serve(result)
        if self._closed and not result.requesters:
            self._end(result)

    def _serve(self, leg: UpstreamLeg) -> None:
        """Hand ``leg`` to the requests that wait, as far as it has room; dial for the rest."""
        if leg is self._served:
            return  # given back by a request that is gone: whoever handed it on goes on with the next
        before, self._served = self._served, leg
        try:
            while self._waiting and leg.capacity > 0:
                if not leg.multiplexed and leg in self._idle:
                    self._idle.remove(leg)
                tell(self._waiting.popleft(), leg)
        finally:
            self._served = before
        if len(self._waiting) > self._dialling * (STREAMS_UNTIL_TOLD if self._multiplexed else 1):
            self._dial()

    def _note(self, result: UpstreamLeg | DialFailed) -> None:
        failed = isinstance(result, DialFailed)
        self.health = Health(not failed, result.text if isinstance(result, DialFailed) else "reachable", self._now())
        if isinstance(result, UpstreamLeg):
            self.legs.add(result)
