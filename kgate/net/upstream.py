"""Opening a connection to a cluster that is ready for requests: TCP, the forward proxy where there is one, TLS. Every dial ends in time."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Any

from attrs import frozen

from kgate.exchange.legs import UpstreamLeg
from kgate.net.dial import DialFailed, HostName, ProxiedSocket, TcpDial
from kgate.net.sockets import StreamSocket
from kgate.net.tls import Carried, TlsTransport
from kgate.net.turn import Turn
from kgate.net.upstream_pool import Then
from kgate.wire.forward_proxy import ForwardProxy


@frozen
class Endpoint:
    """Where a cluster's API server is, or the proxy that leads to it. ``server_name`` is what the API server's certificate must say."""

    host: str
    port: int
    server_name: str
    proxy: Callable[[], ForwardProxy] | None = None


class Dial:
    """One connection being opened: TCP, forward proxy, TLS; one deadline over all, one call at the end. ``host`` is the endpoint's."""

    def __init__(
        self,
        reactor: Any,
        turn: Turn,
        endpoint: Endpoint,
        host: HostName,
        context: ssl.SSLContext,
        make: Callable[[TlsTransport], UpstreamLeg],
        then: Then,
        seconds: float,
    ) -> None:
        self._reactor, self._turn, self._endpoint, self._context, self._make = reactor, turn, endpoint, context, make
        self._host = host
        self._then: Then | None = then
        self._tcp: TcpDial | None = None
        self._stream: StreamSocket | None = None
        self._seconds = seconds
        self._deadline = reactor.callLater(seconds, turn.wrap(self._late))

    def start(self) -> None:
        """Resolve and connect."""
        self._host.resolve(self._resolved)

    def _resolved(self, addresses: list[str]) -> None:
        if self._then is not None:
            self._tcp = TcpDial(self._reactor, addresses, self._endpoint.port, self._connected, self._seconds)
            self._tcp.start()

    def _connected(self, sock: socket.socket | DialFailed) -> None:
        self._tcp = None
        if isinstance(sock, DialFailed):
            self._finish(sock)
            self._turn.flush()  # whoever found it out, the resolver or the reactor: that was their turn
            return
        self._stream = stream = StreamSocket(self._reactor, self._turn, sock)
        if self._endpoint.proxy is None:
            self._secure(stream)
        else:
            ProxiedSocket(self._endpoint.proxy(), stream, self._secure).start()

    def _secure(self, stream: StreamSocket | DialFailed) -> None:
        if isinstance(stream, DialFailed):
            self._finish(stream)
            return
        transport = TlsTransport(self._context, self, server_side=False, server_hostname=self._endpoint.server_name)
        stream.own(transport)
        transport.start(stream)

    def connected(self, transport: TlsTransport) -> Carried:
        """TLS is up."""
        leg = self._make(transport)
        self._finish(leg)
        return leg

    def lost(self, reason: str) -> None:
        """TLS failed."""
        self._finish(DialFailed(reason))

    def _late(self) -> None:
        if self._tcp is not None:
            self._tcp.cancel()
        self._finish(DialFailed(f"no connection within {self._seconds:g} s"))
        if self._stream is not None:
            self._stream.abort()

    def _finish(self, result: UpstreamLeg | DialFailed) -> None:
        then, self._then = self._then, None
        if then is not None:
            if self._deadline.active():
                self._deadline.cancel()
            self._deadline = None
            then(result)
