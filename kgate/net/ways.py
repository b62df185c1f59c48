"""The way to a web server, for what the gate asks others: straight, or through the company's forward proxy (``web_proxy``).

``https`` goes through the proxy by CONNECT or SOCKS5, so that TLS is with the server itself and the proxy reads nothing. ``http`` is for an OPA on this machine
and always goes straight.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from kgate.settings.operation import WebProxySettings
from kgate.wire.forward_proxy import Failed, ForwardProxy, HttpConnect, Opened, Send, Socks5

WebProxy = Callable[[], WebProxySettings | None]
"""The one in force, None where there is none."""


@frozen
class Through:
    """A forward proxy's address, and one negotiation with it for the way to some server."""

    host: str
    port: int
    negotiate: Callable[[], ForwardProxy]


def through(proxy_url: str, host: str, port: int) -> Through:
    """The way to ``host``:``port`` by ``http://`` (CONNECT) or ``socks5://``."""
    proxy = urlsplit(proxy_url)
    socks = proxy.scheme == "socks5"
    user, password = unquote(proxy.username or ""), unquote(proxy.password or "")

    def negotiate() -> ForwardProxy:
        return (Socks5 if socks else HttpConnect)(host, port, user, password)

    return Through(proxy.hostname or "", proxy.port or (1080 if socks else 80), negotiate)


@implementer(IAgentEndpointFactory)
class Ways:
    """For Twisted's Agent. ``trust`` is its IPolicyForHTTPS; ``seconds`` is how long a connection may take."""

    def __init__(self, reactor: Any, trust: Any, proxy: WebProxy, seconds: float) -> None:
        self._reactor, self._trust, self._proxy, self._seconds = reactor, trust, proxy, seconds

    def endpointForURI(self, uri: URI) -> Quiet:
        """Where to connect for ``uri``."""
        return Quiet(self._endpoint(uri))

    def _endpoint(self, uri: URI) -> Any:
        host, proxy = uri.host.decode("ascii").strip("[]"), self._proxy()
        if uri.scheme == b"http":
            return self._straight(host, uri.port)
        proxied = proxy is not None and proxy.leads_to(host)
        way = self._led(through(proxy.url, host, uri.port)) if proxy is not None and proxied else self._straight(host, uri.port)
        return wrapClientTLS(self._trust.creatorForNetloc(uri.host, uri.port), way)

    def _straight(self, host: str, port: int) -> Any:
        return HostnameEndpoint(self._reactor, host, port, timeout=self._seconds)

    def _led(self, way: Through) -> Any:
        return Proxied(self._straight(way.host, way.port), way.negotiate)


@implementer(IStreamClientEndpoint)
@frozen
class Quiet:
    """``endpoint``, but that a connection is begun and ended is not in the log: what the gate asks, it asks all the time."""

    endpoint: Any

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        """As the endpoint does."""
        protocolFactory.noisy = False
        connecting: Deferred[Any] = self.endpoint.connect(protocolFactory)
        return connecting


class TooLong(Exception):
    """An answer has more bytes than a connection for it may bring. Nobody reads on."""


@implementer(IAgentEndpointFactory)
@frozen
class Bounded:
    """Connections of ``ways`` that bring at most ``most`` bytes: Twisted's Agent keeps a head without end, and goes through answers before the answer
    (1xx) without end, for as long as somebody waits."""

    ways: Ways
    most: int

    def endpointForURI(self, uri: URI) -> BoundedEndpoint:
        """Where to connect for ``uri``."""
        return BoundedEndpoint(self.ways.endpointForURI(uri), self.most)


@implementer(IStreamClientEndpoint)
@frozen
class BoundedEndpoint:
    """See ``Bounded``."""

    endpoint: Quiet
    most: int

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        """As the endpoint does."""
        connecting = self.endpoint.connect(Factory.forProtocol(lambda: _Measured(protocolFactory.buildProtocol(None), self.most)))
        return connecting.addCallback(lambda measured: measured.inner)


class _Measured(Protocol):
    """Counts what ``inner`` is given."""

    transport: Any

    def __init__(self, inner: Any, most: int) -> None:
        self.inner, self._left = inner, most

    def connectionMade(self) -> None:
        """It goes on by itself."""
        self.inner.makeConnection(self.transport)

    def dataReceived(self, data: bytes) -> None:
        """Bytes of the answer."""
        self._left -= len(data)
        if self._left >= 0:
            self.inner.dataReceived(data)
        else:
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """By the other side, or because it said too much."""
        self.inner.connectionLost(reason if self._left >= 0 else Failure(TooLong()))


@implementer(IStreamClientEndpoint)
class Proxied:
    """A connection that a forward proxy opened; ``proxy`` is where that is."""

    def __init__(self, proxy: Any, negotiate: Callable[[], ForwardProxy]) -> None:
        self._proxy, self._negotiate = proxy, negotiate

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        """The protocol that speaks with the server; fails with OSError where the proxy refuses."""
        opening = _Opening(self._negotiate(), protocolFactory)
        opening.opened = Deferred(lambda _: opening.give_up())
        opening.connecting = Quiet(self._proxy).connect(Factory.forProtocol(lambda: opening))
        opening.connecting.addErrback(opening.failed)
        return opening.opened


class _Opening(Protocol):
    """Speaks with the proxy first, and then hands everything to the protocol that wanted the way."""

    transport: Any
    opened: Deferred[Any]
    connecting: Deferred[Any]

    def __init__(self, proxy: ForwardProxy, factory: Any) -> None:
        self._proxy, self._factory, self._received = proxy, factory, b""
        self._inner: Any = None

    def connectionMade(self) -> None:
        """Ask."""
        self.transport.write(self._proxy.begin())

    def dataReceived(self, data: bytes) -> None:
        """The proxy answers, or the server speaks."""
        if self._inner is not None:
            self._inner.dataReceived(data)
            return
        self._received += data
        step = self._proxy.receive(self._received)
        if isinstance(step, Send):
            self._received = b""
            self.transport.write(step.data)
        elif isinstance(step, Opened):
            self._hand_over()
        elif isinstance(step, Failed):
            self.failed(Failure(OSError(step.text)))
            self.give_up()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """By whom it was is for whoever has it now to say."""
        if self._inner is not None:
            self._inner.connectionLost(reason)
        else:
            self.failed(Failure(OSError("the proxy closed the connection")))

    def failed(self, why: Failure) -> None:
        """There is no way."""
        if not self.opened.called:
            self.opened.errback(why)

    def give_up(self) -> None:
        """Nobody waits for it any more."""
        if self.transport is not None:
            self.transport.abortConnection()
        else:
            self.connecting.cancel()

    def _hand_over(self) -> None:
        self._inner = self._factory.buildProtocol(self.transport.getPeer())
        self._inner.makeConnection(self.transport)
        self.opened.callback(self._inner)
