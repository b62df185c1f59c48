"""Clients of the scenarios that h2load has no words for: watches, upgrades, connections that stay idle. Blocking TLS sockets, kgate's own engine."""

from __future__ import annotations

import base64
import os
import select
import socket
import ssl
import time
from collections.abc import Iterable, Sequence

from bench.crowd import HEADERS
from bench.ground import Person
from kgate.wire import http2
from kgate.wire.events import DataReceived, Event, RequestHead, ResponseReceived, StreamEnded

WAIT_SECONDS = 10.0


def connect(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    """A TLS connection, its handshake complete."""
    sock = socket.create_connection(("127.0.0.1", port), WAIT_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(sock, server_hostname="localhost")


class Http2Client:
    """One person's connection."""

    def __init__(self, port: int, context: ssl.SSLContext, person: Person) -> None:
        self.tls = connect(port, context)
        self._wire = http2.ClientConnection(http2.Http2Limits(initial_window=1 << 20, connection_window=1 << 26), time.monotonic)
        self._headers = [(name.encode(), value.encode()) for name, _, value in (header.partition(": ") for header in HEADERS)]
        self._headers.append((b"authorization", b"Bearer " + person.token.encode()))

    def ask(self, path: str) -> int:
        """Send a GET; its stream."""
        stream = self._wire.open(RequestHead(b"GET", path.encode(), b"localhost", list(self._headers)), True)
        self._send()
        return stream

    def events(self) -> list[Event]:
        """What one read gives; what came is given back as credit."""
        events = self._wire.receive(self.tls.recv(1 << 18))
        for event in events:
            if isinstance(event, DataReceived):
                self._wire.consumed(event.stream, event.credit)
        self._send()
        return events

    def get(self, path: str) -> int:
        """Ask and wait for the end of the answer; its status."""
        stream, status = self.ask(path), 0
        while True:
            for event in self.events():
                if isinstance(event, ResponseReceived) and event.stream == stream:
                    status = event.status
                if (isinstance(event, ResponseReceived) and event.ended) or (isinstance(event, StreamEnded) and event.stream == stream):
                    return status

    def watch(self, path: str, count: int) -> None:
        """Begin so many watches and wait until all are answered 200."""
        for _ in range(count):
            self.ask(path)
        while count:
            for event in self.events():
                if isinstance(event, ResponseReceived):
                    if event.status != 200:
                        raise RuntimeError(f"a watch was answered {event.status}")
                    count -= 1

    def close(self) -> None:
        """Just end."""
        self.tls.close()

    def _send(self) -> None:
        data = self._wire.data_to_send()
        if data:
            self.tls.sendall(data)


def get_anew(port: int, context: ssl.SSLContext, person: Person, path: str) -> None:
    """A connection for one GET. Raises RuntimeError where that is not answered 200."""
    client = Http2Client(port, context, person)
    status = client.get(path)
    client.close()
    if status != 200:
        raise RuntimeError(f"answered {status}")


def count_events(clients: Sequence[Http2Client], seconds: float) -> int:
    """How many lines all ``clients`` receive in that time."""
    poll = select.poll()
    by_descriptor = {client.tls.fileno(): client for client in clients}
    for descriptor in by_descriptor:
        poll.register(descriptor, select.POLLIN)
    end, count = time.monotonic() + seconds, 0
    while (left := end - time.monotonic()) > 0:
        ready: Iterable[Http2Client] = [by_descriptor[descriptor] for descriptor, _ in poll.poll(left * 1000)]
        for client in ready:
            count += sum(event.data.count(b"\n") for event in client.events() if isinstance(event, DataReceived))
            while client.tls.pending():
                count += sum(event.data.count(b"\n") for event in client.events() if isinstance(event, DataReceived))
    return count


def open_exec(port: int, context: ssl.SSLContext, person: Person, cluster: str, command: str) -> ssl.SSLSocket:
    """An exec over WebSocket, answered 101."""
    tls = connect(port, context)
    path = f"/clusters/{cluster}/api/v1/namespaces/team-1/pods/web-1/exec?command={command}&stdin=true&stdout=true"
    key = base64.b64encode(os.urandom(16)).decode()
    head = (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {person.token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n"
    )
    tls.sendall(head.encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += tls.recv(1)
    if not answer.startswith(b"HTTP/1.1 101"):
        raise RuntimeError(f"the upgrade was answered {answer[:200]!r}")
    return tls


def stdin_message(payload: bytes) -> bytes:
    """``payload`` as a masked message on channel 0, whatever its size."""
    size, mask = len(payload) + 1, b"\x11\x22\x33\x44"
    length = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    clear = b"\x00" + payload
    repeated = (mask * (size // 4 + 1))[:size]
    masked = (int.from_bytes(clear, "big") ^ int.from_bytes(repeated, "big")).to_bytes(size, "big")
    return b"\x82" + length + mask + masked
