"""The small interfaces between an exchange and what is around it: transports, wire protocols, and the two ends of a stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from kgate.wire.events import Event, Headers, RequestHead


class Transport(Protocol):
    """What carries a leg's bytes. ``congested``: more is buffered than should be; ``drained`` of the owner follows."""

    @property
    def congested(self) -> bool:
        """Whether the source should pause."""

    @property
    def unsent(self) -> bool:
        """Whether bytes are on their way that the peer has not got yet."""

    def write(self, data: bytes) -> None:
        """Send now or as soon as possible."""

    def pause_reading(self) -> None:
        """Let the peer's bytes wait."""

    def resume_reading(self) -> None:
        """Let them come."""

    def pass_through(self) -> None:
        """From now on what comes goes straight out again: give it on as it is decrypted, not all of a read together, and gather what is sent."""

    def close(self, patient: bool = False) -> None:
        """Flush and end, aborted after a few seconds in which the peer takes nothing; ``patient``: after the minutes that a slow reader has."""

    def part(self) -> None:
        """Leave the end to the peer, which has been told to go; close if it does not go soon."""

    def abort(self) -> None:
        """End at once."""


class ClientTransport(Transport, Protocol):
    """A client's connection as its leg begins."""

    @property
    def alpn(self) -> str | None:
        """The protocol agreed on by ALPN, None where the client sent no ALPN."""

    @property
    def peer_certificate(self) -> bytes | None:
        """The client's certificate in DER, verified, or None."""


class Flushable(Protocol):
    """What a turn flushes."""

    def flush(self) -> None:
        """Send what is there to be sent."""


class Turn(Protocol):
    """Flushes each marked connection once, at the end of the current turn."""

    def mark(self, connection: Flushable) -> None:
        """Have it flushed."""


class Wire(Protocol):
    """What HTTP/1.1 and HTTP/2 have in common, either role."""

    @property
    def closing(self) -> bool:
        """Close once the bytes are out."""

    @property
    def idle(self) -> bool:
        """No stream is open and nothing is half received."""

    @property
    def paused(self) -> bool:
        """Whether the transport should not read (HTTP/1.1 only: HTTP/2 has windows)."""

    @property
    def backlog(self) -> bool:
        """Whether ``resume_sending`` would send more at once (HTTP/2 only)."""

    def pause_sending(self) -> None:
        """The transport is full: keep DATA back (HTTP/2 only)."""

    def resume_sending(self) -> list[Event]:
        """The transport drained: send on, in turns; the streams whose queue emptied (HTTP/2 only)."""

    def receive(self, data: bytes) -> list[Event]:
        """Bytes in, facts out."""

    def receive_eof(self) -> list[Event]:
        """The peer sends no more."""

    def data_to_send(self) -> bytes:
        """Drain what is to be sent."""

    def send_data(self, stream: int, data: bytes, end: bool = False) -> int:
        """Body bytes; gives how many of the stream's bytes still wait for the peer's window."""

    def queued(self, stream: int) -> int:
        """Bytes of the stream's body that wait (HTTP/2 only)."""

    def send_trailers(self, stream: int, headers: Headers) -> None:
        """The trailer section, which ends the message."""

    def consumed(self, stream: int, credit: int) -> None:
        """Received body bytes went on."""

    def reset(self, stream: int, code: int) -> None:
        """End the stream at once."""


class ServerWire(Wire, Protocol):
    """The role that faces clients."""

    @property
    def date(self) -> Callable[[], Headers]:
        """Gives the Date of an answer that is made here and now."""

    def send_information(self, stream: int, status: int, headers: Headers) -> None:
        """A 1xx answer."""

    def switch(self, stream: int, headers: Headers) -> bytes:
        """Answer 101 (HTTP/1.1 only); gives the bytes that came after the request."""

    def takes(self, headers: Headers) -> bool:
        """Whether the client takes so many fields (HTTP/2: as it announced)."""

    def send_response(self, stream: int, status: int, headers: Headers, end: bool) -> None:
        """The answer's head."""

    def shutdown(self) -> None:
        """Take no new streams; close after the last one."""


class ClientWire(Wire, Protocol):
    """The role that faces clusters."""

    @property
    def capacity(self) -> int:
        """How many requests may be opened now."""

    @property
    def reusable(self) -> bool:
        """Whether another request may follow on this connection."""

    @property
    def unheard(self) -> bool:
        """Whether the request under way may be asked again, for the server may never have seen it (HTTP/1.1 only)."""

    def open(self, head: RequestHead, end: bool, upgrade: bytes = b"") -> int:
        """Send a request's head; gives its stream. ``upgrade`` is HTTP/1.1's only."""


class Loss(NamedTuple):
    """Why a stream ended before its end. ``unprocessed``: the peer says that it never looked at it, so it may be asked again elsewhere."""

    text: str
    unprocessed: bool = False


class Requester(Protocol):
    """Who sent a request upstream and waits for its answer."""

    def upstream_information(self, status: int, headers: Headers) -> None:
        """A 1xx answer other than 101."""

    def upstream_response(self, status: int, headers: Headers, ended: bool) -> None:
        """The answer's head."""

    def upstream_upgraded(self, headers: Headers, rest: bytes) -> None:
        """101: raw bytes follow, ``rest`` being the first."""

    def upstream_data(self, data: bytes, credit: int) -> None:
        """Body bytes."""

    def upstream_trailers(self, headers: Headers) -> None:
        """The trailer section."""

    def upstream_ended(self) -> None:
        """The answer is complete."""

    def upstream_writable(self) -> None:
        """Queued request bytes went out."""

    def upstream_lost(self, loss: Loss) -> None:
        """The stream or its connection is gone."""


class Responder(Protocol):
    """Who answers one of a client's requests."""

    def client_data(self, data: bytes, credit: int) -> None:
        """Body bytes."""

    def client_trailers(self, headers: Headers) -> None:
        """The trailer section."""

    def client_ended(self) -> None:
        """The request is complete."""

    def client_writable(self) -> None:
        """Queued response bytes went out."""

    def client_lost(self, loss: Loss) -> None:
        """The stream or its connection is gone."""


class Skipping(Protocol):
    """Takes the rest of a request that has its answer."""

    def look(self, now: float, seconds: float) -> bool:
        """Called a few times a second: whether there may still be something to take. It has so many seconds for all of it."""


class RawSide(Protocol):
    """Takes a leg's bytes after a 101."""

    def received(self, data: bytes) -> None:
        """Bytes from this side."""

    def ended(self) -> None:
        """This side sends no more."""

    def lost(self, reason: str) -> None:
        """This side is gone."""

    def drained(self) -> None:
        """This side takes bytes again."""
