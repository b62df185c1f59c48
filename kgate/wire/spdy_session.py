"""One end of a SPDY/3.1 connection, for whoever is an endpoint: the demo cluster's server side, and clients in tests. Sans-IO.

The server answers ``Opened`` with ``reply`` (kubectl waits for it), sends on the streams that the client opened, and closes its half of each
with ``fin=True``. PINGs of the peer are echoed here.
"""

from __future__ import annotations

from typing import NamedTuple

from kgate.wire import spdy
from kgate.wire.errors import LocalProtocolError
from kgate.wire.spdy_follow import Data, DataStarted, Follower, GoneAway, Pinged, SpdyEvent, StreamOpened, StreamReplied, StreamReset
from kgate.wire.spdy_headers import Compressor, HeaderPairs

_PIECE = 32 * 1024
"""Payload of one DATA frame of ours."""


class Opened(NamedTuple):
    """The client opened a stream; header names are lower-case. ``ended``: it will send nothing on it."""

    stream: int
    headers: HeaderPairs
    ended: bool


class Replied(NamedTuple):
    """The server took a stream of ours; ``ended``: it will send nothing on it."""

    stream: int
    ended: bool


class Received(NamedTuple):
    """Payload on a stream; may be empty. ``ended``: the peer's half is closed with it."""

    stream: int
    data: bytes
    ended: bool


class Reset(NamedTuple):
    """The peer ended a stream at once."""

    stream: int
    status: int


class Farewell(NamedTuple):
    """GOAWAY: no more streams."""

    last_good: int


class Ponged(NamedTuple):
    """The echo of a PING of ours."""

    identifier: int


class Failed(NamedTuple):
    """The peer broke the protocol: close. The last event."""

    text: str


SessionEvent = Opened | Replied | Received | Reset | Farewell | Ponged | Failed


class Session:
    """See the module. ``client`` chooses the side."""

    def __init__(self, *, client: bool = False) -> None:
        self._client = client
        self._events: list[SpdyEvent] = []
        self._follower = Follower(not client, self._events.append)
        self._headers = Compressor()
        self._out: list[bytes] = []
        self._next_stream = 1
        self._next_ping = 1 if client else 2
        self._failed = False

    def receive(self, data: bytes) -> list[SessionEvent]:
        """Bytes of the peer's; what they mean."""
        if self._failed:
            return []
        passage = self._follower.feed(data)
        found = [meant for event in self._events if (meant := self._meaning(event)) is not None]
        self._events.clear()
        if passage.failure:
            self._failed = True
            found.append(Failed(passage.failure))
        return found

    def open(self, headers: HeaderPairs, *, fin: bool = False) -> int:
        """Open a stream (client); gives its identifier. Names have to be lower-case."""
        if not self._client:
            raise LocalProtocolError("only the client opens SPDY streams here")
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        payload = stream.to_bytes(4, "big") + bytes(6) + self._headers.write(headers)
        self._out.append(spdy.control_frame(spdy.SYN_STREAM, payload, spdy.FIN if fin else 0))
        return stream

    def reply(self, stream: int, headers: HeaderPairs | None = None, *, fin: bool = False) -> None:
        """Take a stream (server)."""
        payload = stream.to_bytes(4, "big") + self._headers.write(headers or [])
        self._out.append(spdy.control_frame(spdy.SYN_REPLY, payload, spdy.FIN if fin else 0))

    def send(self, stream: int, data: bytes, *, fin: bool = False) -> None:
        """Queue payload, in frames of at most 32 KiB."""
        for at in range(0, max(len(data), 1), _PIECE):
            last = at + _PIECE >= len(data)
            self._out.append(spdy.data_frame(stream, data[at : at + _PIECE], fin=fin and last))

    def reset(self, stream: int, status: int = spdy.CANCEL) -> None:
        """End a stream at once."""
        self._out.append(spdy.rst_stream(stream, status))

    def ping(self) -> int:
        """Ask for a sign of life; gives the identifier that ``Ponged`` will have."""
        identifier, self._next_ping = self._next_ping, self._next_ping + 2
        self._out.append(spdy.ping(identifier))
        return identifier

    def goaway(self) -> None:
        """The last frame: nothing behind it is read."""
        self._out.append(spdy.goaway(self._follower.last_opened))

    def data_to_send(self) -> bytes:
        """Drain what is queued."""
        out, self._out = self._out, []
        return b"".join(out)

    def _meaning(self, event: SpdyEvent) -> SessionEvent | None:
        if isinstance(event, Data):
            return Received(event.stream, bytes(event.raw), event.fin and not event.left)
        if isinstance(event, DataStarted):
            return None if event.length else Received(event.stream, b"", event.fin)
        if isinstance(event, StreamOpened):
            return Opened(event.stream, event.headers, event.fin)
        if isinstance(event, StreamReplied):
            return None if event.late else Replied(event.stream, event.fin)
        if isinstance(event, StreamReset):
            return Reset(event.stream, event.status)
        if isinstance(event, GoneAway):
            return Farewell(event.last_good)
        if isinstance(event, Pinged):
            return self._pinged(event.identifier)
        return None

    def _pinged(self, identifier: int) -> Ponged | None:
        if bool(identifier & 1) is self._client:
            return Ponged(identifier)
        self._out.append(spdy.ping(identifier))
        return None
