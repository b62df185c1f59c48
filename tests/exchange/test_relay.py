"""A tunnel's two connections: each is read as fast as what comes of it can be sent on."""

from __future__ import annotations

import pytest
from exchange_world import Pipe, World
from test_left_behind import ACCEPTED, SPDY, SWITCHED, WEBSOCKET, upgrade

from kgate.model import Cause, Ending
from kgate.wire.spdy_session import Session
from kgate.wire.websocket import BINARY, encode_frame

POLICY = """
rules:
  - {name: web, who: {users: [alice]}, clusters: {names: ["*"]}, allow: [{actions: [port-forward], ports: [80]}]}
"""
KEY = b"\x9a\x03\xc5\x77"


@pytest.fixture(params=[True, False], ids=["in websocket", "bare"])
def inside(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def world(inside: bool) -> World:
    protocol = "SPDY/3.1+portforward.k8s.io" if inside else "portforward.k8s.io"
    world = World()
    world.use(POLICY)
    world.asks(upgrade("portforward", (WEBSOCKET if inside else SPDY) + protocol))
    world.durable()
    world.dials()
    answer = b"Upgrade: websocket\r\nSec-WebSocket-Protocol: " if inside else b"Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: "
    world.answers(SWITCHED + answer + protocol.encode() + b"\r\n" + (ACCEPTED if inside else b"") + b"\r\n")
    assert world.client.raw is not None, world.pipe.sent
    world.pipe.take()
    return world


def opened(client: Session, port: int, inside: bool) -> bytes:
    client.open([(b"streamtype", b"error"), (b"port", b"%d" % port), (b"requestid", b"0")])
    data = client.data_to_send()
    return encode_frame(BINARY, data, KEY) if inside else data


@pytest.mark.threat("17")
def test_a_client_that_reads_no_refusals_is_read_no_more_until_it_does(world: World, inside: bool) -> None:
    """Each stream that is refused is answered by the gate itself: the cluster's slowness bounds nothing there."""
    client = Session(client=True)
    world.asks(opened(client, 22, inside))
    assert world.pipe.take() and not world.pipe.paused
    world.pipe.congested = True
    world.asks(opened(client, 22, inside))
    assert world.pipe.paused
    world.pipe.congested = False
    world.client.drained()
    assert not world.pipe.paused


def paused(*pipes: Pipe) -> list[bool]:
    return [pipe.paused for pipe in pipes]


def test_who_waits_for_both_sides_waits_until_both_have_drained(world: World, inside: bool) -> None:
    client = Session(client=True)
    world.pipe.congested = world.cluster_pipe.congested = True
    world.asks(opened(client, 80, inside) + opened(client, 22, inside))
    assert paused(world.pipe, world.cluster_pipe) == [True, False]
    world.pipe.congested = False
    world.client.drained()
    assert paused(world.pipe, world.cluster_pipe) == [True, False]
    world.cluster_pipe.congested = False
    world.upstream.drained()
    assert paused(world.pipe, world.cluster_pipe) == [False, False]


@pytest.mark.threat("13")
def test_a_cut_for_which_no_words_can_be_said_is_a_cut_all_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are put together by what both sides said, which may be anything."""

    def speechless(data: bytes) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(world.pipe, "write", speechless)
    with pytest.raises(ValueError, match="a bug"):
        world.exchange.cut(Cause(Ending.POLICY, "kgate: closed by policy"))
    assert world.pipe.parted and world.cluster_pipe.aborted
    assert [kind for kind, _ in world.records] == ["decision", "end"] and len(world.live) == 0
    assert world.exchange.closed_by is not None
