"""Tunnels whose WebSocket messages are what counts: exec and attach, port-forward's legacy form, watch, log, and what a proxied server speaks.

Where messages belong to channels their first payload byte names the channel. A message whose channel is unknown is refused before any of it
passes (fail closed: what is not followed does not go on).
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Container, Iterator
from enum import Enum
from typing import Final

from kgate.exchange.farewell import message, websocket_words
from kgate.exchange.inside import CLUSTER_STOPPED
from kgate.exchange.tally import Count, Direction, Tally
from kgate.kube.portforward import Forwarded, StreamType, legacy_announcement, legacy_channel
from kgate.kube.remotecommand import CLOSE_CHANNEL, FROM_CLIENT, FROM_CLUSTER, Channel, Dialect
from kgate.kube.watch import error_event
from kgate.model import Cause, Ending
from kgate.wire.passage import Passage
from kgate.wire.websocket import BINARY, CLOSE, FRAME_MAX, NORMAL, POLICY_VIOLATION, TEXT, Head, encode_close, encode_frame
from kgate.wire.websocket_follow import Follower, FrameStarted, nobody

OPAQUE_FRAME_MAX: Final = 1 << 62
"""A proxied server's frames are its own affair."""
_KEPT_MAX: Final = 16 * 1024

Classify = Callable[[FrameStarted], Count | str]
"""The count of the channel that a message's first non-empty frame names, or the sentence that refuses it."""


class Messages(Follower):
    """One direction: counts the payload of each message by its channel. ``lead``: bytes of the channel's name, 1 or 0."""

    __slots__ = ("_classify", "_lead", "_skip", "_tally", "close", "count", "counts", "keeps", "kept", "opcode")

    def __init__(
        self, masked: bool, classify: Classify, tally: Tally, *, lead: int, whole: Container[int] = (), frame_max: int = FRAME_MAX
    ) -> None:
        super().__init__(masked, nobody, whole, frame_max)
        self._classify, self._tally, self._lead = classify, tally, lead
        self._skip = 0
        self.count: Count | None = None
        """The channel of the message that passes or passed last; None before its first payload byte."""
        self.counts: dict[int, Count] = {}
        """Those that need no classifying any more, by the byte that names them."""
        self.close: Callable[[], str | None] = _no_objection
        """Asked before a Close passes."""
        self.opcode = 0
        """Of the message that passes or passed last: text or binary."""
        self.keeps: Count | None = None
        """The channel whose payload is ``kept``, the first 16 KiB of it."""
        self.kept = bytearray()

    def end(self) -> None:
        """See ``Inside``."""
        self._classify, self.close = _nothing, _no_objection
        super().end()

    def began(self, at: int, head: Head, first: bool, lead: int) -> str | None:
        """See ``Follower``: may be refused."""
        count = None if first else self.count
        if count is None and lead >= 0:
            found = self.counts.get(lead) or self._classify(FrameStarted(at, head, first, lead))
            if isinstance(found, str):
                return found
            count, self._skip = found, self._lead
        self.count = count
        if first:
            self.opcode = head.opcode
        return None

    def passed(self, at: int, data: bytes, size: int, offset: int) -> None:
        """See ``Follower``: counted, and kept or shown where somebody wants it."""
        count, skip, self._skip = self.count, self._skip, 0
        if count is None:
            return
        count.bytes += size - skip
        if self._tally.observe is not None or count is self.keeps:
            self._show(count, bytes(self._payload(at, data, size, offset).clear())[skip:])

    def ended(self, at: int) -> None:
        """See ``Follower``: nothing depends on it."""

    def controlled(self, at: int, opcode: int, payload: bytes) -> str | None:
        """See ``Follower``: a Close may be refused."""
        return self.close() if opcode == CLOSE else None

    def _show(self, count: Count, clear: bytes) -> None:
        if count is self.keeps:
            self.kept += clear[: _KEPT_MAX - len(self.kept)]
        if self._tally.observe is not None:
            self._tally.observe(count.direction, count.channel, clear)


def _no_objection() -> None:
    return None


def _nothing(event: FrameStarted) -> str:
    return "the tunnel is over"


class _BothWays:
    """What all WebSockets have in common: each direction is followed by itself."""

    _up: Messages
    _down: Messages

    def from_client(self, data: bytes) -> Passage:
        """See ``Inside``."""
        return self._up.feed(data)

    def from_cluster(self, data: bytes) -> Passage:
        """See ``Inside``."""
        return self._down.feed(data)

    def end(self) -> None:
        """See ``Inside``."""
        self._up.end()
        self._down.end()


class CommandWebSocket(_BothWays):
    """exec and attach. A Close of the cluster's without a ``Status`` before it is kept back: kubectl would exit 0 in silence."""

    def __init__(self, dialect: Dialect, tally: Tally) -> None:
        self._dialect, self._tally = dialect, tally
        self._error = Count(Direction.FROM_CLUSTER, Channel.ERROR.value)
        self._client_closed = False
        self._cause: Cause | None = None
        self._up = Messages(True, self._from_client, tally, lead=1)
        self._down = Messages(False, self._from_cluster, tally, lead=1, whole=dialect.lead(Channel.ERROR))
        self._up.close, self._down.close = self._client_closes, self._cluster_closes

    @property
    def cause(self) -> Cause | None:
        """See ``Inside``."""
        return self._cause

    @property
    def answered(self) -> bool:
        """Something was said on the error channel. Empty messages, with which the API server greets, do not count."""
        return self._error.bytes > 0

    @property
    def verdict(self) -> bytes:
        """What was said there, decoded, as far as it passed."""
        kept = bytes(self._down.kept)
        return b64decode(kept[: len(kept) // 4 * 4]) if self._dialect.base64 else kept

    @property
    def complete(self) -> bool:
        """See ``Inside``."""
        return self.answered or self._client_closed or self._down.closed

    def farewell(self, sentence: str) -> bytes:
        """See ``Inside``."""
        down, dialect = self._down, self._dialect
        if down.closed:
            return b""
        words = [] if self.answered else [message(dialect.error(sentence), base64=dialect.base64, lead=dialect.lead(Channel.ERROR))]
        # A message that ended without a channel would itself be a mistake, so an empty one becomes an empty piece of stdout.
        tail = b"" if down.count is not None else dialect.lead(Channel.STDOUT)
        return websocket_words(down.standing, words, filler=b"A" if dialect.base64 else b"\0", tail=tail)

    def _from_client(self, event: FrameStarted) -> Count | str:
        return self._channel(event, self._up, Direction.FROM_CLIENT, FROM_CLIENT)

    def _from_cluster(self, event: FrameStarted) -> Count | str:
        found = self._channel(event, self._down, Direction.FROM_CLUSTER, FROM_CLUSTER)
        if isinstance(found, Count) and found.channel == Channel.ERROR.value:
            self._error = self._down.keeps = found
        return found

    def _channel(self, event: FrameStarted, messages: Messages, direction: Direction, known: frozenset[Channel]) -> Count | str:
        if self._dialect.closes and event.lead == CLOSE_CHANNEL:
            whole = event.head.length == 2 and event.head.fin
            return Count(direction, "close") if whole else "a message that closes a channel is not two bytes long"
        channel = self._dialect.channel(event.lead)
        if channel not in known or channel is None:
            return f"a message names channel {event.lead}, which does not exist in this direction"
        count = messages.counts[event.lead] = self._tally.count(direction, channel.value)
        return count

    def _client_closes(self) -> None:
        self._client_closed = True

    def _cluster_closes(self) -> str | None:
        if self.complete or not self._dialect.status:
            return None
        self._cause = Cause(Ending.CLUSTER_GONE, f"kgate: {CLUSTER_STOPPED}")
        return CLUSTER_STOPPED


class LegacyForward(_BothWays):
    """port-forward in its first WebSocket form: two channels for each port of the URL."""

    def __init__(self, ports: tuple[int, ...], base64: bool, tally: Tally) -> None:
        self._ports, self._base64, self._tally = ports, base64, tally
        self._announced: set[int] = set()
        self._client_closed = False
        self._up = Messages(True, self._from_client, tally, lead=1)
        self._down = Messages(False, self._from_cluster, tally, lead=1)
        self._up.close = self._client_closes

    @property
    def cause(self) -> Cause | None:
        """See ``Inside``."""
        return None

    @property
    def complete(self) -> bool:
        """See ``Inside``."""
        return self._client_closed or self._down.closed

    def farewell(self, sentence: str) -> bytes:
        """See ``Inside``."""
        down = self._down
        if down.closed:
            return b""
        words = [word for index, port in enumerate(self._ports) for word in self._words(2 * index + 1, port, sentence)]
        tail = b"" if down.count is not None else self._lead(0)
        return websocket_words(down.standing, words, filler=b"A" if self._base64 else b"\0", tail=tail)

    def _words(self, channel: int, port: int, sentence: str) -> Iterator[bytes]:
        if channel not in self._announced:
            yield message(legacy_announcement(port), base64=self._base64, lead=self._lead(channel))
        yield message(sentence.encode(), base64=self._base64, lead=self._lead(channel))

    def _lead(self, channel: int) -> bytes:
        return bytes([channel + (0x30 if self._base64 else 0)])

    def _from_client(self, event: FrameStarted) -> Count | str:
        return self._channel(event, Direction.FROM_CLIENT)

    def _from_cluster(self, event: FrameStarted) -> Count | str:
        self._announced.add(event.lead - (0x30 if self._base64 else 0))
        return self._channel(event, Direction.FROM_CLUSTER)

    def _channel(self, event: FrameStarted, direction: Direction) -> Count | str:
        found = legacy_channel(event.lead - (0x30 if self._base64 else 0), self._ports)
        if found is None:
            return f"a message names channel {event.lead}, and there are {2 * len(self._ports)}"
        return self._tally.count(direction, channel_name(found))

    def _client_closes(self) -> None:
        self._client_closed = True


def channel_name(stream: Forwarded) -> str:
    """How a port-forward's stream is called in counts: ``8080``, or ``8080/error``."""
    return str(stream.port) if stream.type is StreamType.DATA else f"{stream.port}/error"


class Subject(Enum):
    """What a WebSocket without channels carries. The values are its channel's name in counts."""

    WATCH = "watch"
    LOG = "log"
    OPAQUE = "proxy"


class PlainWebSocket(_BothWays):
    """watch and log over WebSocket, and whatever a proxied server speaks. Nothing is invented inside a message that is not ours to finish."""

    def __init__(self, subject: Subject, tally: Tally, *, base64: bool = False) -> None:
        self._subject, self._base64 = subject, base64
        limit = OPAQUE_FRAME_MAX if subject is Subject.OPAQUE else FRAME_MAX
        self._up = Messages(True, self._counted(tally, Direction.FROM_CLIENT), tally, lead=0, frame_max=limit)
        self._down = Messages(False, self._counted(tally, Direction.FROM_CLUSTER), tally, lead=0, frame_max=limit)

    @property
    def cause(self) -> Cause | None:
        """See ``Inside``."""
        return None

    @property
    def complete(self) -> bool:
        """See ``Inside``. A proxied server may hang up as it likes."""
        return self._subject is Subject.OPAQUE or self._up.closed or self._down.closed

    def farewell(self, sentence: str) -> bytes:
        """See ``Inside``. In mid-frame there is nothing to say it in: the connection just ends, which no client takes for a Close."""
        down = self._down
        if down.closed or down.left:
            return b""
        words, code = self._words(sentence) if down.at_boundary else (b"", POLICY_VIOLATION)
        return words + encode_close(code, sentence)

    def _words(self, sentence: str) -> tuple[bytes, int]:
        if self._subject is Subject.WATCH and self._down.opcode != BINARY:
            return encode_frame(TEXT, error_event(sentence)), NORMAL
        if self._subject is Subject.LOG:
            return message(f"\n{sentence}\n".encode(), base64=self._base64), POLICY_VIOLATION
        return b"", POLICY_VIOLATION

    def _counted(self, tally: Tally, direction: Direction) -> Classify:
        return lambda event: tally.count(direction, self._subject.value)
