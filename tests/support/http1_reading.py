"""What HTTP/1.1 readers make of bytes, in one shape: ours in either role, and h11 in the same."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import h11

from kgate.wire.events import (
    ConnectionFailed,
    DataReceived,
    Event,
    Headers,
    InformationReceived,
    RequestHead,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from kgate.wire.http1 import ClientConnection, Http1Limits, ServerConnection

FRAMING = frozenset({b"host", b"transfer-encoding"})
"""Headers that our engine takes out: the first is ``authority``, the second the body's own affair."""
ROOMY = 16 * 1024 * 1024


class Message(NamedTuple):
    """A message that was read whole. ``start`` is method and target, or the status."""

    start: tuple[bytes, ...]
    headers: Headers
    body: bytes
    trailers: Headers


class Reading(NamedTuple):
    """All that could be read. ``refused``: what follows is not HTTP/1.1 to this reader; otherwise it is not there."""

    messages: list[Message]
    refused: bool


def pieces(data: bytes, cuts: set[int]) -> list[bytes]:
    """``data`` cut at these places."""
    edges = [0, *sorted(cut for cut in cuts if 0 < cut < len(data)), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def joined(events: list[Event]) -> list[Event]:
    """Events with adjacent pieces of a body put together: where they are cut says nothing."""
    found: list[Event] = []
    for event in events:
        last = found[-1] if found else None
        if isinstance(event, DataReceived) and isinstance(last, DataReceived):
            found[-1] = DataReceived(event.stream, last.data + event.data, last.credit + event.credit)
        else:
            found.append(event)
    return found


def server_events(chunks: list[bytes], limits: Http1Limits | None = None, *, answering: bool = True) -> list[Event]:
    """What our server tells of a client's bytes; it answers each request when it is whole, so that the next is read."""
    server, events = ServerConnection(limits), list[Event]()
    for chunk in chunks:
        found = server.receive(chunk)
        while found:
            events += found
            for event in found:
                if answering and (isinstance(event, StreamEnded) or (isinstance(event, RequestReceived) and event.ended)):
                    server.send_response(event.stream, 200, [], True)
            found = server.receive(b"") if server.has_more else []
    return joined(events)


def client_events(chunks: list[bytes], method: bytes = b"GET", limits: Http1Limits | None = None, *, eof: bool = False) -> list[Event]:
    """What our client tells of a server's answer to one request."""
    client, events = ClientConnection(limits), list[Event]()
    client.open(RequestHead(method, b"/", b"a", []), True)
    for chunk in chunks:
        events += client.receive(chunk)
    if eof:
        events += client.receive_eof()
    return joined(events)


def _whole(events: list[Event]) -> Reading:
    """Our events as messages."""
    messages: list[Message] = []
    head: Message | None = None
    for event in events:
        match event:
            case RequestReceived(_, RequestHead(method, target, _, headers), ended):
                head = Message((method, target), _unframed(headers), b"", [])
                ended_here = ended
            case ResponseReceived(_, status, headers, ended):
                head = Message((b"%d" % status,), _unframed(headers), b"", [])
                ended_here = ended
            case InformationReceived(_, status, headers):
                messages.append(Message((b"%d" % status,), _unframed(headers), b"", []))
                continue
            case DataReceived(_, data) if head is not None:
                head, ended_here = head._replace(body=head.body + data), False
            case TrailersReceived(_, trailers) if head is not None:
                head, ended_here = head._replace(trailers=trailers), False
            case StreamEnded():
                ended_here = True
            case _:
                ended_here = False
        if ended_here and head is not None:
            messages.append(head)
            head = None
    return Reading(messages, any(isinstance(event, ConnectionFailed | StreamReset) for event in events))


def our_server(data: bytes) -> Reading:
    """Requests."""
    return _whole(server_events([data], Http1Limits(unconsumed=ROOMY)))


def our_client(data: bytes, method: bytes = b"GET") -> Reading:
    """The answer to one request, and what informs before it."""
    return _whole(client_events([data], method, Http1Limits(unconsumed=ROOMY)))


def h11_server(data: bytes) -> Reading:
    """The same by h11."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=ROOMY)
    connection.receive_data(data)
    messages: list[Message] = []
    while True:
        reading = _read(connection)
        messages += reading.messages
        if reading.refused or not reading.messages:
            return Reading(messages, reading.refused)
        try:
            connection.send(h11.Response(status_code=200, headers=[(b"content-length", b"0")]))
            connection.send(h11.EndOfMessage())
            connection.start_next_cycle()
        except h11.LocalProtocolError:
            return Reading(messages, False)


def h11_client(data: bytes, method: bytes = b"GET") -> Reading:
    """The same by h11."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=ROOMY)
    connection.send(h11.Request(method=method, target=b"/", headers=[(b"host", b"a")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    return _read(connection)


def _read(connection: h11.Connection) -> Reading:
    messages: list[Message] = []
    head, body = Message((), [], b"", []), b""
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError:
            return Reading(messages, True)
        match event:
            case h11.Request():
                head, body = Message((event.method, event.target), _unframed(list(event.headers)), b"", []), b""
            case h11.InformationalResponse():
                messages.append(Message((b"%d" % event.status_code,), _unframed(list(event.headers)), b"", []))
            case h11.Response():
                head, body = Message((b"%d" % event.status_code,), _unframed(list(event.headers)), b"", []), b""
            case h11.Data():
                body += bytes(event.data)
            case h11.EndOfMessage():
                messages.append(head._replace(body=body, trailers=list(event.headers)))
                return Reading(messages, False)
            case _:
                return Reading(messages, False)


def _unframed(headers: Headers) -> Headers:
    return [(bytes(name), bytes(value)) for name, value in headers if name not in FRAMING]
