"""One client's connection to the cluster: bytes to requests, answers to bytes, for HTTP/1.1 and HTTP/2 alike.

Requests are collected whole (at most ``BODY_MAX``), answered, and forgotten, but for answers that go on. Those write until as much as
``AHEAD`` is under way, and are told when it went. After a 101 the connection belongs to a tunnel.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable

from kgate.demo.answers import Answer, Flow, Reply, Source, Switch, Tunnel, refused
from kgate.demo.requests import Request, read_target
from kgate.demo.status import Refusal
from kgate.net.tls import TlsTransport
from kgate.net.turn import Turn
from kgate.wire.events import (
    ConnectionFailed,
    DataReceived,
    Event,
    Headers,
    RequestHead,
    RequestReceived,
    StreamEnded,
    StreamReset,
    StreamWritable,
)
from kgate.wire.http1_server import ServerConnection as Http1Server
from kgate.wire.http2 import Http2Limits
from kgate.wire.http2 import ServerConnection as Http2Server

BODY_MAX = 3 * 1024 * 1024
"""The API server's own bound."""
AHEAD = 256 * 1024
COMPRESSED_FROM = 128 * 1024
NO_ERROR = 0

LIMITS = Http2Limits(streams=250, header_list=1 << 20, initial_window=1 << 20, connection_window=4 << 20)


class _Conversation:
    """One request and its answer. It is the Sink of an answer that goes on."""

    def __init__(self, connection: Connection, stream: int, head: RequestHead, upgrade: bytes) -> None:
        self._connection, self.stream, self.head, self.upgrade = connection, stream, head, upgrade
        self.body = bytearray()
        self.source: Source | None = None

    @property
    def congested(self) -> bool:
        """See Sink."""
        return self._connection.congested(self.stream)

    def write(self, data: bytes) -> None:
        """See Sink."""
        self._connection.send(self.stream, data)

    def end(self) -> None:
        """See Sink."""
        self._connection.end(self.stream)


class Connection:
    """See the module. ``answer`` is the API; it is what the TLS transport carries."""

    def __init__(self, transport: TlsTransport, turn: Turn, now: Callable[[], float], answer: Callable[[Request], Answer]) -> None:
        self._transport, self._turn, self._answer = transport, turn, answer
        self._two = Http2Server(LIMITS, now) if transport.alpn == "h2" else None
        self._one = None if self._two else Http1Server()
        self._conversations: dict[int, _Conversation] = {}
        self._tunnel: Tunnel | None = None
        self._dirty = self._blocked = self._paused = self._closed = False
        self._unsent = 0
        self._touch()

    @property
    def _wire(self) -> Http1Server | Http2Server:
        wire = self._two or self._one
        assert wire is not None
        return wire

    # --- what the transport calls

    def received(self, data: bytes) -> None:
        """Bytes arrived."""
        if self._tunnel is not None:
            self._tunnel.received(data)
            return
        self._dispatch(self._wire.receive(data))
        self._touch()

    def ended(self) -> None:
        """The client sends no more. Nobody half-closes here and goes on reading."""
        if self._tunnel is None:
            self._dispatch(self._wire.receive_eof())
            self.flush()
        self._transport.close()

    def lost(self, reason: str) -> None:
        """The connection is gone."""
        self._closed = True
        if self._tunnel is not None:
            self._tunnel.lost()
        for stream in list(self._conversations):
            self._drop(stream)

    def drained(self) -> None:
        """The transport took what was buffered."""
        self._blocked = False
        if self._tunnel is not None:
            self._tunnel.drained()
            return
        if self._two is not None:
            self._dispatch(self._two.resume_sending())
        self._touch()

    # --- requests

    def _dispatch(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, RequestReceived):
                self._begun(event)
            elif isinstance(event, DataReceived):
                self._body(event)
            elif isinstance(event, StreamEnded):
                self._complete(event.stream)
            elif isinstance(event, StreamReset):
                self._drop(event.stream)
            elif isinstance(event, StreamWritable):
                self._resume(event.stream)
            elif isinstance(event, ConnectionFailed):
                for stream in list(self._conversations):
                    self._drop(stream)

    def _begun(self, event: RequestReceived) -> None:
        self._conversations[event.stream] = _Conversation(self, event.stream, event.head, event.upgrade)
        if event.ended or event.upgrade:
            self._complete(event.stream)
        elif self._one is not None:
            self._one.send_information(event.stream, 100, [])

    def _body(self, event: DataReceived) -> None:
        self._wire.consumed(event.stream, event.credit)
        conversation = self._conversations.get(event.stream)
        if conversation is None or conversation.source is not None:
            return
        conversation.body += event.data
        if len(conversation.body) > BODY_MAX:
            self._reply(conversation, refused(Refusal(413, "RequestEntityTooLarge", f"Request entity too large: limit is {BODY_MAX}")))
            self._wire.reset(event.stream, NO_ERROR)

    def _complete(self, stream: int) -> None:
        conversation = self._conversations.get(stream)
        if conversation is None:
            return
        answer = self._answer(_request(conversation))
        if isinstance(answer, Reply):
            self._reply(conversation, answer)
        elif isinstance(answer, Flow):
            self._flow(conversation, answer)
        else:
            self._switch(conversation, answer)

    # --- answers

    def _reply(self, conversation: _Conversation, answer: Reply) -> None:
        body, headers = answer.body, _headers(answer.content_type, answer.headers)
        if len(body) > COMPRESSED_FROM and b"gzip" in _header(conversation.head, b"accept-encoding"):
            body = gzip.compress(body, 1)
            headers += [(b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")]
        headers.append((b"content-length", b"%d" % len(body)))
        bare = conversation.head.method == b"HEAD" or not body
        self._wire.send_response(conversation.stream, answer.status, headers, bare)
        self._conversations.pop(conversation.stream, None)
        if not bare:
            self._wire.send_data(conversation.stream, body, True)
        self._next_request()

    def _flow(self, conversation: _Conversation, answer: Flow) -> None:
        self._wire.send_response(conversation.stream, 200, _headers(answer.content_type, answer.headers), False)
        conversation.source = answer.source
        answer.source.start(conversation)

    def _switch(self, conversation: _Conversation, answer: Switch) -> None:
        assert self._one is not None
        early = self._one.switch(conversation.stream, [(name.encode(), value.encode()) for name, value in answer.headers])
        self.flush()
        del self._conversations[conversation.stream]
        if self._paused:
            self._transport.resume_reading()
        self._tunnel = answer.tunnel()
        self._tunnel.opened(_TunnelLink(self._transport))
        if early:
            self._tunnel.received(early)

    def _next_request(self) -> None:
        """A pipelined request may wait."""
        if self._one is not None and self._one.has_more:
            self._dispatch(self._one.receive(b""))

    # --- what answers that go on call

    def congested(self, stream: int) -> bool:
        """Whether the stream has enough under way."""
        return self._blocked or self._unsent > AHEAD or (self._two is not None and self._two.queued(stream) > AHEAD)

    def send(self, stream: int, data: bytes) -> None:
        """More of a body."""
        self._unsent += len(data)
        self._wire.send_data(stream, data)
        self._touch()

    def end(self, stream: int) -> None:
        """A body is complete."""
        if self._conversations.pop(stream, None) is not None:
            self._wire.send_data(stream, b"", True)
            self._touch()
            self._next_request()

    def _resume(self, stream: int) -> None:
        conversation = self._conversations.get(stream)
        if conversation is not None and conversation.source is not None:
            conversation.source.resume()

    def _drop(self, stream: int) -> None:
        conversation = self._conversations.pop(stream, None)
        if conversation is not None and conversation.source is not None:
            conversation.source.stop()

    # --- sending

    def _touch(self) -> None:
        if not self._dirty and not self._closed:
            self._dirty = True
            self._turn.mark(self)

    def flush(self) -> None:
        """Send what is queued."""
        self._dirty = False
        if self._closed or self._tunnel is not None:
            return
        self._unsent = 0
        data = self._wire.data_to_send()
        if data:
            self._transport.write(data)
        if self._transport.congested:
            self._block()
        elif self._two is not None and self._two.backlog:
            self._dispatch(self._two.resume_sending())
            self._touch()
        if self._one is not None and self._one.paused is not self._paused:
            self._pause(not self._paused)
        if self._wire.closing:
            self._transport.close()
        elif not self._blocked:
            self._go_on()

    def _block(self) -> None:
        self._blocked = True
        if self._two is not None:
            self._two.pause_sending()

    def _pause(self, paused: bool) -> None:
        self._paused = paused
        if paused:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _go_on(self) -> None:
        """There is room: whoever follows something writes on."""
        for stream in list(self._conversations):
            if not self.congested(stream):
                self._resume(stream)


class _TunnelLink:
    """See Link."""

    def __init__(self, transport: TlsTransport) -> None:
        self._transport = transport

    @property
    def congested(self) -> bool:
        return self._transport.congested

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def pause(self) -> None:
        self._transport.pause_reading()

    def resume(self) -> None:
        self._transport.resume_reading()

    def close(self) -> None:
        self._transport.close()


def _header(head: RequestHead, name: bytes) -> bytes:
    return b", ".join([value for key, value in head.headers if key == name])


def _headers(content_type: str, more: tuple[tuple[str, str], ...]) -> Headers:
    return [
        (b"content-type", content_type.encode()),
        (b"cache-control", b"no-cache, private"),
        *((name.lower().encode(), value.encode()) for name, value in more),
    ]


def _request(conversation: _Conversation) -> Request:
    head = conversation.head
    path, query = read_target(head.target.decode("latin-1"))
    headers = [(name.decode("latin-1"), value.decode("utf-8", "replace")) for name, value in head.headers]
    return Request(head.method.decode(), path, query, headers, bytes(conversation.body), conversation.upgrade.decode("latin-1"))
