"""exec and attach over SPDY/3.1: one stream each for error, stdin, stdout, stderr and resize, opened by the client."""

from __future__ import annotations

from kgate.demo.answers import Link
from kgate.demo.containers import Streams
from kgate.demo.remote import Begin, Started, Wants, exit_status, status_bytes, window_size
from kgate.demo.schema import Object
from kgate.demo.throttle import ChannelWriter, Throttle
from kgate.wire.spdy_session import Failed, Farewell, Opened, Received, Reset, Session

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")
_STRUCTURED = frozenset(PROTOCOLS[:2])
_RESIZED = frozenset(PROTOCOLS[:3])


class SpdyRemote:
    """One remote command. ``protocol`` is the chosen X-Stream-Protocol-Version."""

    def __init__(self, begin: Begin, wants: Wants, protocol: str) -> None:
        self._begin = begin
        self._structured = protocol in _STRUCTURED
        self._expected = {
            name
            for name, wanted in (
                ("error", True),
                ("stdin", wants.stdin),
                ("stdout", wants.stdout),
                ("stderr", wants.stderr),
                ("resize", wants.tty and protocol in _RESIZED),
            )
            if wanted
        }
        self._session = Session()
        self._streams: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._started: Started | None = None
        self._early: list[Received] = []

    def opened(self, link: Link) -> None:
        """See Tunnel."""
        self._link, self._throttle = link, Throttle(link)

    def received(self, data: bytes) -> None:
        """See Tunnel."""
        for event in self._session.receive(data):
            if isinstance(event, Opened):
                self._stream_opened(event)
            elif isinstance(event, Received):
                self._data(event)
            elif isinstance(event, Reset):
                self._data(Received(event.stream, b"", True))
            elif isinstance(event, Failed | Farewell):
                self._flush()
                self._link.close()
                self.lost()
                return
        self._flush()
        if self._started is not None and self._started.program.full:
            self._link.pause()

    def _stream_opened(self, event: Opened) -> None:
        name = dict(event.headers).get(b"streamtype", b"").decode(errors="replace")
        if name not in self._expected or name in self._streams:
            self._session.reset(event.stream)
            return
        self._streams[name], self._names[event.stream] = event.stream, name
        self._session.reply(event.stream)
        if self._expected <= self._streams.keys():
            self._start()

    def _start(self) -> None:
        stdout = ChannelWriter(self._throttle, lambda data: self._say("stdout", data))
        stderr = ChannelWriter(self._throttle, lambda data: self._say("stderr", data))
        self._flush()
        begun = self._begin(Streams(stdout, stderr, lambda data: self._say("stdout", data)), self._link.resume)
        if not isinstance(begun, Started):
            self._end(begun)
            return
        self._started = begun
        begun.finished.addCallback(self._finished)
        early, self._early = self._early, []
        for event in early:
            self._data(event)

    def _data(self, event: Received) -> None:
        name = self._names.get(event.stream)
        if self._started is None:
            if name is not None and len(self._early) < 64:
                self._early.append(event)
        elif name == "stdin":
            self._started.program.feed(event.data)
            if event.ended:
                self._started.program.finish_input()
        elif name == "resize" and (size := window_size(event.data)):
            self._started.program.resize(*size)

    def _finished(self, code: int) -> int:
        self._end(exit_status(code))
        return code

    def _end(self, status: Object) -> None:
        if self._throttle.closed:
            return
        self._throttle.close()
        for name, stream in self._streams.items():
            if name != "error":
                self._session.send(stream, b"", fin=True)
        self._session.send(self._streams["error"], status_bytes(status, structured=self._structured), fin=True)
        self._session.goaway()
        self._flush()
        self._link.close()

    def _say(self, name: str, data: bytes) -> None:
        if data and name in self._streams and not self._throttle.closed:
            self._session.send(self._streams[name], data)
            self._flush()

    def _flush(self) -> None:
        data = self._session.data_to_send()
        if data:
            self._link.write(data)

    def drained(self) -> None:
        """See Tunnel."""
        self._throttle.drained()

    def lost(self) -> None:
        """See Tunnel."""
        self._throttle.close()
        started, self._started = self._started, None
        if started is not None:
            started.leave()
