"""What HTTP/1.1 and HTTP/2 connections have in common: the past facts that ``receive()`` gives.

Both engines are sans-IO: bytes go in by ``receive(data)``, which returns a list of these events; what is to be sent is asked for by method
calls and fetched by ``data_to_send()``. Neither knows a socket, a clock or Kubernetes. Events are the plainest of classes:
several of them are made for each request, and compiled ones cost a tenth of what a named tuple costs.

Header names are lower-case bytes without the pseudo headers; values are bytes with no white space around them; order is kept. A ``stream``
is HTTP/2's stream identifier; on HTTP/1.1 it counts the requests of the connection from 1.

A peer's mistake is a value too: ``ConnectionFailed`` is the last event of a connection, after which ``data_to_send()`` may still hold
the answer (a 400, a GOAWAY) and nothing more is read.
"""

from __future__ import annotations

from typing import ClassVar, Final

Headers = list[tuple[bytes, bytes]]


class Event:
    """Something that is said once and never changed. Two of a kind that say the same are equal."""

    __match_args__: ClassVar[tuple[str, ...]] = ()

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and all(getattr(self, name) == getattr(other, name) for name in self.__match_args__)

    __hash__ = None  # type: ignore[assignment]  # what they hold are lists

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self.__match_args__)})"


class StreamEvent(Event):
    """An event of one stream."""

    def __init__(self, stream: int) -> None:
        self.stream: Final = stream


class SharedFields:
    """Fields that many requests begin with. What they look like on the wire is kept with them by who sends them: ``coded`` over HTTP/2, ``lines``
    over HTTP/1.1."""

    __slots__ = ("coded", "fields", "lines")

    def __init__(self, fields: Headers) -> None:
        self.fields = fields
        self.coded: bytes | None = None
        self.lines: bytes | None = None


class RequestHead(Event):
    """A request without its body. ``target`` is the raw request target, never decoded; ``authority`` is Host or ``:authority``.

    ``shared``, where it is there, are the first of ``headers``.
    """

    __match_args__: ClassVar[tuple[str, ...]] = ("method", "target", "authority", "headers", "shared")

    def __init__(self, method: bytes, target: bytes, authority: bytes, headers: Headers, shared: SharedFields | None = None) -> None:
        self.method: Final = method
        self.target: Final = target
        self.authority: Final = authority
        self.headers: Final = headers
        self.shared: Final = shared


class RequestReceived(StreamEvent):
    """A request's head arrived whole; ``ended``: no body follows. ``upgrade`` is the lower-cased Upgrade value of HTTP/1.1, or empty."""

    __match_args__: ClassVar[tuple[str, ...]] = ("stream", "head", "ended", "upgrade")

    def __init__(self, stream: int, head: RequestHead, ended: bool, upgrade: bytes = b"") -> None:
        super().__init__(stream)
        self.head: Final = head
        self.ended: Final = ended
        self.upgrade: Final = upgrade


class InformationReceived(StreamEvent):
    """A 1xx answer other than 101 (client role only)."""

    __match_args__: ClassVar[tuple[str, ...]] = ("stream", "status", "headers")

    def __init__(self, stream: int, status: int, headers: Headers) -> None:
        super().__init__(stream)
        self.status: Final = status
        self.headers: Final = headers


class ResponseReceived(StreamEvent):
    """A response's head arrived whole; ``ended``: no body follows (client role only)."""

    __match_args__: ClassVar[tuple[str, ...]] = ("stream", "status", "headers", "ended")

    def __init__(self, stream: int, status: int, headers: Headers, ended: bool) -> None:
        super().__init__(stream)
        self.status: Final = status
        self.headers: Final = headers
        self.ended: Final = ended


class UpgradeAccepted(StreamEvent):
    """The upstream answered 101 (HTTP/1.1 client role only). From here on the connection carries ``rest`` and then raw bytes."""

    __match_args__: ClassVar[tuple[str, ...]] = ("stream", "headers", "rest")

    def __init__(self, stream: int, headers: Headers, rest: bytes) -> None:
        super().__init__(stream)
        self.headers: Final = headers
        self.rest: Final = rest


class DataReceived(StreamEvent):
    """Body bytes. ``credit`` is what to give back by ``consumed(stream, credit)`` once they went on (HTTP/2 counts padding too)."""

    __match_args__: ClassVar[tuple[str, ...]] = ("stream", "data", "credit")

    def __init__(self, stream: int, data: bytes, credit: int) -> None:
        super().__init__(stream)
        self.data: Final = data
        self.credit: Final = credit


class TrailersReceived(StreamEvent):
    """The trailer section; ``StreamEnded`` follows."""

    __match_args__: ClassVar[tuple[str, ...]] = ("stream", "headers")

    def __init__(self, stream: int, headers: Headers) -> None:
        super().__init__(stream)
        self.headers: Final = headers


class StreamEnded(StreamEvent):
    """The peer's half of the stream is complete. Not sent where the head event said ``ended``."""

    __match_args__: ClassVar[tuple[str, ...]] = ("stream",)


class StreamReset(StreamEvent):
    """The stream is over at once: RST_STREAM from the peer, or our answer to a mistake of the peer's in this stream alone."""

    __match_args__: ClassVar[tuple[str, ...]] = ("stream", "code", "by_peer")

    def __init__(self, stream: int, code: int, by_peer: bool) -> None:
        super().__init__(stream)
        self.code: Final = code
        self.by_peer: Final = by_peer


class StreamWritable(StreamEvent):
    """What was queued for this stream went out (HTTP/2: the peer gave credit; both: the transport drained)."""

    __match_args__: ClassVar[tuple[str, ...]] = ("stream",)


class GoawayReceived(Event):
    """The peer opens no further streams; streams above ``last_stream`` were not processed and may be tried again elsewhere."""

    __match_args__: ClassVar[tuple[str, ...]] = ("last_stream", "code")

    def __init__(self, last_stream: int, code: int) -> None:
        self.last_stream: Final = last_stream
        self.code: Final = code


class ConnectionFailed(Event):
    """The peer broke the protocol. ``status`` is the HTTP status that fits, ``code`` HTTP/2's error code, ``text`` one line for the log."""

    __match_args__: ClassVar[tuple[str, ...]] = ("status", "code", "text")

    def __init__(self, status: int, code: int, text: str) -> None:
        self.status: Final = status
        self.code: Final = code
        self.text: Final = text
