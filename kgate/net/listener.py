"""Accepting clients: TCP, an optional PROXY header from a configured balancer, TLS within a deadline, and then HTTP/2 or HTTP/1.1 by ALPN.

kubectl's upgrade connections send no ALPN at all: HTTP/1.1 then. A connection that has not finished its handshake in time is aborted, and only so
many of one address, and of all, may be at that point at once: a flood of half-open ones costs those who flood (security.md class 16).
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any
from weakref import WeakSet

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from kgate.documents.values import Address
from kgate.errors import KgateError
from kgate.exchange.legs import ClientLeg
from kgate.memory import Shares
from kgate.net.addresses import whose
from kgate.net.descriptors import is_for_clients, most
from kgate.net.dial import tune
from kgate.net.sockets import StreamSocket
from kgate.net.tls import Carried, TlsTransport
from kgate.net.turn import Turn
from kgate.net.vanished import has_vanished
from kgate.wire.proxy_protocol import ProxyHeaderInvalid, parse_proxy_header

log = Logger()

HANDSHAKE_SECONDS = 5.0
HALF_OPEN_MAX = 4096
"""Connections whose handshake is not complete, at once. A handshake takes milliseconds."""
HALF_OPEN_OF_ONE_MAX = 256
"""Of one address; configured balancers, who speak for many, may have them all."""
ACCEPTS_A_TURN = 64
BACKLOG = 1024
_GONE = frozenset(
    number
    for name in (
        "EAGAIN", "EWOULDBLOCK", "EINTR", "ECONNABORTED", "EPERM", "EPROTO", "ENETDOWN", "ENOPROTOOPT", "EHOSTDOWN", "ENONET", "EHOSTUNREACH",
        "EOPNOTSUPP", "ENETUNREACH", "ETIMEDOUT",
    )
    if (number := getattr(errno, name, None)) is not None
)  # fmt: skip
"""Nobody is there (any more): accept(2) tells errors of the new connection too, and that a firewall refused it."""
_FULL = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
SAID_SECONDS = 60.0
LOOKS = 6
"""In so many looks each connection is looked at once."""
REST_SECONDS = 0.2
"""How long accepting pauses when the process has no descriptor left."""

Serve = Callable[[TlsTransport, str], ClientLeg]
"""Makes the leg of a client's new connection; the string is its address."""
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def bind(host: str, port: int, *, shared: bool, section: str = "listen") -> socket.socket:
    """A listening socket. ``shared``: several processes will accept on the same port, each from ``Listener.start`` on; until then it only has the
    port, for connections that the kernel deals to a process that is not ready would wait for it.
    ``section`` is where the configuration names it. Raises KgateError where it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((host, port))
        if not shared:
            sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise KgateError(f"cannot listen on {Address(host, port)}: {error.strerror}; {_advice(error)} {section}") from error
    return sock


def reserve(host: str, port: int) -> socket.socket:
    """Hold a port for workers that will bind it ``shared``: bound, but nobody can connect. Raises KgateError where it cannot be had."""
    probe = bind(host, port, shared=False)
    probe.close()
    return bind(host, port, shared=True)


def _advice(error: OSError) -> str:
    """What to do; the section of the configuration follows."""
    if error.errno == errno.EADDRINUSE:
        return "another program has it: stop that one, or choose another port under"
    if error.errno == errno.EACCES:
        return "ports below 1024 need a privilege: choose a higher one under"
    return "check the address under"


@implementer(IReadDescriptor)
class Listener:
    """One listening socket. ``contexts`` gives the current TLS context, so that a new certificate serves the next connection."""

    def __init__(
        self,
        reactor: Any,
        turn: Turn,
        sock: socket.socket,
        context: Callable[[], ssl.SSLContext],
        serve: Serve,
        balancers: tuple[Network, ...],
        handshake: Callable[[], float] = lambda: HANDSHAKE_SECONDS,
        vanished: Callable[[socket.socket], bool] = has_vanished,
    ) -> None:
        self._reactor, self._turn, self._sock, self._context, self._serve = reactor, turn, sock, context, serve
        self._balancers, self._handshake, self._vanished = balancers, handshake, vanished
        self._connected: WeakSet[socket.socket] = WeakSet()
        self._looks = 0
        self._half_open = Shares()
        self._open = False
        self._said_full = float("-inf")

    @property
    def port(self) -> int:
        """The port, where the configuration said 0 too."""
        return int(self._sock.getsockname()[1])

    def start(self) -> None:
        """Accept."""
        self._sock.listen(BACKLOG)
        self._open = True
        self._reactor.addReader(self)

    def stop(self) -> None:
        """Accept no more; what is connected stays."""
        if self._open:
            self._open = False
            self._reactor.removeReader(self)
            self._sock.close()

    def look(self) -> None:
        """Called every few seconds: end connections whose peer vanished. Whoever has one reads its end."""
        self._looks = (self._looks + 1) % LOOKS
        for sock in [sock for sock in self._connected if sock.fileno() % LOOKS == self._looks]:
            if self._vanished(sock):
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def fileno(self) -> int:
        """The descriptor, -1 once stopped."""
        return self._sock.fileno()

    def logPrefix(self) -> str:
        """Twisted's word for us in its log."""
        return "kgate listener"

    def connectionLost(self, reason: Failure) -> None:
        """The reactor gave the socket up."""
        self.stop()

    def doRead(self) -> None:
        """Clients wait."""
        for _ in range(ACCEPTS_A_TURN):
            try:
                sock, peer = self._sock.accept()
            except OSError as error:
                if error.errno in _FULL:
                    self._rest()
                elif error.errno not in _GONE:
                    raise
                break
            if is_for_clients(sock.fileno()):
                self._welcome(sock, str(peer[0]))
            else:
                sock.close()
                self._say_full()
        self._turn.flush()

    def _say_full(self) -> None:
        """Once in a while: strangers may have brought it about."""
        now = self._reactor.seconds()
        if now - self._said_full >= SAID_SECONDS:
            self._said_full = now
            log.warn(
                "there are too few descriptors for clients, so connections are turned away: this process may have {most}; raise that (LimitNOFILE, ulimit -n)",
                most=most(),
            )

    def _rest(self) -> None:
        """No descriptor is left: look again in a moment rather than spin."""
        self._reactor.removeReader(self)
        self._reactor.callLater(REST_SECONDS, self._again)

    def _again(self) -> None:
        if self._open:
            self._reactor.addReader(self)

    def _welcome(self, sock: socket.socket, address: str) -> None:
        address = _plain(address)
        peer, counted = ipaddress.ip_address(address), whose(address)
        balancer = any(peer in network for network in self._balancers)
        if self._half_open.all >= HALF_OPEN_MAX or (self._half_open.of(counted) >= HALF_OPEN_OF_ONE_MAX and not balancer):
            sock.close()
            return
        tune(sock)
        self._half_open.take(counted)
        settled = partial(self._half_open.let_go, counted)
        self._connected.add(sock)
        arrival = _Arrival(StreamSocket(self._reactor, self._turn, sock), self._context(), self._serve, address, settled)
        arrival.deadline = self._reactor.callLater(self._handshake(), self._turn.wrap(arrival.late))
        arrival.start(proxied=balancer)


def _plain(address: str) -> str:
    """An IPv4 address that came by an IPv6 socket, in its own form; no zone."""
    parsed = ipaddress.ip_address(address.split("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)


class _Arrival:
    """A connection until its handshake is complete."""

    def __init__(self, stream: StreamSocket, context: ssl.SSLContext, serve: Serve, address: str, settled: Callable[[], None]) -> None:
        self._stream, self._serve, self.address = stream, serve, address
        self._settled: Callable[[], None] | None = settled
        self._tls = TlsTransport(context, self, server_side=True)
        self._header = b""
        self.deadline: Any = None

    def start(self, *, proxied: bool) -> None:
        """Expect a PROXY header, or TLS at once."""
        if proxied:
            self._stream.own(self)
            self._stream.resume_reading()
        else:
            self._secure(b"")

    def _secure(self, rest: bytes) -> None:
        self._stream.own(self._tls)
        self._tls.start(self._stream)
        if rest:
            self._tls.received(memoryview(rest))

    # --- while the PROXY header is read

    def received(self, data: memoryview) -> None:
        """Bytes of the header, and perhaps what follows it."""
        self._header += bytes(data)
        header = parse_proxy_header(self._header)
        if isinstance(header, ProxyHeaderInvalid):
            self._stream.abort()
        elif header is not None:
            self.address = _plain(header.address) if header.address else self.address
            self._secure(self._header[header.length :])

    def ended(self) -> None:
        """A health check that only connects."""
        self._stream.abort()

    def drained(self) -> None:
        """Nothing was sent."""

    # --- what TLS calls

    def connected(self, transport: TlsTransport) -> Carried:
        """The handshake is complete."""
        self._done()
        return self._serve(transport, self.address)

    def lost(self, reason: str) -> None:
        """It failed."""
        self._done()

    def late(self) -> None:
        """The deadline passed."""
        self._stream.abort()

    def _done(self) -> None:
        if self.deadline is not None and self.deadline.active():
            self.deadline.cancel()
        self.deadline = None
        settled, self._settled = self._settled, None
        if settled is not None:
            settled()
