"""Opening a TCP connection to an upstream: resolve, try each address in turn, through a forward proxy where the cluster has one.

``Dial`` is one attempt with one deadline over all of it, the TLS handshake included. It ends in exactly one call: ``then(transport)`` or
``then(DialFailed)``.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from collections.abc import Callable
from typing import Any

from attrs import frozen
from twisted.internet.interfaces import IHostResolution, IResolutionReceiver, IWriteDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from kgate.net.descriptors import is_for_clusters
from kgate.net.sockets import StreamSocket
from kgate.net.telling import tell
from kgate.wire.forward_proxy import Failed, ForwardProxy, Opened, Send


@frozen
class DialFailed:
    """Why no connection could be had, as the rest of a sentence: ``connection refused``."""

    text: str


def tune(sock: socket.socket) -> None:
    """No Nagle delay; a peer that vanished is noticed within a minute, if nothing is under way to it (else see ``vanished``)."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPALIVE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


class HostName:
    """A host whose addresses are asked for, however it is written. Looked up once at a time for all who wait: a resolver that nobody answers keeps a thread
    for half a minute, the reactor has ten, and each request to a cluster that cannot be reached begins a connection."""

    def __init__(self, reactor: Any, host: str) -> None:
        self._reactor, self._host = reactor, host
        self._waiting: list[Callable[[list[str]], None]] = []

    def resolve(self, then: Callable[[list[str]], None]) -> None:
        """Give ``then`` the addresses; none where it has none. A literal address is its own."""
        try:
            literal = str(ipaddress.ip_address(self._host))
        except ValueError:
            self._waiting.append(then)
            if len(self._waiting) == 1:
                self._reactor.nameResolver.resolveHostName(_Resolution(self._found), self._host)
        else:
            then([literal])

    def _found(self, addresses: list[str]) -> None:
        waiting, self._waiting = self._waiting, []
        for then in waiting:
            tell(then, addresses)


@implementer(IResolutionReceiver)
class _Resolution:
    def __init__(self, then: Callable[[list[str]], None]) -> None:
        self._then, self._found = then, list[str]()

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """Nothing yet."""

    def addressResolved(self, address: Any) -> None:
        """One of possibly several."""
        self._found.append(address.host)

    def resolutionComplete(self) -> None:
        """All there are."""
        self._then(self._found)


@implementer(IWriteDescriptor)
class TcpDial:
    """Connects to one of ``addresses``, in order; ``then`` gets the socket or DialFailed. ``cancel()`` ends it without a call.

    ``seconds`` are shared by the addresses: one that says nothing leaves the next its time. The last one may take what whoever waits allows.
    """

    def __init__(
        self, reactor: Any, addresses: list[str], port: int, then: Callable[[socket.socket | DialFailed], None], seconds: float
    ) -> None:
        self._reactor, self._addresses, self._port, self._then = reactor, list(addresses), port, then
        self._share = seconds / max(1, len(addresses))
        self._silent: Any = None
        self._sock: socket.socket | None = None
        self._last = "its name has no address"

    def start(self) -> None:
        """Try the next address."""
        while self._addresses:
            address = self._addresses.pop(0)
            try:
                sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
            except OSError as error:  # no descriptor is left
                self._last = os.strerror(error.errno or errno.EMFILE).lower()
                continue
            if not is_for_clusters(sock.fileno()):
                sock.close()
                self._last = os.strerror(errno.EMFILE).lower()
                continue
            sock.setblocking(False)
            tune(sock)
            code = sock.connect_ex((address, self._port))
            if code in (0, errno.EINPROGRESS):
                self._sock = sock
                self._reactor.addWriter(self)
                if self._addresses:
                    self._silent = self._reactor.callLater(self._share, self._next)
                return
            sock.close()
            self._last = os.strerror(code).lower()
        self._then(DialFailed(self._last))

    def cancel(self) -> None:
        """Give up."""
        self._addresses.clear()
        self._drop()

    def _next(self) -> None:
        """This address said nothing in its time."""
        self._last = "no answer"
        self._drop()
        self.start()

    def _heard(self) -> None:
        silent, self._silent = self._silent, None
        if silent is not None and silent.active():
            silent.cancel()

    def _drop(self) -> None:
        self._heard()
        if self._sock is not None:
            self._reactor.removeWriter(self)
            self._sock.close()
            self._sock = None

    def fileno(self) -> int:
        """The descriptor that is connecting."""
        return self._sock.fileno() if self._sock is not None else -1

    def logPrefix(self) -> str:
        """Twisted's word for us in its log."""
        return "kgate dial"

    def doWrite(self) -> None:
        """Connected, or refused."""
        sock = self._sock
        if sock is None:
            return
        self._reactor.removeWriter(self)
        self._heard()
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._last = os.strerror(code).lower()
            self._drop()
            self.start()
        else:
            self._sock = None
            self._then(sock)

    def connectionLost(self, reason: Failure) -> None:
        """The reactor saw a hang-up before the socket became writable."""
        if self._sock is not None:
            self.doWrite()


class ProxiedSocket:
    """Owns a socket while a forward proxy is asked; afterwards ``then(socket)`` or ``then(DialFailed)``."""

    def __init__(self, proxy: ForwardProxy, stream: StreamSocket, then: Callable[[StreamSocket | DialFailed], None]) -> None:
        self._proxy, self._stream, self._then, self._received = proxy, stream, then, b""

    def start(self) -> None:
        """Ask."""
        self._stream.own(self)
        self._stream.write(self._proxy.begin())
        self._stream.resume_reading()

    def received(self, data: memoryview) -> None:
        """The proxy answers."""
        self._received += bytes(data)
        step = self._proxy.receive(self._received)
        if isinstance(step, Send):
            self._received = b""
            self._stream.write(step.data)
        elif isinstance(step, Opened):
            self._then(self._stream)
        elif isinstance(step, Failed):
            self._fail(step.text)

    def ended(self) -> None:
        """The proxy closed."""
        self._fail("the proxy closed the connection")

    def lost(self, reason: str) -> None:
        """The proxy vanished."""
        self._then(DialFailed(f"the proxy's connection was lost: {reason}"))

    def drained(self) -> None:
        """Too little is sent to ever be congested."""

    def _fail(self, text: str) -> None:
        self._then(DialFailed(text))
        self._stream.abort()
