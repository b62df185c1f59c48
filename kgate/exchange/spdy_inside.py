"""Tunnels whose SPDY streams are what counts: exec, attach and port-forward, over a connection of their own or inside WebSocket messages.

    client: SYN_STREAM ──▶ asked ──SYN_REPLY──▶ live ──FIN of both sides, or RST──▶ forgotten

The table below holds each live stream by its identifier. What belongs to a stream that was forgotten still passes, since the two sides learn of
an end at different times; what belongs to one that never was is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import define

from kgate.exchange.farewell import LastWord, spdy_words
from kgate.exchange.inside import CLUSTER_STOPPED, AdmitPort
from kgate.exchange.tally import Count, Direction, Tally
from kgate.exchange.websocket_inside import channel_name
from kgate.kube.portforward import MOST_PORTS, StreamType, read_stream
from kgate.kube.remotecommand import Channel, Dialect
from kgate.model import Cause, Ending
from kgate.wire.passage import Passage
from kgate.wire.spdy import REFUSED_STREAM, goaway, rst_stream
from kgate.wire.spdy_follow import Answer, Data, DataStarted, Follower, GoneAway, SpdyEvent, StreamOpened, StreamReplied, StreamReset
from kgate.wire.spdy_headers import HeaderPairs

STREAMS_MAX: Final = 4096
"""Live at once: a port-forward has two for each connection."""
_KEPT_MAX: Final = 16 * 1024


@define
class Live:
    """A stream that is not over. ``answered``: the cluster said something on it."""

    from_client: Count
    from_cluster: Count
    error: bool
    replied: bool = False
    client_done: bool = False
    cluster_done: bool = False
    answered: bool = False


Take = Callable[[HeaderPairs], "Live | str | Answer"]
"""What a new stream is, by its headers, or the sentence that ends the tunnel before anything of it passes, or that this one is withheld."""


class Streams:
    """Both directions of one SPDY connection. ``sentence_of`` gives what the error streams are told."""

    def __init__(self, take: Take, tally: Tally) -> None:
        self._take, self._tally = take, tally
        self._errors: set[int] = set()
        self.live: dict[int, Live] = {}
        self.client = Follower(True, self._from_client)
        self.cluster = Follower(False, self._from_cluster, whole=self._errors)
        self._client_count: Count | None = None
        self._cluster_count: Count | None = None
        self.gone_away = False
        """The cluster's GOAWAY passed: the client reads nothing behind it."""
        self.client_leaves = False
        """The client's GOAWAY passed."""
        self.error_ended = False
        """An error stream was answered, or ended by the cluster."""
        self.owes_status = False
        """Whether the cluster has to say on the error stream how it ended, for silence would be taken for success."""
        self.unsaid = False
        """It wanted to end that without a word."""
        self.kept = bytearray()
        """The first 16 KiB of what was said on error streams."""
        self._refusals: list[bytes] = []
        """What tells the client of streams that were withheld; it waits until the cluster's frame is whole."""

    def end(self) -> None:
        """See ``Inside``."""
        self.client.end()
        self.cluster.end()

    def refusals(self) -> bytes:
        """What tells the client of streams that were withheld; to be sent now, where a frame may begin."""
        told, self._refusals = b"".join(self._refusals), []
        return told

    @property
    def goaway(self) -> bytes:
        """What ends the connection for the client."""
        return goaway(self.client.last_opened)

    @property
    def heard(self) -> bool:
        """Whether anybody would read last words: there is an error stream that the cluster has not used."""
        return not self.gone_away and any(live.error and not live.answered for live in self._unended().values())

    def last_words(self, text: bytes, ending: bytes) -> bytes:
        """The farewell: ``text`` on each error stream that the cluster has not used, the end of each stream that it has not ended, ``ending``."""
        if self.gone_away:
            return b""
        words = [
            LastWord(stream, live.replied, text if live.error and not live.answered else b"")
            for stream, live in sorted(self._unended().items())
        ]
        return spdy_words(self.cluster.left, words, ending, begun=self.cluster.begun)

    def _unended(self) -> dict[int, Live]:
        down = self.cluster
        ending = down.stream if down.left and down.fin else 0
        return {stream: live for stream, live in self.live.items() if not live.cluster_done and stream != ending}

    # --- the client's frames

    def _from_client(self, event: SpdyEvent) -> str | Answer | None:
        if isinstance(event, Data):
            self._passed(event, self._client_count)
            if event.fin and not event.left:
                self._client_done(event.stream)
        elif isinstance(event, DataStarted):
            return self._client_data(event)
        elif isinstance(event, StreamOpened):
            return self._opened(event)
        elif isinstance(event, StreamReset):
            self._forget(event.stream)
        elif isinstance(event, StreamReplied):
            return self._client_headers(event)
        elif isinstance(event, GoneAway):
            self.client_leaves = True
        return None

    def _opened(self, event: StreamOpened) -> str | Answer | None:
        if len(self.live) + len(self._refusals) >= STREAMS_MAX:
            return f"more than {STREAMS_MAX} SPDY streams at once"
        taken = self._take(event.headers)
        if isinstance(taken, Answer):
            self._refusals.append(rst_stream(event.stream, REFUSED_STREAM))
            return taken
        if isinstance(taken, str):
            return taken
        taken.client_done, taken.cluster_done = event.fin, event.unidirectional
        self.live[event.stream] = taken
        if taken.error:
            self._errors.add(event.stream)
        return None

    def _client_data(self, event: DataStarted) -> str | None:
        live = self.live.get(event.stream)
        if live is None:
            if event.stream > self.client.last_opened:
                return "data on a SPDY stream that was not opened"
            self._client_count = None
            return None
        if live.client_done:
            return "data on a SPDY stream behind its end"
        self._client_count = live.from_client
        if event.fin and not event.length:
            self._client_done(event.stream)
        return None

    def _client_headers(self, event: StreamReplied) -> str | None:
        if event.stream > self.client.last_opened:
            return "HEADERS on a SPDY stream that was not opened"
        if event.fin:
            self._client_done(event.stream)
        return None

    def _client_done(self, stream: int) -> None:
        live = self.live.get(stream)
        if live is not None:
            live.client_done = True
            if live.cluster_done:
                self._forget(stream)

    # --- the cluster's frames

    def _from_cluster(self, event: SpdyEvent) -> str | None:
        if isinstance(event, Data):
            self._cluster_passed(event)
        elif self.owes_status and not self.client_leaves and self._ends_unsaid(event):
            self.unsaid = True
            return CLUSTER_STOPPED
        elif isinstance(event, DataStarted):
            return self._cluster_data(event)
        elif isinstance(event, StreamReplied):
            return self._replied(event)
        elif isinstance(event, StreamReset):
            self._cluster_reset(event.stream)
        elif isinstance(event, GoneAway):
            self.gone_away = True
        return None

    def _ends_unsaid(self, event: SpdyEvent) -> bool:
        """Whether this would end an error stream on which nothing was said."""
        match event:
            case GoneAway():
                return any(self._waits(live) for live in self.live.values())
            case StreamReset(stream) | StreamReplied(stream, fin=True) | DataStarted(stream, length=0, fin=True):
                return self._waits(self.live.get(stream))
        return False

    @staticmethod
    def _waits(live: Live | None) -> bool:
        return live is not None and live.error and not live.answered and not live.cluster_done

    def _cluster_data(self, event: DataStarted) -> str | None:
        live = self.live.get(event.stream)
        if live is None:
            self._cluster_count = None
            return "data on a SPDY stream that was not opened" if event.stream > self.client.last_opened else None
        if live.cluster_done:
            return "data on a SPDY stream behind its end"
        self._cluster_count = live.from_cluster
        if event.fin and not event.length:
            self._cluster_done(event.stream)
        return None

    def _cluster_passed(self, event: Data) -> None:
        self._passed(event, self._cluster_count)
        if event.stream in self._errors:
            self._said(event)
        if event.fin and not event.left:
            self._cluster_done(event.stream)

    def _said(self, event: Data) -> None:
        """Something was said on an error stream."""
        self.error_ended = True
        live = self.live.get(event.stream)
        if live is not None:
            live.answered = True
        self.kept += bytes(event.raw)[: _KEPT_MAX - len(self.kept)]

    def _replied(self, event: StreamReplied) -> str | None:
        if event.stream > self.client.last_opened:
            return "an answer to a SPDY stream that was not opened"
        live = self.live.get(event.stream)
        if live is not None:
            live.replied = live.replied or not event.late
            if event.fin:
                self._cluster_done(event.stream)
        return None

    def _cluster_done(self, stream: int) -> None:
        live = self.live.get(stream)
        if live is not None:
            live.cluster_done = True
            self.error_ended = self.error_ended or live.error
            if live.client_done:
                self._forget(stream)

    def _cluster_reset(self, stream: int) -> None:
        self.error_ended = self.error_ended or stream in self._errors
        self._forget(stream)

    def _forget(self, stream: int) -> None:
        self.live.pop(stream, None)
        self._errors.discard(stream)

    def _passed(self, event: Data, count: Count | None) -> None:
        if count is not None:
            count.bytes += event.size
            if self._tally.observe is not None:
                self._tally.observe(count.direction, count.channel, bytes(event.raw))


class CommandTake:
    """exec and attach: each channel once."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._seen: set[Channel] = set()

    def __call__(self, headers: HeaderPairs) -> Live | str:
        """See ``Take``."""
        name = dict(headers).get(b"streamtype", b"").decode("latin-1")
        channel = next((channel for channel in Channel if channel.value == name), None)
        if channel is None or channel in self._seen:
            return "a SPDY stream is of no known type, or of one that is open"
        self._seen.add(channel)
        count = self._tally.count
        error = channel is Channel.ERROR
        return Live(count(Direction.FROM_CLIENT, name), count(Direction.FROM_CLUSTER, name), error)


class ForwardTake:
    """port-forward: any number of pairs, each of whose ports is asked about, and of those no more than ``MOST_PORTS``.

    A port that is refused is told by RST_STREAM: kubectl says that it could not create the stream, and goes on with the others. A text on the error
    stream would say why, but kubectl ends the whole command by it (client-go since 1.23). Why is in the audit record.
    """

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self.admit: AdmitPort = _any
        self._ports: set[int] = set()

    def __call__(self, headers: HeaderPairs) -> Live | str | Answer:
        """See ``Take``."""
        stream = read_stream(headers)
        if isinstance(stream, str):
            return stream
        self._ports.add(stream.port)
        if len(self._ports) > MOST_PORTS:
            return f"more than {MOST_PORTS} ports in one port-forward"
        if not self.admit(stream.port):
            return Answer.WITHHELD
        name, count = channel_name(stream), self._tally.count
        return Live(count(Direction.FROM_CLIENT, name), count(Direction.FROM_CLUSTER, name), stream.type is StreamType.ERROR)


def _any(port: int) -> bool:
    return True


class _OverSpdy:
    """What both have in common: the connection's streams are followed."""

    _streams: Streams

    def from_client(self, data: bytes) -> Passage:
        """See ``Inside``."""
        return self._streams.client.feed(data)

    def from_cluster(self, data: bytes) -> Passage:
        """See ``Inside``."""
        return self._streams.cluster.feed(data)

    def end(self) -> None:
        """See ``Inside``."""
        self._streams.end()


class CommandSpdy(_OverSpdy):
    """exec and attach over SPDY. Without a ``Status`` on the error stream kubectl exits 0 in silence, however the connection ends: what would end that
    stream without one is kept back, and the gate says so in its place."""

    def __init__(self, dialect: Dialect, tally: Tally) -> None:
        self._dialect = dialect
        self._streams = Streams(CommandTake(tally), tally)
        self._streams.owes_status = dialect.status

    @property
    def cause(self) -> Cause | None:
        """See ``Inside``."""
        return Cause(Ending.CLUSTER_GONE, f"kgate: {CLUSTER_STOPPED}") if self._streams.unsaid else None

    @property
    def verdict(self) -> bytes:
        """What was said on the error stream, as far as it passed."""
        return bytes(self._streams.kept)

    @property
    def complete(self) -> bool:
        """See ``Inside``."""
        return self._streams.error_ended or self._streams.client_leaves

    def farewell(self, sentence: str) -> bytes:
        """See ``Inside``."""
        return self._streams.last_words(self._dialect.error(sentence), self._streams.goaway)


class ForwardSpdy(_OverSpdy):
    """port-forward over SPDY."""

    def __init__(self, tally: Tally) -> None:
        self.take = ForwardTake(tally)
        self._streams = Streams(self.take, tally)

    @property
    def cause(self) -> Cause | None:
        """See ``Inside``."""
        return None

    def to_client(self) -> bytes:
        """What the client is to be told now besides what the cluster says: that a stream was refused."""
        return self._streams.refusals() if self._streams.cluster.at_boundary else b""

    @property
    def complete(self) -> bool:
        """See ``Inside``: where no connection is open, nobody reads a text."""
        return self._streams.gone_away or self._streams.client_leaves or not self._streams.live

    def farewell(self, sentence: str) -> bytes:
        """See ``Inside``."""
        streams = self._streams
        return streams.last_words(sentence.encode(), b"" if streams.heard else streams.goaway)
