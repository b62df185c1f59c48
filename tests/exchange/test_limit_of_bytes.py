"""``limits.bytes`` ends what reached it at that very read: until the next look a quarter of a second later, a hundred megabytes may pass."""

from __future__ import annotations

import pytest
from exchange_world import POLICY, Both, World
from test_exchange import GET, STREAM, WATCH, chunk
from test_left_behind import STORIES

from kgate.wire.events import DataReceived, StreamReset
from kgate.wire.websocket import BINARY, encode_frame

LIMITED = POLICY.replace("    who:", "    limits: {bytes: 1KiB}\n    who:")
KEY = b"\x9a\x03\xc5\x77"


def limited(world: World) -> World:
    world.use(LIMITED)
    world.live.reevaluate(world.clock)
    return world


@pytest.mark.parametrize("way", ["in", "out"])
def test_a_tunnel_is_cut_at_the_read_that_reaches_it(way: str) -> None:
    world = World()
    STORIES["exec over WebSocket"](world)
    limited(world)
    began = world.exchange.bytes_carried

    def passes(size: int) -> None:
        if way == "in":
            world.asks(encode_frame(BINARY, b"\0" + bytes(size - 9), KEY))
        else:
            world.answers(encode_frame(BINARY, b"\1" + bytes(size - 5)))

    passes(1023 - began)
    assert len(world.live) == 1
    world.pipe.take()
    passes(100)
    assert len(world.live) == 0 and world.exchange.closed_by is not None
    assert "allows 1024 bytes" in world.exchange.closed_by.text and b"allows 1024 bytes" in world.pipe.take()
    world.cluster_pipe.take()
    passes(100)
    assert world.pipe.take() == world.cluster_pipe.take() == b""


def test_a_watch_is_cut_at_the_event_that_reaches_it() -> None:
    world = limited(World())
    world.asks(WATCH)
    world.durable()
    world.dials()
    event = b'{"type":"ADDED","object":"%b"}\n' % bytes(b"x" * 400)
    world.answers(STREAM + chunk(event))
    world.answers(chunk(event))
    assert len(world.live) == 1
    world.answers(chunk(event) + chunk(event))
    said = world.pipe.take()
    assert said.count(b"ADDED") == 3 and b"ERROR" in said and said.endswith(b"0\r\n\r\n") and len(world.live) == 0


def test_a_list_is_aborted_and_an_upload_refused() -> None:
    both = Both()
    limited(both.world)
    asked = both.asks()
    both.api.send_response(1, 200, [], False)
    both.api.send_data(1, b"x" * 5000, True)
    both.carry()
    assert isinstance(both.told[-1], StreamReset) and both.told[-1].stream == asked

    world = limited(World())
    world.asks(GET.replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\nContent-Length: 5000\r\n\r\n") + bytes(800))
    world.durable()
    world.dials()
    world.asks(bytes(800))
    assert world.pipe.take().startswith(b"HTTP/1.1 403 ") and world.cluster_pipe.closed and len(world.live) == 0
    assert not any(isinstance(event, DataReceived) and not event.data for event in both.told)
