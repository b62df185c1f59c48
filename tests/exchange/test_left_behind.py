"""What is over is gone at once, not when the garbage collector comes by: it does not weigh what OpenSSL and zlib hold for a connection.

Each story is told with the collector switched off; nothing of kgate/exchange is there after it that was not there before.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from exchange_world import POLICY, World

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
GET = b"GET /clusters/lab/api/v1/namespaces/a/pods HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer alice\r\n\r\n"


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def here() -> Counter[str]:
    """How many objects of each class of kgate/exchange there are."""
    return Counter(type(each).__qualname__ for each in gc.get_objects() if str(type(each).__module__).startswith("kgate.exchange."))


def upgrade(path: str, fields: str) -> bytes:
    head = f"POST /clusters/lab/api/v1/namespaces/a/pods/p/{path} HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer alice\r\nConnection: Upgrade\r\n"
    return f"{head}{fields}\r\n\r\n".encode()


WEBSOCKET = "Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: "
SPDY = "Upgrade: SPDY/3.1\r\nContent-Length: 0\r\nX-Stream-Protocol-Version: "
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
ACCEPTED = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"


def answered(world: World) -> None:
    world.asks(GET)
    world.durable()
    world.dials()
    world.answers(OK)


def refused(world: World) -> None:
    world.asks(GET.replace(b"alice", b"mallory"))


def client_leaves_before_the_record(world: World) -> None:
    world.asks(GET)


def client_leaves_before_the_answer(world: World) -> None:
    world.asks(GET)
    world.durable()
    world.dials()


def cluster_leaves_before_the_answer(world: World) -> None:
    client_leaves_before_the_answer(world)
    world.upstream.lost("reset")


def tunnel(path: str, fields: str, answer: bytes) -> Callable[[World], None]:
    def opens(world: World) -> None:
        world.use(POLICY.replace("[exec]", "[exec, port-forward]"))
        world.asks(upgrade(path, fields))
        world.durable()
        world.dials()
        world.answers(SWITCHED + answer + b"\r\n")
        assert world.client.raw is not None, world.pipe.sent

    return opens


STORIES: dict[str, Callable[[World], None]] = {
    "answered": answered,
    "refused": refused,
    "the client leaves before the record": client_leaves_before_the_record,
    "the client leaves before the answer": client_leaves_before_the_answer,
    "the cluster leaves before the answer": cluster_leaves_before_the_answer,
    "exec over WebSocket": tunnel(
        "exec?command=id&stdout=true",
        WEBSOCKET + "v5.channel.k8s.io",
        b"Upgrade: websocket\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n" + ACCEPTED,
    ),
    "exec over SPDY": tunnel(
        "exec?command=id&stdout=true", SPDY + "v4.channel.k8s.io", b"Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n"
    ),
    "port-forward over SPDY": tunnel(
        "portforward", SPDY + "portforward.k8s.io", b"Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: portforward.k8s.io\r\n"
    ),
    "port-forward tunnelled": tunnel(
        "portforward",
        WEBSOCKET + "SPDY/3.1+portforward.k8s.io",
        b"Upgrade: websocket\r\nSec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io\r\n" + ACCEPTED,
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_nothing_of_it_is_left(story: str) -> None:
    before = here()
    world = World()
    STORIES[story](world)
    world.client.lost("closed")
    world.turn.flush()
    if hasattr(world, "upstream"):
        world.upstream.lost("closed")
        world.turn.flush()
    vars(world).clear()  # legs refer to the gate, which stays
    assert here() - before == Counter()
