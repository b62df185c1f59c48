"""Both ends of a tunnel through a live gate, by hand: what the client says, what the cluster hears, and the other way round."""

from __future__ import annotations

import threading

from arena import HEAD, Arena
from lab.waiting import eventually
from raw_client import RawClient
from recording_cluster import Connection

_POD = b"/clusters/lab/api/v1/namespaces/a/pods/web/"
_WEBSOCKET = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
_ACCEPTED = b"Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
"""RFC 6455 section 1.3's own example."""
_SPDY = b"Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: 0\r\n"
_COMMAND = b"exec?command=cat&stdin=true&stdout=true"


class FarSide:
    """The cluster's end: answers 101 with ``headers`` and keeps all that arrives from then on in ``heard``."""

    def __init__(self, headers: bytes) -> None:
        self._answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n" + headers + b"\r\n"
        self._switched = threading.Event()
        self.head = b""
        self.heard = bytearray()
        self.closed = threading.Event()

    def __call__(self, connection: Connection, head: bytes) -> None:
        self.connection, self.head = connection, head
        connection.send(self._answer)
        self._switched.set()
        while data := connection.receive():
            self.heard += data
        self.closed.set()

    def say(self, data: bytes) -> None:
        """Send to the client, through the gate."""
        assert self._switched.wait(60), "the cluster was never asked"
        self.connection.send(data)

    def hears(self, count: int) -> bytes:
        """All that arrived, once that is at least ``count`` bytes."""
        eventually(f"{count} bytes at the cluster", lambda: len(self.heard) >= count)
        return bytes(self.heard)


class Tunnel:
    """A client, and the far side that it was connected to by a 101."""

    def __init__(self, arena: Arena, request: bytes, answer: bytes) -> None:
        self.arena, self.far = arena, FarSide(answer)
        self.records_before = len(arena.gate.records())
        arena.cluster.answer = self.far
        self.client: RawClient = arena.client()
        self.client.send(request + HEAD + b"\r\n")
        assert self.client.status() == 101, self.client.last_head
        self.head = self.client.last_head

    def __enter__(self) -> Tunnel:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.tls.close()

    def said_at_the_end(self) -> bytes:
        """All that the client reads until the gate closes; the cluster's side is closed then too."""
        rest = self.client.rest()
        assert self.far.closed.wait(60), "the cluster's connection stays open"
        return rest

    def ending(self) -> dict[str, object]:
        """The record of the tunnel's end."""

        def ended() -> list[dict[str, object]]:
            return [record for record in self.arena.gate.records()[self.records_before :] if record["event"] == "stream-end"]

        return eventually("the record of the end", ended)[-1]


def exec_over_websocket(arena: Arena, *lines: bytes) -> Tunnel:
    """exec with stdin and stdout, v5; ``lines`` are added to the client's head."""
    more = b"".join(line + b"\r\n" for line in lines)
    protocol = b"Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n"
    return Tunnel(arena, b"GET " + _POD + _COMMAND + b" HTTP/1.1\r\n" + _WEBSOCKET + protocol + more, _ACCEPTED + protocol)


def exec_over_spdy(arena: Arena) -> Tunnel:
    """exec with stdin and stdout, v4."""
    version = b"X-Stream-Protocol-Version: v4.channel.k8s.io\r\n"
    return Tunnel(arena, b"POST " + _POD + _COMMAND + b" HTTP/1.1\r\n" + _SPDY + version, b"Upgrade: SPDY/3.1\r\n" + version)


def forward_over_spdy(arena: Arena) -> Tunnel:
    """port-forward."""
    version = b"X-Stream-Protocol-Version: portforward.k8s.io\r\n"
    return Tunnel(arena, b"POST " + _POD + b"portforward HTTP/1.1\r\n" + _SPDY + version, b"Upgrade: SPDY/3.1\r\n" + version)


def forward_in_websocket(arena: Arena) -> Tunnel:
    """port-forward as kubectl 1.31 and later does it."""
    protocol = b"Sec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io\r\n"
    return Tunnel(arena, b"GET " + _POD + b"portforward HTTP/1.1\r\n" + _WEBSOCKET + protocol, _ACCEPTED + protocol)
