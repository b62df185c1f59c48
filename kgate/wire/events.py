"""What HTTP/1.1 and HTTP/2 connections have in common: the past facts that ``receive()`` gives.

Both engines are sans-IO: bytes go in by ``receive(data)``, which returns a list of these events; what is to be sent is asked for by method
calls and fetched by ``data_to_send()``. Neither knows a socket, a clock or Kubernetes. Events are named tuples: immutable, and the
cheapest values that Python makes, for several of them are made for each request.

Header names are lower-case bytes without the pseudo headers; values are bytes with no white space around them; order is kept. A ``stream``
is HTTP/2's stream identifier; on HTTP/1.1 it counts the requests of the connection from 1.

A peer's mistake is a value too: ``ConnectionFailed`` is the last event of a connection, after which ``data_to_send()`` may still hold
the answer (a 400, a GOAWAY) and nothing more is read.
"""

from __future__ import annotations

from typing import NamedTuple

Headers = list[tuple[bytes, bytes]]


class SharedFields:
    """Fields that many requests begin with. What they look like on the wire is kept with them by who sends them: ``coded`` over HTTP/2, ``lines``
    over HTTP/1.1."""

    __slots__ = ("coded", "fields", "lines")

    def __init__(self, fields: Headers) -> None:
        self.fields = fields
        self.coded: bytes | None = None
        self.lines: bytes | None = None


class RequestHead(NamedTuple):
    """A request without its body. ``target`` is the raw request target, never decoded; ``authority`` is Host or ``:authority``.

    ``shared``, where it is there, are the first of ``headers``.
    """

    method: bytes
    target: bytes
    authority: bytes
    headers: Headers
    shared: SharedFields | None = None


class RequestReceived(NamedTuple):
    """A request's head arrived whole; ``ended``: no body follows. ``upgrade`` is the lower-cased Upgrade value of HTTP/1.1, or empty."""

    stream: int
    head: RequestHead
    ended: bool
    upgrade: bytes = b""


class InformationReceived(NamedTuple):
    """A 1xx answer other than 101 (client role only)."""

    stream: int
    status: int
    headers: Headers


class ResponseReceived(NamedTuple):
    """A response's head arrived whole; ``ended``: no body follows (client role only)."""

    stream: int
    status: int
    headers: Headers
    ended: bool


class UpgradeAccepted(NamedTuple):
    """The upstream answered 101 (HTTP/1.1 client role only). From here on the connection carries ``rest`` and then raw bytes."""

    stream: int
    headers: Headers
    rest: bytes


class DataReceived(NamedTuple):
    """Body bytes. ``credit`` is what to give back by ``consumed(stream, credit)`` once they went on (HTTP/2 counts padding too)."""

    stream: int
    data: bytes
    credit: int


class TrailersReceived(NamedTuple):
    """The trailer section; ``StreamEnded`` follows."""

    stream: int
    headers: Headers


class StreamEnded(NamedTuple):
    """The peer's half of the stream is complete. Not sent where the head event said ``ended``."""

    stream: int


class StreamReset(NamedTuple):
    """The stream is over at once: RST_STREAM from the peer, or our answer to a mistake of the peer's in this stream alone."""

    stream: int
    code: int
    by_peer: bool


class StreamWritable(NamedTuple):
    """What was queued for this stream went out (HTTP/2: the peer gave credit; both: the transport drained)."""

    stream: int


class GoawayReceived(NamedTuple):
    """The peer opens no further streams; streams above ``last_stream`` were not processed and may be tried again elsewhere."""

    last_stream: int
    code: int


class ConnectionFailed(NamedTuple):
    """The peer broke the protocol. ``status`` is the HTTP status that fits, ``code`` HTTP/2's error code, ``text`` one line for the log."""

    status: int
    code: int
    text: str


Event = (
    RequestReceived
    | InformationReceived
    | ResponseReceived
    | UpgradeAccepted
    | DataReceived
    | TrailersReceived
    | StreamEnded
    | StreamReset
    | StreamWritable
    | GoawayReceived
    | ConnectionFailed
)
