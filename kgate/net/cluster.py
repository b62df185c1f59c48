"""One cluster as the exchange sees it: its endpoint, its connections, the gate's credential for it, and how it fares.

A connection is made with what the credential is at that moment, so a renewed client certificate serves the next one. TLS contexts are kept while the
certificate stays the same: making one costs milliseconds.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from kgate.errors import KgateError
from kgate.exchange.legs import UpstreamLeg
from kgate.exchange.ports import ClientWire
from kgate.kube.cluster_access import ClusterAccess
from kgate.net.contexts import ALPN, client_context
from kgate.net.credentials import Credential
from kgate.net.dial import DialFailed, HostName
from kgate.net.tls import TlsTransport
from kgate.net.turn import Turn
from kgate.net.upstream import Dial, Endpoint
from kgate.net.upstream_pool import Health, Then, UpstreamPool
from kgate.net.ways import through
from kgate.wire import http1, http2

UPSTREAM_WINDOW = 512 * 1024
"""Of one stream: a few hundred microseconds of a local network."""
UPSTREAM_LIMITS = http2.Http2Limits(initial_window=UPSTREAM_WINDOW, connection_window=100 * UPSTREAM_WINDOW)
"""The connection's window is that of all its streams, so that no stalled one holds up the others (k/k#60042)."""


PING = b"kgate..."
PING_SECONDS = 15.0
"""A connection with requests on it that said nothing for so long is asked whether it lives, at each tick until it answers."""
DEAD_SECONDS = 30.0


class Dialling:
    """Opens connections to one cluster. It refers to no pool but the one that asks, so that a cluster that was removed is gone with its last connection."""

    def __init__(
        self,
        reactor: Any,
        turn: Turn,
        now: Callable[[], float],
        access: ClusterAccess,
        credential: Credential,
        seconds: Callable[[], float],
    ) -> None:
        self._reactor, self._turn, self._now, self._seconds = reactor, turn, now, seconds
        self._access, self._credential = access, credential
        self._endpoint = endpoint_of(access)
        self._host = HostName(reactor, self._endpoint.host)
        self._contexts: dict[tuple[bool, tuple[bytes, bytes] | None], ssl.SSLContext] = {}

    def open(self, pool: UpstreamPool, own: bool, then: Then) -> None:
        """Give ``then`` a connection for ``pool``, or why there is none. ``own``: by HTTP/1.1."""
        try:
            context = self._context(own)
        except KgateError as error:
            then(DialFailed(str(error)))
            return
        make = partial(self._make, pool)
        Dial(self._reactor, self._turn, self._endpoint, self._host, context, make, then, self._seconds()).start()

    def _context(self, own: bool) -> ssl.SSLContext:
        key = (own, self._credential.certificate)
        context = self._contexts.get(key)
        if context is None:
            certificate, private = key[1] or (None, None)
            authority = self._access.certificate_authority
            roots = authority.decode("ascii", "replace") if authority else None
            context = client_context(roots, certificate, private, alpn=["http/1.1"] if own else ALPN, verify=not self._access.insecure)
            self._contexts = {old: kept for old, kept in self._contexts.items() if old[1] == key[1]}
            self._contexts[key] = context
        return context

    def _make(self, pool: UpstreamPool, transport: TlsTransport) -> UpstreamLeg:
        multiplexed = transport.alpn == "h2"
        wire = http2.ClientConnection(UPSTREAM_LIMITS, self._now) if multiplexed else http1.ClientConnection()
        return UpstreamLeg(cast("ClientWire", wire), transport, self._turn, self._now, pool.spare, pool.gone, multiplexed=multiplexed)


class ClusterUpstream:
    """See the module."""

    def __init__(
        self,
        reactor: Any,
        turn: Turn,
        now: Callable[[], float],
        access: ClusterAccess,
        credential: Credential,
        connect_seconds: Callable[[], float],
    ) -> None:
        self._now, self._access, self._credential = now, access, credential
        self._shown: tuple[bytes, bytes] | None = None
        """The certificate that the pool's connections were opened by."""
        self.pool = UpstreamPool(Dialling(reactor, turn, now, access, credential, connect_seconds).open, now)
        self.authority, self.base_path = access.server.authority.encode(), access.server.base_path.encode()

    @property
    def bearer(self) -> bytes | None:
        """The gate's own token, as of now."""
        return self._credential.bearer

    @property
    def health(self) -> Health:
        """What the last attempt to reach it showed."""
        return self.pool.health

    @property
    def access(self) -> ClusterAccess:
        """What it was made from."""
        return self._access

    def acquire(self, then: Then) -> None:
        """A connection with room for one request."""
        if self._credential.at_hand:
            self._pool_of_now().acquire(then)
        else:
            self._credential.ready(lambda problem: self._pool_of_now().acquire(then) if problem is None else then(DialFailed(problem)))

    def acquire_own(self, then: Then) -> None:
        """A new HTTP/1.1 connection, for an upgrade."""
        self._credential.ready(lambda problem: self.pool.acquire_own(then) if problem is None else then(DialFailed(problem)))

    def acquire_unshared(self, then: Then) -> None:
        """An HTTP/1.1 connection on which nobody else has anything."""

        def with_it(problem: str | None) -> None:
            if problem is None:
                self._pool_of_now().acquire_unshared(then)
            else:
                then(DialFailed(problem))

        self._credential.ready(with_it)

    def spare(self, leg: UpstreamLeg) -> None:
        """A connection that was acquired and is not used after all."""
        self.pool.spare(leg)

    def refused(self) -> None:
        """The cluster answered 401."""
        self._credential.refused()

    def close(self) -> None:
        """The cluster was removed from the configuration."""
        self.pool.close()
        self._credential.close()

    @property
    def over(self) -> bool:
        """Whether nothing is open to it any more."""
        return not self.pool.legs

    def tick(self) -> None:
        """Notice connections whose peer vanished without a word: a watch on one would wait for ever (k/k#107266, k/k#87615)."""
        now = self._now()
        for leg in list(self.pool.legs):
            if not leg.multiplexed or leg.closed:
                continue
            if not leg.requesters:
                leg.heard_at = now  # nobody asked it anything, so its silence up to here says nothing
                continue
            silent = now - leg.heard_at
            if silent > DEAD_SECONDS:
                leg.transport.abort()
            elif silent > PING_SECONDS:
                cast("http2.ClientConnection", leg.wire).ping(PING)
                leg.touch()

    def probe(self) -> None:
        """Learn whether it can be reached, by opening a connection where none is."""
        if not any(not leg.closed for leg in self.pool.legs):
            self.acquire(lambda result: self.pool.spare(result) if isinstance(result, UpstreamLeg) else None)

    def _pool_of_now(self) -> UpstreamPool:
        """Without the connections that another certificate opened: the cluster holds it against its clock with each request."""
        certificate = self._credential.certificate
        if certificate is not self._shown:
            self._shown = certificate
            self.pool.retire()
        return self.pool


def endpoint_of(access: ClusterAccess) -> Endpoint:
    """Where to connect: the server itself, or the forward proxy that leads to it."""
    server = access.server
    name = access.tls_server_name or server.host
    if not access.proxy_url:
        return Endpoint(server.host, server.port, name)
    way = through(access.proxy_url, server.host, server.port)
    return Endpoint(way.host, way.port, name, way.negotiate)
