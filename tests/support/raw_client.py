"""Clients that say exactly what a test wants: bytes over TLS, and HTTP/2 by the h2 library with its own checks switched off."""

from __future__ import annotations

import socket
import ssl
from types import TracebackType

import h2.config
import h2.connection
import h2.events

SECONDS = 30.0
"""Without a byte, before a test is given up."""


def connected(port: int) -> socket.socket:
    """A TCP connection that sends at once, as Go's and curl's do: the first request would else wait for the acknowledgement of the handshake."""
    raw = socket.create_connection(("127.0.0.1", port), SECONDS)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return raw


class RawClient:
    """Bytes over TLS. ``alpn`` None is what kubectl's upgrade connections do."""

    def __init__(self, port: int, context: ssl.SSLContext, alpn: list[str] | None = None) -> None:
        context.set_alpn_protocols(alpn or ["http/1.1"])
        raw = connected(port)
        self.tls = context.wrap_socket(raw, server_hostname="localhost")
        self.buffer = b""

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.tls.close()

    def send(self, data: bytes) -> None:
        """All of it."""
        self.tls.sendall(data)

    def receive(self) -> bytes:
        """Some bytes; empty where the gate closed, politely or not."""
        try:
            return self.tls.recv(65536)
        except (ConnectionError, ssl.SSLEOFError):
            return b""

    def until(self, mark: bytes) -> bytes:
        """Everything up to and with ``mark``; less where the connection ends first."""
        while mark not in self.buffer:
            data = self.receive()
            if not data:
                rest, self.buffer = self.buffer, b""
                return rest
            self.buffer += data
        before, _, self.buffer = self.buffer.partition(mark)
        return before + mark

    def rest(self) -> bytes:
        """Everything until the gate closes."""
        while data := self.receive():
            self.buffer += data
        rest, self.buffer = self.buffer, b""
        return rest

    def status(self) -> int:
        """The next final answer's status; its head and Content-Length body are read. 0 where the gate closed without one."""
        head = self.until(b"\r\n\r\n")
        while head.startswith(b"HTTP/1.1 1") and not head.startswith(b"HTTP/1.1 101"):
            head = self.until(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 "):
            return 0
        self.last_head = head
        self.last_body = b""
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line[15:])
                while len(self.buffer) < length:
                    self.buffer += self.receive() or b" " * length
                self.last_body, self.buffer = self.buffer[:length], self.buffer[length:]
        return int(head[9:12])


class Http2Client:
    """HTTP/2 by the h2 library, which with its validation off sends whatever it is given."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        context.set_alpn_protocols(["h2"])
        raw = connected(port)
        self.tls = context.wrap_socket(raw, server_hostname="localhost")
        config = h2.config.H2Configuration(
            client_side=True,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
            validate_inbound_headers=False,
            header_encoding=None,
        )
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        self.flush()
        self.events: list[h2.events.Event] = []
        self.closed = False

    def __enter__(self) -> Http2Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.tls.close()

    def flush(self) -> None:
        """Send what h2 queued."""
        try:
            self.tls.sendall(self.h2.data_to_send())
        except (ConnectionError, ssl.SSLError):
            self.closed = True

    def raw(self, data: bytes) -> None:
        """Send frames of the test's own making."""
        try:
            self.tls.sendall(data)
        except (ConnectionError, ssl.SSLError):
            self.closed = True

    def get(self, headers: list[tuple[bytes, bytes]], *, end: bool = True) -> int:
        """Open a stream."""
        stream: int = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, headers, end_stream=end)
        self.flush()
        return stream

    def turn(self) -> bool:
        """Read once; False where the gate closed."""
        try:
            data = self.tls.recv(65536)
        except (ConnectionError, ssl.SSLEOFError):
            data = b""
        if not data:
            self.closed = True
            return False
        self.events += self.h2.receive_data(data)
        self.flush()
        return True

    def outcome(self, stream: int) -> int | str:
        """How ``stream`` ended: its status, ``reset`` or ``closed`` (the connection is gone, or going)."""
        while True:
            for event in self.events:
                if isinstance(event, h2.events.StreamReset) and event.stream_id == stream:
                    return "reset"
                if isinstance(event, h2.events.ResponseReceived) and event.stream_id == stream:
                    return int(dict(event.headers)[b":status"])
                if isinstance(event, h2.events.ConnectionTerminated):
                    return "closed"
            if not self.turn():
                return "closed"
