"""``limits.idle`` of a tunnel: what keeps the connection alive is nothing that passes. kubectl says ping every five seconds, over either protocol."""

from __future__ import annotations

import pytest
from exchange_world import POLICY, World
from test_left_behind import ACCEPTED, SPDY, WEBSOCKET, tunnel

from kgate.wire import spdy
from kgate.wire.spdy_session import Session
from kgate.wire.websocket import BINARY, PING, PONG, encode_frame

IDLE = POLICY.replace("    who:", "    limits: {idle: 1m}\n    who:").replace("[exec]", "[exec, port-forward]")
KEY = b"\x9a\x03\xc5\x77"

exec_websocket = tunnel(
    "exec?command=sh&stdin=true&stdout=true",
    WEBSOCKET + "v5.channel.k8s.io",
    b"Upgrade: websocket\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n" + ACCEPTED,
)
exec_spdy = tunnel(
    "exec?command=sh&stdin=true&stdout=true",
    SPDY + "v4.channel.k8s.io",
    b"Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n",
)
forward_tunnelled = tunnel(
    "portforward",
    WEBSOCKET + "SPDY/3.1+portforward.k8s.io",
    b"Upgrade: websocket\r\nSec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io\r\n" + ACCEPTED,
)


def spdy_data() -> bytes:
    client = Session(client=True)
    client.send(client.open([(b"streamtype", b"stdin")]), b"ls\n")
    return client.data_to_send()


def forwarded_data() -> bytes:
    client = Session(client=True)
    client.send(client.open([(b"streamtype", b"data"), (b"port", b"80"), (b"requestid", b"0")]), b"GET /\n")
    return encode_frame(BINARY, client.data_to_send(), KEY)


STORIES = {
    "exec over websocket": (exec_websocket, encode_frame(PING, b"", KEY), encode_frame(PONG, b""), encode_frame(BINARY, b"\0ls\n", KEY)),
    "exec over spdy": (exec_spdy, spdy.ping(1), spdy.ping(1), spdy_data()),
    "port-forward tunnelled": (
        forward_tunnelled,
        encode_frame(BINARY, spdy.ping(1), KEY),
        encode_frame(BINARY, spdy.ping(1)),
        forwarded_data(),
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_a_tunnel_in_which_only_pings_pass_is_idle_and_one_that_is_used_is_not(story: str) -> None:
    opens, ping, pong, used = STORIES[story]
    world = World()
    opens(world)
    world.use(IDLE)
    world.live.reevaluate(world.clock)

    def passes(seconds: int) -> None:
        for _ in range(seconds):
            world.clock += 1.0
            world.asks(ping)
            world.answers(pong)
            world.live.tick()

    passes(50)
    world.asks(used)
    passes(55)
    assert len(world.live) == 1
    passes(6)
    assert len(world.live) == 0
    assert world.exchange.closed_by is not None and "idle for 1 min" in world.exchange.closed_by.text
