"""Connections of both sides, alike for HTTP/1.1 and HTTP/2: a wire protocol, a transport, and who waits for which stream.

A leg does no work of its own: it hands each event to the exchange whose stream it is, and sends what the wire protocol queued when the turn
ends. The order inside ``flush`` matters: bytes first, then the transport's state is told to the wire (stop sending DATA, stop reading), then
closing, so that a farewell always leaves before the connection does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, TypeVar

from kgate.exchange.ports import (
    ClientWire,
    Loss,
    RawSide,
    Requester,
    Responder,
    ServerWire,
    Skipping,
    Transport,
    Turn,
    Wire,
)
from kgate.exchange.said import Said
from kgate.wire.events import (
    ConnectionFailed,
    DataReceived,
    Event,
    GoawayReceived,
    Headers,
    InformationReceived,
    RequestHead,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamEvent,
    StreamReset,
    StreamWritable,
    TrailersReceived,
    UpgradeAccepted,
)

W = TypeVar("W", bound=Wire)


class Leg(ABC, Generic[W]):
    """One connection. ``now`` gives monotonic seconds; ``heard_at`` is when the peer last said anything."""

    __slots__ = ("_dirty", "_now", "_paused", "_turn", "blocked", "closed", "heard_at", "multiplexed", "raw", "since", "transport", "wire")

    def __init__(self, wire: W, transport: Transport, turn: Turn, now: Callable[[], float], *, multiplexed: bool) -> None:
        self.wire, self.transport, self.multiplexed, self._turn, self._now = wire, transport, multiplexed, turn, now
        self.blocked = self._dirty = self._paused = self.closed = False
        self.heard_at = self.since = now()
        self.raw: RawSide | None = None

    # --- what the transport calls

    def received(self, data: bytes) -> None:
        """Bytes from the peer."""
        self.heard_at = self._now()
        if self.raw is not None:
            self.raw.received(data)
            return
        self._dispatch(self.wire.receive(data))
        self.touch()

    def ended(self) -> None:
        """The peer sends no more."""
        if self.raw is not None:
            self.raw.ended()
            return
        self._dispatch(self.wire.receive_eof())
        self.touch()

    def drained(self) -> None:
        """The transport took what was buffered."""
        if self.raw is not None:
            self.raw.drained()
        elif self.blocked:
            self.blocked = False
            self._resume()
            self.touch()

    def lost(self, reason: str) -> None:
        """The connection is gone."""
        self.closed = True
        raw, self.raw = self.raw, None
        if raw is not None:
            raw.lost(reason)
        self._forget(self._loss(reason))

    def _loss(self, reason: str) -> Loss:
        """What the loss of the connection is to its streams."""
        return Loss(reason)

    # --- what exchanges call

    def touch(self) -> None:
        """There may be something to send: flush at the end of this turn."""
        if not self._dirty:
            self._dirty = True
            self._turn.mark(self)

    def flush(self) -> None:
        """Send what is queued and settle the transport's state."""
        self._dirty = False
        if self.closed or self.raw is not None:
            return
        self._send()
        while self._more_to_send():
            self._resume()
            self._send()
        if not self.multiplexed and self._holds is not self._paused:
            self._pause(not self._paused)
        if self.wire.closing:
            self.transport.close()

    @property
    def _holds(self) -> bool:
        """HTTP/1.1: whether the peer's bytes are to wait."""
        return self.wire.paused

    def _send(self) -> None:
        data = self.wire.data_to_send()
        if data:
            self.transport.write(data)
        if self.transport.congested and not self.blocked:
            self.blocked = True
            if self.multiplexed:
                self.wire.pause_sending()

    def _more_to_send(self) -> bool:
        """HTTP/2 sends what waits in turns, a bounded amount each, so that a slow transport can say stop in between."""
        return self.multiplexed and not self.blocked and self.wire.backlog

    def release(self, raw: RawSide) -> None:
        """After a 101: bytes go to ``raw`` from now on."""
        data = self.wire.data_to_send()
        if data:
            self.transport.write(data)
        self.raw = raw
        self.transport.pass_through()
        if self._paused:
            self._pause(False)

    def _pause(self, paused: bool) -> None:
        self._paused = paused
        if paused:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def _resume(self) -> None:
        """Queued bytes may go on. HTTP/1.1 has one stream and no queue: whoever sends on it may go on."""
        if self.multiplexed:
            self._dispatch(self.wire.resume_sending())
        else:
            self._writable()

    @abstractmethod
    def _dispatch(self, events: Iterable[Event]) -> None:
        """Hand each event to the stream it is for."""

    @abstractmethod
    def _writable(self) -> None:
        """Tell every stream that its bytes go out again."""

    @abstractmethod
    def _forget(self, loss: Loss) -> None:
        """Tell every stream that it is lost."""


class ClientLeg(Leg[ServerWire]):
    """A client's connection: each request becomes whatever ``answer`` makes for it."""

    __slots__ = ("_answer", "_gone", "address", "certificate", "partial_since", "responders", "said", "served", "skips")

    def __init__(
        self,
        wire: ServerWire,
        transport: Transport,
        turn: Turn,
        now: Callable[[], float],
        answer: Callable[[ClientLeg, RequestReceived], None],
        gone: Callable[[ClientLeg], None],
        *,
        multiplexed: bool,
        address: str,
        certificate: bytes | None,
    ) -> None:
        super().__init__(wire, transport, turn, now, multiplexed=multiplexed)
        self._answer, self._gone, self.address, self.certificate = answer, gone, address, certificate
        self.partial_since: float | None = None
        self.responders: dict[int, Responder] = {}
        self.said: Said | None = None
        """What the last request's fields said."""
        self.served = 0
        self.skips: Sequence[Skipping] = ()
        """Those of the responders that only take the rest of a refused request."""
        self.touch()

    def received(self, data: bytes) -> None:
        """Bytes from the client. Since when a head is incomplete is noted, however it trickles (class 16)."""
        super().received(data)
        if not self.responders:
            self._read_on()
        if self.responders or self.raw is not None or self.wire.idle:
            self.partial_since = None
        elif self.partial_since is None:
            self.partial_since = self.heard_at

    def lost(self, reason: str) -> None:
        """The connection is gone: so are its requests."""
        super().lost(reason)
        self.skips = ()
        self._gone(self)

    @property
    def busy(self) -> bool:
        """Whether somebody waits for something here, or has not got all of it yet."""
        return bool(self.responders) or (not self.closed and (self.raw is not None or self.transport.unsent))

    def invite(self, stream: int, headers: Headers) -> None:
        """The request's body is wanted: tell a client that waits to be told so (RFC 9110 section 10.1.1)."""
        if any(name == b"expect" and value.lower() == b"100-continue" for name, value in headers):
            self.wire.send_information(stream, 100, [])
            self.touch()

    def finished(self, stream: int) -> None:
        """``stream`` is done with; the next pipelined request may be looked at."""
        self.responders.pop(stream, None)
        self._read_on()
        self.touch()

    def drained(self) -> None:
        """The transport took what was buffered."""
        super().drained()
        self._read_on()

    @property
    def _holds(self) -> bool:
        """Also where nothing but refusals go to a client that does not read them: it may not have us write ever more (class 16)."""
        return self.wire.paused or (self.blocked and not self.responders)

    def _read_on(self) -> None:
        """HTTP/1.1: look at what stands behind requests that have their answer, some of which was given at once."""
        while not (self.multiplexed or self.closed or self.blocked or self.raw is not None):
            events = self.wire.receive(b"")
            if not events:
                break
            self._dispatch(events)

    def _dispatch(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, RequestReceived):
                self.served += 1
                self._answer(self, event)
            elif isinstance(event, ConnectionFailed):
                self._forget(Loss(event.text))
            elif isinstance(event, StreamEvent):
                responder = self.responders.get(event.stream)
                if responder is not None:
                    _respond(responder, event)

    def _writable(self) -> None:
        for responder in list(self.responders.values()):
            responder.client_writable()

    def _forget(self, loss: Loss) -> None:
        responders, self.responders = self.responders, {}
        for responder in responders.values():
            responder.client_lost(loss)


class UpstreamLeg(Leg[ClientWire]):
    """A cluster's connection. ``spare`` is called when a stream ended and the connection may take another request."""

    __slots__ = ("_gone", "_spare", "requesters")

    def __init__(
        self,
        wire: ClientWire,
        transport: Transport,
        turn: Turn,
        now: Callable[[], float],
        spare: Callable[[UpstreamLeg], None],
        gone: Callable[[UpstreamLeg], None],
        *,
        multiplexed: bool,
    ) -> None:
        super().__init__(wire, transport, turn, now, multiplexed=multiplexed)
        self._spare, self._gone = spare, gone
        self.requesters: dict[int, Requester] = {}
        self.touch()

    @property
    def capacity(self) -> int:
        """How many more requests this connection takes now."""
        return 0 if self.closed or self.raw is not None else self.wire.capacity

    def request(self, requester: Requester, head: RequestHead, end: bool, upgrade: bytes = b"") -> int:
        """Send a request's head; gives its stream."""
        stream = self.wire.open(head, end, upgrade) if upgrade else self.wire.open(head, end)
        self.requesters[stream] = requester
        self.touch()
        return stream

    def finished(self, stream: int) -> None:
        """``stream`` is done with, answered whole or reset."""
        if self.requesters.pop(stream, None) is not None and not self.closed and self.raw is None:
            self._spare(self)
            self.touch()

    def lost(self, reason: str) -> None:
        """The connection is gone: so are its streams."""
        super().lost(reason)
        self._gone(self)

    def _loss(self, reason: str) -> Loss:
        return Loss(reason, unprocessed=not self.multiplexed and self.wire.unheard)

    def _dispatch(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, ConnectionFailed):
                self._forget(Loss("the cluster broke the protocol: " + event.text))
            elif isinstance(event, GoawayReceived):
                self._refused_after(event.last_stream)
            elif isinstance(event, StreamEvent):
                requester = self.requesters.get(event.stream)
                if requester is not None:
                    _inform(requester, event)

    def _refused_after(self, last_stream: int) -> None:
        """Streams that the peer says it never processed may be asked elsewhere (RFC 9113 section 6.8)."""
        for stream in [stream for stream in self.requesters if stream > last_stream]:
            self.requesters.pop(stream).upstream_lost(Loss("the cluster is closing the connection", unprocessed=True))

    def _writable(self) -> None:
        for requester in list(self.requesters.values()):
            requester.upstream_writable()

    def _forget(self, loss: Loss) -> None:
        requesters, self.requesters = self.requesters, {}
        for requester in requesters.values():
            requester.upstream_lost(loss)


REFUSED_STREAM: Final = 7
"""RFC 9113 section 7: not processed, may be tried again."""


def _reset(event: StreamReset) -> Loss:
    text = "the stream was reset" if event.by_peer else "what came on the stream breaks the protocol, or has too long a head"
    return Loss(f"{text} (code {event.code})", unprocessed=event.by_peer and event.code == REFUSED_STREAM)


def _respond(to: Responder, event: Event) -> None:
    """One event of a client's stream, the frequent ones first."""
    if isinstance(event, DataReceived):
        to.client_data(event.data, event.credit)
    elif isinstance(event, StreamEnded):
        to.client_ended()
    elif isinstance(event, StreamWritable):
        to.client_writable()
    elif isinstance(event, StreamReset):
        to.client_lost(_reset(event))
    elif isinstance(event, TrailersReceived):
        to.client_trailers(event.headers)


def _inform(to: Requester, event: Event) -> None:
    """One event of a cluster's stream, the frequent ones first."""
    if isinstance(event, DataReceived):
        to.upstream_data(event.data, event.credit)
    elif isinstance(event, ResponseReceived):
        to.upstream_response(event.status, event.headers, event.ended)
    elif isinstance(event, StreamEnded):
        to.upstream_ended()
    elif isinstance(event, StreamWritable):
        to.upstream_writable()
    elif isinstance(event, StreamReset):
        to.upstream_lost(_reset(event))
    elif isinstance(event, TrailersReceived):
        to.upstream_trailers(event.headers)
    elif isinstance(event, UpgradeAccepted):
        to.upstream_upgraded(event.headers, event.rest)
    elif isinstance(event, InformationReceived):
        to.upstream_information(event.status, event.headers)
