"""Carries a tunnel: bytes between two connections after a 101, followed by ``Tunnel``, with each side's fullness pausing the other's source.

Any end of one side ends both. A cluster that goes away without having said how the command ended would let kubectl exit 0 in silence over SPDY;
the tunnel then says farewell like for any other cut.
"""

from __future__ import annotations

from collections.abc import Callable

from kgate.exchange.ports import Transport
from kgate.exchange.tunnel import Failure, Tunnel
from kgate.model import Cause


class Relay:
    """The two sides of one tunnel. ``ended`` is called once, with a cause where the tunnel did not end by itself, ``carried`` whenever something passed."""

    def __init__(
        self, tunnel: Tunnel, client: Transport, upstream: Transport, ended: Callable[[Cause | None], None], carried: Callable[[], None]
    ) -> None:
        self.tunnel = tunnel
        self._ended, self._carried = ended, carried
        self._over = self._held = False
        self.bytes_in = self.bytes_out = 0
        self.client = _Side(self, client)
        self.upstream = _Side(self, upstream)

    def start(self, early: bytes, rest: bytes) -> None:
        """Carry what both sides sent behind the heads that opened the tunnel."""
        if rest:
            self.from_upstream(rest)
        if early and not self._over:
            self.from_client(early)

    def from_client(self, data: bytes) -> None:
        """Bytes of the client's: followed, then sent on."""
        self.bytes_in += len(data)
        self._carry(self.tunnel.from_client(data), self.client, self.upstream)

    def from_upstream(self, data: bytes) -> None:
        """Bytes of the cluster's: followed, then sent on."""
        self.bytes_out += len(data)
        self._carry(self.tunnel.from_upstream(data), self.upstream, self.client)

    def cut(self, cause: Cause) -> None:
        """Say farewell to the client and let it go by itself, drop the cluster's side at once.

        What a client does with a connection's end comes faster than what it does with the words before it: kubectl port-forward forgets the
        reason if both arrive together.
        """
        if not self._over:
            self._over = True
            try:
                self.client.transport.write(self.tunnel.cut(cause))
            finally:  # whom no words can be found for goes without any
                self.client.transport.part()
                self.upstream.transport.abort()

    def hold(self) -> None:
        """Read no more of either side, until ``release``: what passes is recorded, and the recording is behind."""
        if not self._over and not self._held:
            self._held = True
            self.client.transport.pause_reading()
            self.upstream.transport.pause_reading()

    def release(self) -> None:
        """The recording has caught up."""
        held, self._held = self._held, False
        if held and not self._over:
            for side in (self.client, self.upstream):
                self._read_on(side)

    def side_ended(self, side: _Side) -> None:
        """One side sends no more."""
        if self._over:
            side.transport.close()
        self._end_by(self.tunnel.upstream_eof() if side is self.upstream else self.tunnel.client_eof())

    def side_lost(self, side: _Side) -> None:
        """One side is gone."""
        self.side_ended(side)
        side.relay = None
        side.waiting.clear()
        if self.client.relay is self.upstream.relay is None:
            self.tunnel.end()

    def _carry(self, data: bytes | Failure, source: _Side, target: _Side) -> None:
        if isinstance(data, Failure):
            self._end_by(data.cause)
        elif data and not self._over:
            self._send(data, source, target)
        told = self.tunnel.to_client()
        if told and not self._over:
            self._send(told, source, self.client)
        if not self._over:
            self._carried()

    @staticmethod
    def _send(data: bytes, source: _Side, target: _Side) -> None:
        """Send what came of ``source``'s bytes; where there is no room for more, no more are read."""
        target.transport.write(data)
        if target.transport.congested:
            source.transport.pause_reading()
            if source not in target.waiting:
                target.waiting.append(source)

    def side_drained(self, side: _Side) -> None:
        """One side takes bytes again: let come what waited for that."""
        waiting, side.waiting = side.waiting, []
        for each in waiting:
            self._read_on(each)

    def _read_on(self, side: _Side) -> None:
        """Read ``side`` again, unless its bytes wait for something else, too."""
        if not self._held and side not in self.client.waiting and side not in self.upstream.waiting:
            side.transport.resume_reading()

    def _end_by(self, cause: Cause | None) -> None:
        if self._over:
            return
        if cause is not None:
            self.cut(cause)
        else:
            self._over = True
            self.client.transport.close(patient=True)  # ``kubectl exec … cat | less``: the pager has not asked for the rest yet
            self.upstream.transport.close()
        self._ended(cause)


class _Side:
    """One leg's bytes."""

    def __init__(self, relay: Relay, transport: Transport) -> None:
        self.relay: Relay | None = relay
        """None once this side is gone: nothing follows then, and what refers to each other would stay."""
        self.transport = transport
        self.waiting: list[_Side] = []
        """Those whose bytes wait for room here; a client may wait for itself, where it is told something of the gate's own."""

    def received(self, data: bytes) -> None:
        """Bytes from this side."""
        relay = self.relay
        if relay is None:
            return
        if self is relay.client:
            relay.from_client(data)
        else:
            relay.from_upstream(data)

    def ended(self) -> None:
        """This side sends no more."""
        if self.relay is not None:
            self.relay.side_ended(self)

    def lost(self, reason: str) -> None:
        """This side is gone."""
        if self.relay is not None:
            self.relay.side_lost(self)

    def drained(self) -> None:
        """This side takes bytes again."""
        if self.relay is not None:
            self.relay.side_drained(self)
