"""A port-forward that is cut: its open connections are told why and the client is left to go by itself; where nobody listens, it is ended."""

from __future__ import annotations

import pytest

from kgate.exchange.tunnel import Kind, Tunnel
from kgate.model import Cause, Ending
from kgate.wire import websocket_endpoint
from kgate.wire.spdy_session import Failed, Farewell, Received, Replied, Session, SessionEvent
from kgate.wire.websocket import BINARY, encode_frame

CAUSE = Cause(Ending.POLICY, "kgate: closed by policy: no rule allows it any more (request ID)")


def masked(payload: bytes) -> bytes:
    peer = websocket_endpoint.Connection(mask=lambda: b"\1\2\3\4")
    peer.send_message(payload)
    return peer.data_to_send()


class Forwarding:
    """kubectl and the API server with the tunnel between them, over bare SPDY or inside WebSocket."""

    def __init__(self, kind: Kind) -> None:
        self.tunnel = Tunnel(kind)
        self.kubectl, self.cluster = Session(client=True), Session()
        self.inside = kind is Kind.FORWARD_TUNNELLED
        self._client_end = websocket_endpoint.Connection(mask=lambda: b"\1\2\3\4")

    def connect(self) -> tuple[int, int]:
        """One connection to port 80: its error stream and its data stream."""
        headers = [(b"port", b"80"), (b"requestid", b"0")]
        error = self.kubectl.open([*headers, (b"streamtype", b"error")], fin=True)
        data = self.kubectl.open([*headers, (b"streamtype", b"data")])
        up = self.kubectl.data_to_send()
        went = self.tunnel.from_client(masked(up) if self.inside else up)
        assert isinstance(went, bytes) and went
        self.cluster.receive(up)
        self.cluster.reply(error)
        self.cluster.reply(data)
        assert self.arrive(self.cluster.data_to_send()) == [Replied(error, False), Replied(data, False)]
        return error, data

    def arrive(self, down: bytes, begun: int = 0) -> list[SessionEvent]:
        """The cluster's bytes reach kubectl; ``begun`` more are announced in the same WebSocket message but never come."""
        raw = encode_frame(BINARY, down + bytes(begun)) if self.inside else down
        went = self.tunnel.from_upstream(raw[: len(raw) - begun] if begun else raw)
        assert isinstance(went, bytes)
        return self.kubectl.receive(self.unwrapped(went))

    def unwrapped(self, raw: bytes) -> bytes:
        """The SPDY bytes among those that kubectl gets; a Close counts as nothing."""
        if not self.inside:
            return raw
        events = self._client_end.receive(raw)
        self.closed = any(isinstance(event, websocket_endpoint.Closed) for event in events)
        return b"".join(event.data for event in events if isinstance(event, websocket_endpoint.MessageData))

    def cut(self) -> list[SessionEvent]:
        """What kubectl makes of the farewell."""
        return self.kubectl.receive(self.unwrapped(self.tunnel.cut(CAUSE)))


BOTH = pytest.mark.parametrize("kind", [Kind.FORWARD_SPDY, Kind.FORWARD_TUNNELLED])


@BOTH
def test_an_open_connection_is_told_why_and_nothing_ends_before_it_is_read(kind: Kind) -> None:
    forwarding = Forwarding(kind)
    error, data = forwarding.connect()
    assert forwarding.cut() == [Received(error, CAUSE.text.encode(), True), Received(data, b"", True)]
    assert not forwarding.inside or not forwarding.closed


@BOTH
def test_where_no_connection_is_open_it_is_ended_at_once(kind: Kind) -> None:
    forwarding = Forwarding(kind)
    assert forwarding.cut() == [Farewell(0)]
    assert not forwarding.inside or forwarding.closed


@BOTH
def test_a_connection_that_the_cluster_ended_hears_nothing_so_it_is_ended_at_once(kind: Kind) -> None:
    forwarding = Forwarding(kind)
    error, data = forwarding.connect()
    forwarding.cluster.send(error, b"connection refused", fin=True)
    forwarding.cluster.send(data, b"", fin=True)
    forwarding.arrive(forwarding.cluster.data_to_send())
    assert forwarding.cut() == [Farewell(data)]


@pytest.mark.parametrize("begun", [1, 7, 8, 100, 200, 5000])
def test_a_websocket_message_in_the_middle_is_filled_with_what_means_nothing(begun: int) -> None:
    forwarding = Forwarding(Kind.FORWARD_TUNNELLED)
    error, data = forwarding.connect()
    forwarding.cluster.send(data, b"half of")
    forwarding.arrive(forwarding.cluster.data_to_send(), begun)
    told = forwarding.cut()
    assert told[:2] == [Received(error, CAUSE.text.encode(), True), Received(data, b"", True)]
    assert not any(isinstance(event, Failed | Farewell) for event in told)
