"""A port-forward of several ports, one of which is refused: its stream is never opened at the cluster, kubectl is told, and the others live on."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgate.exchange.tunnel import Failure, Kind, Tunnel
from kgate.kube.portforward import MOST_PORTS
from kgate.wire import spdy, websocket_endpoint
from kgate.wire.spdy_follow import Answer, Follower, StreamOpened
from kgate.wire.spdy_headers import Compressor, HeaderPairs, encode_pairs
from kgate.wire.spdy_session import Opened, Received, Replied, Reset, Session, SessionEvent
from kgate.wire.websocket import BINARY, encode_frame

BOTH = pytest.mark.parametrize("kind", [Kind.FORWARD_SPDY, Kind.FORWARD_TUNNELLED])


class Forwarding:
    """kubectl and the kubelet with the tunnel between them. ``size``: how many bytes come at a time, and are in a WebSocket message."""

    def __init__(self, kind: Kind, size: int = 1 << 20) -> None:
        self.tunnel, self.size = Tunnel(kind), size
        self.tunnel.admit_ports_by(self.admit)
        self.asked: list[int] = []
        self.kubectl, self.kubelet = Session(client=True), Session()
        self.inside = kind is Kind.FORWARD_TUNNELLED
        self._up = websocket_endpoint.Connection(mask=lambda: b"\x9a\x03\xc5\x77")
        self._far, self._near = websocket_endpoint.Connection(), websocket_endpoint.Connection(mask=lambda: b"\1\2\3\4")
        self.at_kubelet: list[SessionEvent] = []
        self.at_kubectl: list[SessionEvent] = []

    def admit(self, port: int) -> bool:
        self.asked.append(port)
        return port != 22

    def open(self, port: int, connection: int, kind: bytes, fin: bool = False) -> int:
        headers = [(b"port", b"%d" % port), (b"requestid", b"%d" % connection), (b"streamtype", kind)]
        return self.kubectl.open(headers, fin=fin)

    def up(self) -> None:
        """What kubectl has to say arrives."""
        self._pass(self._wrapped(self.kubectl.data_to_send()))

    def down(self, data: bytes) -> None:
        """The kubelet's bytes arrive."""
        raw = encode_frame(BINARY, data) if self.inside else data
        for chunk in self._chunks(raw):
            went = self.tunnel.from_upstream(chunk)
            assert isinstance(went, bytes)
            self._near_kubectl(went + self.tunnel.to_client())

    def _pass(self, raw: bytes) -> None:
        for chunk in self._chunks(raw):
            went = self.tunnel.from_client(chunk)
            assert not isinstance(went, Failure), went
            self.at_kubelet += self.kubelet.receive(self._unwrapped(self._far, went))
            self._near_kubectl(self.tunnel.to_client())

    def _chunks(self, raw: bytes) -> list[bytes]:
        return [raw[at : at + self.size] for at in range(0, len(raw), self.size)]

    def _wrapped(self, data: bytes) -> bytes:
        if not self.inside:
            return data
        for at in range(0, len(data), self.size):
            self._up.send_message(data[at : at + self.size])
        return self._up.data_to_send()

    def _near_kubectl(self, raw: bytes) -> None:
        self.at_kubectl += self.kubectl.receive(self._unwrapped(self._near, raw))

    def _unwrapped(self, end: websocket_endpoint.Connection, raw: bytes) -> bytes:
        if not self.inside:
            return raw
        return b"".join(event.data for event in end.receive(raw) if isinstance(event, websocket_endpoint.MessageData))


@BOTH
@pytest.mark.parametrize("size", [1, 3, 7, 64, 1 << 20])
@pytest.mark.parametrize("first", [22, 80])
def test_a_refused_port_is_never_opened_and_the_others_live_on(kind: Kind, size: int, first: int) -> None:
    it = Forwarding(kind, size)
    ports = [first, 22, 80, 22, 8080]
    streams = [(port, it.open(port, number, b"error", fin=True)) for number, port in enumerate(ports)]
    it.up()
    assert [(event.stream, dict(event.headers)[b"port"]) for event in it.at_kubelet if isinstance(event, Opened)] == [
        (stream, b"%d" % port) for port, stream in streams if port != 22
    ]
    assert it.at_kubectl == [Reset(stream, spdy.REFUSED_STREAM) for port, stream in streams if port == 22]
    assert it.asked == ports

    data = it.open(80, 9, b"data")
    it.kubectl.send(data, b"hello")
    it.up()
    it.kubelet.reply(data)
    it.kubelet.send(data, b"back")
    it.down(it.kubelet.data_to_send())
    assert Replied(data, False) in it.at_kubectl
    assert b"".join(event.data for event in it.at_kubectl if isinstance(event, Received)) == b"back"
    assert b"".join(event.data for event in it.at_kubelet if isinstance(event, Received)) == b"hello"


@pytest.mark.threat("17")
@BOTH
def test_a_tunnel_that_asks_for_more_ports_than_anybody_forwards_is_over(kind: Kind) -> None:
    """Each port that it may reach is decided again at every change, and every 15 seconds."""
    it = Forwarding(kind)
    for number in range(2 * MOST_PORTS):  # one after the other, and again: what counts is how many there are
        it.kubectl.reset(it.open(1000 + number % MOST_PORTS, number, b"error"), spdy.CANCEL)
    it.up()
    assert len(it.asked) == 2 * MOST_PORTS
    it.open(22, 2 * MOST_PORTS, b"error")
    over = it.tunnel.from_client(it._wrapped(it.kubectl.data_to_send()))
    assert isinstance(over, Failure) and over.cause.text == f"kgate: closed: more than {MOST_PORTS} ports in one port-forward"
    assert 22 not in it.asked


@BOTH
def test_the_refusal_waits_for_the_frame_that_the_cluster_has_begun(kind: Kind) -> None:
    it = Forwarding(kind)
    data = it.open(80, 0, b"data")
    it.up()
    it.kubelet.reply(data)
    it.kubelet.send(data, b"x" * 100)
    down = it.kubelet.data_to_send()
    raw = encode_frame(BINARY, down) if it.inside else down
    went = it.tunnel.from_upstream(raw[:-40])
    assert isinstance(went, bytes)
    it._near_kubectl(went + it.tunnel.to_client())
    refused = it.open(22, 1, b"error", fin=True)
    it.up()
    assert Reset(refused, spdy.REFUSED_STREAM) not in it.at_kubectl
    rest = it.tunnel.from_upstream(raw[-40:])
    assert isinstance(rest, bytes)
    it._near_kubectl(rest + it.tunnel.to_client())
    assert it.at_kubectl[-1] == Reset(refused, spdy.REFUSED_STREAM)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.booleans(), st.text("abc", max_size=200)), min_size=1, max_size=8), st.data())
def test_what_is_withheld_costs_the_far_side_nothing_of_the_others(streams: list[tuple[bool, str]], data: st.DataObject) -> None:
    """However the bytes arrive: as many go on as came, and the far side reads the streams that were not withheld, and no other."""
    compressor = Compressor()
    frames, wanted = b"", []
    for number, (kept, text) in enumerate(streams):
        pairs: HeaderPairs = [(b"x-text", text.encode()), (b"kept", b"yes" if kept else b"no")]
        stream = 2 * number + 1
        frames += spdy.control_frame(spdy.SYN_STREAM, stream.to_bytes(4, "big") + bytes(6) + compressor.write(pairs), flags=spdy.FIN)
        wanted += [(stream, pairs)] if kept else []
    follower = Follower(
        True, lambda event: Answer.WITHHELD if isinstance(event, StreamOpened) and (b"kept", b"no") in event.headers else None
    )
    far, went, at = Session(), b"", 0
    while at < len(frames):
        size = data.draw(st.integers(1, len(frames)))
        went += follower.feed(frames[at : at + size]).data
        at += size
    assert len(went) == len(frames)
    assert [(event.stream, event.headers) for event in far.receive(went)] == wanted  # type: ignore[union-attr]


def test_a_block_that_does_not_end_with_a_flush_cannot_be_withheld() -> None:
    import zlib

    from kgate.wire.spdy_headers import dictionary

    raw = zlib.compressobj(zdict=dictionary())
    block = raw.compress(encode_pairs([(b"a", b"b")])) + raw.flush(zlib.Z_FULL_FLUSH) + b"\x02\x00"
    follower = Follower(True, lambda event: Answer.WITHHELD)
    passage = follower.feed(spdy.control_frame(spdy.SYN_STREAM, b"\0\0\0\1" + bytes(6) + block))
    assert passage.data == b"" and "cannot be withheld" in passage.failure
