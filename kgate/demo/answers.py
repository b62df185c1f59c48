"""What an answer is: a whole reply, or something that goes on, or the opening of a tunnel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import orjson
from attrs import field, frozen

from kgate.demo.schema import Object
from kgate.demo.status import Refusal

JSON = "application/json"


class Sink(Protocol):
    """Where a body that goes on is written to."""

    @property
    def congested(self) -> bool:
        """Whether the client reads more slowly than is written."""

    def write(self, data: bytes) -> None:
        """More of the body."""

    def end(self) -> None:
        """It is complete."""


class Source(Protocol):
    """A body that goes on. Exactly one of ``Sink.end`` and ``stop`` ends it."""

    def start(self, sink: Sink) -> None:
        """Begin to write."""

    def resume(self) -> None:
        """The sink is no longer congested."""

    def stop(self) -> None:
        """Nobody reads any more."""


@frozen
class Reply:
    """A whole answer."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


@frozen
class Flow:
    """An answer that goes on."""

    source: Source
    content_type: str
    headers: tuple[tuple[str, str], ...] = field(default=())


class Link(Protocol):
    """The raw connection below a tunnel, both ways."""

    @property
    def congested(self) -> bool:
        """Whether the client reads more slowly than is written."""

    def write(self, data: bytes) -> None:
        """Bytes for the client."""

    def pause(self) -> None:
        """Let the client's bytes wait."""

    def resume(self) -> None:
        """Let them come."""

    def close(self) -> None:
        """Flush and end."""


class Tunnel(Protocol):
    """What speaks on a connection after 101."""

    def opened(self, link: Link) -> None:
        """The connection is the tunnel's."""

    def received(self, data: bytes) -> None:
        """Bytes from the client."""

    def drained(self) -> None:
        """The link is no longer congested."""

    def lost(self) -> None:
        """The connection is gone."""


@frozen
class Switch:
    """A 101 with these headers, and what speaks from then on."""

    headers: tuple[tuple[str, str], ...]
    tunnel: Callable[[], Tunnel]


Answer = Reply | Flow | Switch


def reply(thing: Object, status: int = 200, content_type: str = JSON, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """An object as the whole answer."""
    return Reply(status, orjson.dumps(thing) + b"\n", content_type, headers)


def refused(refusal: Refusal) -> Reply:
    """A Status as the whole answer."""
    return reply(refusal.status(), refusal.code)
