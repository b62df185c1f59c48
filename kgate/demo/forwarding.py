"""port-forward: pairs of an error and a data stream for each connection, over SPDY, over SPDY inside WebSocket messages, and the old
WebSocket form with two channels for each port.

The pair is known by ``requestid``, or for old clients by the data stream's identifier being the error stream's plus 2.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from kgate.demo.answers import Link
from kgate.demo.pipes import NETWORK_CAPACITY, Pipe, PipeBroken
from kgate.demo.ports import SERVICES
from kgate.demo.throttle import ChannelWriter, Throttle
from kgate.wire.spdy_session import Failed, Farewell, Opened, Received, Reset, Session
from kgate.wire.websocket_endpoint import Assembler, Closed, Connection, MessageData
from kgate.wire.websocket_endpoint import Failed as SocketFailed

PROTOCOL = "portforward.k8s.io"
TUNNELLED = b"SPDY/3.1+portforward.k8s.io"
LEGACY = (b"v4.channel.k8s.io", b"v4.base64.channel.k8s.io")


@frozen
class Target:
    """The pod that is forwarded to."""

    name: str
    uid: str


class Connections:
    """The connections into one pod that share a link. The link is paused while any of them has more input than it reads."""

    def __init__(self, pod: Target, link: Link, throttle: Throttle) -> None:
        self._pod, self._link, self._throttle = pod, link, throttle
        self._inputs: dict[int, Pipe] = {}
        self._jobs: dict[int, Deferred[None]] = {}

    def open(self, number: int, port: int, send: Callable[[bytes], None], ended: Callable[[], None]) -> str:
        """Connect to ``port``; gives the kubelet's complaint, empty where something listens."""
        service = SERVICES.get(port)
        if service is None:
            where = f"failed to connect to localhost:{port} inside the pod"
            return f"error forwarding port {port} to pod {self._pod.name}, uid {self._pod.uid}: {where}: connect: connection refused"
        into = Pipe(NETWORK_CAPACITY, self._room)
        self._inputs[number] = into

        async def serve() -> None:
            try:
                await service(self._pod.name, into, ChannelWriter(self._throttle, send))
            except PipeBroken:
                return  # the client is gone

        def over(result: object) -> None:
            self._inputs.pop(number, None)
            self._jobs.pop(number, None)
            if isinstance(result, Failure):
                result.trap(CancelledError)
            else:
                ended()
            self._room()

        job = Deferred.fromCoroutine(serve())
        self._jobs[number] = job
        job.addBoth(over)
        return ""

    def feed(self, number: int, data: bytes, *, ended: bool) -> None:
        """Bytes from the client; nothing where the connection is over."""
        into = self._inputs.get(number)
        if into is not None:
            into.feed(data)
            if ended:
                into.finish()
            if number in self._inputs and into.full:
                self._link.pause()

    def _room(self) -> None:
        if not any(pipe.full for pipe in self._inputs.values()):
            self._link.resume()

    def close(self) -> None:
        """End all of them."""
        for job in list(self._jobs.values()):
            job.cancel()


@define
class _Pair:
    """Two streams of one connection, as they come."""

    port: int
    error: int = 0
    data: int = 0


class SpdyForward:
    """The server's side of a port-forward."""

    def __init__(self, pod: Target) -> None:
        self._pod = pod
        self._session = Session()
        self._pairs: dict[str, _Pair] = {}

    def opened(self, link: Link) -> None:
        """See Tunnel."""
        self._link, self._throttle = link, Throttle(link)
        self._connections = Connections(self._pod, link, self._throttle)

    def received(self, data: bytes) -> None:
        """See Tunnel."""
        for event in self._session.receive(data):
            if isinstance(event, Opened):
                self._stream_opened(event)
            elif isinstance(event, Received):
                self._connections.feed(event.stream, event.data, ended=event.ended)
            elif isinstance(event, Reset):
                self._connections.feed(event.stream, b"", ended=True)
            elif isinstance(event, Failed | Farewell):
                self._flush()
                self._link.close()
                self.lost()
                return
        self._flush()

    def _stream_opened(self, event: Opened) -> None:
        headers = {name: value.decode(errors="replace") for name, value in event.headers}
        kind, port = headers.get(b"streamtype"), headers.get(b"port", "")
        if kind not in ("error", "data") or not port.isdigit():
            self._session.reset(event.stream)
            return
        key = headers.get(b"requestid") or f"stream-{event.stream - (2 if kind == 'data' else 0)}"
        pair = self._pairs.setdefault(key, _Pair(int(port)))
        setattr(pair, kind, event.stream)
        self._session.reply(event.stream)
        if pair.error and pair.data:
            del self._pairs[key]
            self._connect(pair)

    def _connect(self, pair: _Pair) -> None:
        problem = self._connections.open(pair.data, pair.port, lambda data: self._say(pair.data, data), lambda: self._finish(pair, b""))
        if problem:
            self._finish(pair, problem.encode())

    def _say(self, stream: int, data: bytes) -> None:
        self._session.send(stream, data)
        self._flush()

    def _finish(self, pair: _Pair, problem: bytes) -> None:
        if not self._throttle.closed:
            self._session.send(pair.error, problem, fin=True)
            self._session.send(pair.data, b"", fin=True)
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
        self._connections.close()


class _Messages:
    """A link whose bytes are the payload of WebSocket messages."""

    def __init__(self, socket: Connection, link: Link) -> None:
        self._socket, self._link = socket, link

    @property
    def congested(self) -> bool:
        return self._link.congested

    def write(self, data: bytes) -> None:
        if not self._socket.close_sent:
            self._socket.send_message(data)
            self._link.write(self._socket.data_to_send())

    def pause(self) -> None:
        self._link.pause()

    def resume(self) -> None:
        self._link.resume()

    def close(self) -> None:
        self._socket.close()
        self._link.write(self._socket.data_to_send())
        self._link.close()


class TunnelledForward:
    """SPDY inside WebSocket messages, whose boundaries mean nothing (KEP-4006)."""

    def __init__(self, pod: Target) -> None:
        self._socket = Connection()
        self._inner = SpdyForward(pod)

    def opened(self, link: Link) -> None:
        """See Tunnel."""
        self._link = link
        self._inner.opened(_Messages(self._socket, link))

    def received(self, data: bytes) -> None:
        """See Tunnel."""
        for event in self._socket.receive(data):
            if isinstance(event, MessageData):
                self._inner.received(event.data)
            elif isinstance(event, Closed | SocketFailed):
                self._link.write(self._socket.data_to_send())
                self._link.close()
                self._inner.lost()
                return
        waiting = self._socket.data_to_send()
        if waiting:
            self._link.write(waiting)

    def drained(self) -> None:
        """See Tunnel."""
        self._inner.drained()

    def lost(self) -> None:
        """See Tunnel."""
        self._inner.lost()


class LegacyForward:
    """Channels 2i (data) and 2i+1 (error) for the i-th port; the first message on each is the port, little-endian."""

    def __init__(self, pod: Target, ports: list[int]) -> None:
        self._pod, self._ports = pod, ports
        self._socket = Connection()
        self._whole = Assembler()

    def opened(self, link: Link) -> None:
        """See Tunnel."""
        self._link, self._throttle = link, Throttle(link)
        self._connections = Connections(self._pod, link, self._throttle)
        for index, port in enumerate(self._ports):
            for channel in (2 * index, 2 * index + 1):
                self._say(channel, port.to_bytes(2, "little"))
        for index, port in enumerate(self._ports):
            problem = self._connections.open(2 * index, port, self._sender(2 * index), lambda: None)
            if problem:
                self._say(2 * index + 1, problem.encode())

    def _sender(self, channel: int) -> Callable[[bytes], None]:
        return lambda data: self._say(channel, data)

    def _say(self, channel: int, data: bytes) -> None:
        if not self._socket.close_sent:
            self._socket.send_message(bytes([channel]) + data)
            self._link.write(self._socket.data_to_send())

    def received(self, data: bytes) -> None:
        """See Tunnel."""
        for event in self._socket.receive(data):
            if isinstance(event, MessageData):
                message = self._whole.add(event)
                if message:
                    self._connections.feed(message[0], message[1:], ended=False)
            elif isinstance(event, Closed | SocketFailed):
                self._link.close()
                self.lost()
        waiting = self._socket.data_to_send()
        if waiting:
            self._link.write(waiting)

    def drained(self) -> None:
        """See Tunnel."""
        self._throttle.drained()

    def lost(self) -> None:
        """See Tunnel."""
        self._throttle.close()
        self._connections.close()
