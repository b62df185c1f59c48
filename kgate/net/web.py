"""Asking other people's web servers: key sets, introspection, inventories, webhooks.

By Twisted's Agent with everything off that a browser would like: no redirects (a key set that answers 302 names somebody else as its source,
security.md class 21), no cookies, no decompression, no connection kept. Each question has a deadline for the whole answer and a limit for its size;
what cannot be had is a value with a sentence, never an exception. The limit is the body's; what stands around it has ``HEAD_BYTES``. The trust roots are the
question's own: an issuer's ``certificateAuthority``, or the system's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

from attrs import frozen
from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet import error
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import Certificate, optionsForClientTLS, platformTrust, trustRootFromCertificates
from twisted.python.failure import Failure
from twisted.web.client import Agent, ResponseDone, ResponseFailed
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IBodyProducer, IPolicyForHTTPS, IResponse
from zope.interface import implementer

from kgate.documents.pem import certificates_in
from kgate.memory import remember
from kgate.net.ways import Bounded, TooLong, Ways, WebProxy

SECONDS = 5.0
MAX_BYTES = 1024 * 1024
HEAD_BYTES = 256 * 1024
"""Besides the body: heads, chunk sizes, trailers."""
_AGENT = b"kgate"
PREPARED_SECONDS = 3600.0
MOST_HOSTS = 64
"""Of one question's kind: an issuer and whom it names."""


@frozen
class Reply:
    """A whole answer. Header names are in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """The first value of a header, empty where there is none."""
        return next((value for each, value in self.headers if each == name), "")


@frozen
class Unreachable:
    """Why there is no answer: the rest of a sentence that begins with who was asked."""

    text: str


class Web(Protocol):
    """What asks. ``Asking`` is the real one."""

    async def ask(
        self,
        method: str,
        url: str,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        limit: int = MAX_BYTES,
        seconds: float = SECONDS,
    ) -> Reply | Unreachable:
        """The answer of ``url``, at most ``limit`` bytes within ``seconds``."""


class Asking:
    """See the module. ``authority`` is PEM text; without it the system's roots are trusted. ``proxy`` gives the forward proxy as of now."""

    def __init__(self, reactor: Any, authority: str | None = None, proxy: WebProxy = lambda: None) -> None:
        self._reactor = reactor
        self._ways = Ways(reactor, Trust(authority, reactor.seconds), proxy, SECONDS)

    async def ask(
        self,
        method: str,
        url: str,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        limit: int = MAX_BYTES,
        seconds: float = SECONDS,
    ) -> Reply | Unreachable:
        """See ``Web``."""
        if not _is_address(url):
            return Unreachable("has an address that is none")
        sent = Headers({b"user-agent": [_AGENT]})
        for name, value in headers:
            sent.addRawHeader(name.encode("ascii"), value.encode("utf-8"))
        whole = Deferred.fromCoroutine(self._whole(method.encode("ascii"), url.encode("ascii"), sent, body, limit))
        whole.addTimeout(seconds, self._reactor)
        try:
            return await whole
        except (TookTooLong, error.TimeoutError, error.ConnectingCancelledError, CancelledError):
            return Unreachable(f"did not answer within {seconds:g} s")
        except UnicodeError as problem:  # by IDNA 2008, which has no underscore either
            return Unreachable(f"has a host name that no certificate could have: {problem}")
        except (error.ConnectError, error.ConnectionClosed, ResponseFailed, OSError, SSL.Error, VerificationError, TooLong) as problem:
            return Unreachable(_why(problem, limit, f"did not answer within {seconds:g} s"))

    async def _whole(self, method: bytes, url: bytes, headers: Headers, body: bytes, limit: int) -> Reply:
        agent = Agent.usingEndpointFactory(self._reactor, Bounded(self._ways, limit + HEAD_BYTES))
        response = await agent.request(method, url, headers, cast("IBodyProducer", _Body(body)) if body else None)
        collected = await body_of(response, limit)
        if collected is None:
            raise TooLong
        names = (
            (name.decode("latin-1").lower(), value.decode("latin-1"))
            for name, values in response.headers.getAllRawHeaders()
            for value in values
        )
        return Reply(response.code, tuple(names), collected)


@implementer(IPolicyForHTTPS)
class Trust:
    """Whom to believe that they are who they say.

    TLS is prepared for a host once in a while, not for each question: with the system's roots that is 6 ms and 800 KB, which stay until the collector comes
    by, for connections of Twisted's are in cycles. The system's roots may be others after a while.
    """

    def __init__(self, authority: str | None, now: Callable[[], float]) -> None:
        self._now, self._began = now, now()
        self._prepared: dict[str, IOpenSSLClientConnectionCreator] = {}
        certificates = [Certificate.loadPEM(pem.encode()) for pem in certificates_in(authority)] if authority else []
        self._roots = trustRootFromCertificates(certificates) if authority else platformTrust()

    def creatorForNetloc(self, hostname: bytes, port: int) -> IOpenSSLClientConnectionCreator:
        """TLS to ``hostname``, whose certificate must be for that name."""
        name = hostname.decode("ascii")
        if self._now() - self._began >= PREPARED_SECONDS:
            self._prepared, self._began = {}, self._now()
        known = self._prepared.get(name)
        return known if known is not None else remember(self._prepared, name, optionsForClientTLS(name, trustRoot=self._roots), MOST_HOSTS)


@implementer(IBodyProducer)
class _Body:
    """A request body that is all there."""

    def __init__(self, body: bytes) -> None:
        self._body, self.length = body, len(body)

    def startProducing(self, consumer: Any) -> Deferred[None]:
        """Write it."""
        consumer.write(self._body)
        done: Deferred[None] = Deferred()
        done.callback(None)
        return done

    def pauseProducing(self) -> None:
        """It is written at once."""

    def resumeProducing(self) -> None:
        """It is written at once."""

    def stopProducing(self) -> None:
        """It is written at once."""


def body_of(response: IResponse, limit: int) -> Deferred[bytes | None]:
    """The body; None where it is longer than ``limit``."""
    collector = _Collector(limit)
    response.deliverBody(collector)  # type: ignore[call-arg, misc]  # the interface is declared without self
    return collector.done


class _Collector:
    """Takes a response's body (the part of IProtocol that ``deliverBody`` uses)."""

    def __init__(self, limit: int) -> None:
        self._limit, self._held = limit, bytearray()
        self.done: Deferred[bytes | None] = Deferred(lambda _: self._transport.loseConnection())
        self._transport: Any = None

    def makeConnection(self, transport: Any) -> None:
        """The body begins."""
        self._transport = transport

    def dataReceived(self, data: bytes) -> None:
        """Some of it."""
        self._held += data
        if len(self._held) > self._limit and not self.done.called:
            self.done.callback(None)
            self._transport.loseConnection()

    def connectionLost(self, reason: Failure) -> None:
        """Its end, or that of the connection."""
        if self.done.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss):
            self.done.callback(bytes(self._held))
        else:
            self.done.errback(reason)


def _is_address(url: str) -> bool:
    """Whether somebody can be connected to: addresses come from other people's documents too."""
    try:
        parts = urlsplit(url)
        return url.isascii() and url.isprintable() and " " not in url and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _why(problem: Exception, limit: int, late: str) -> str:
    reasons = problem.reasons if isinstance(problem, ResponseFailed) else None
    inner: BaseException = reasons[0].value if reasons else problem
    if isinstance(inner, TooLong):
        return f"answered with more than {limit} bytes"
    if isinstance(inner, CancelledError):
        return late
    if isinstance(inner, SSL.Error):
        words = [part[-1] for part in inner.args[0]] if inner.args and isinstance(inner.args[0], list) else []
        return f"cannot be trusted: {words[-1] if words else 'TLS failed'}"
    if isinstance(inner, VerificationError):
        return "cannot be trusted: its certificate is for another name"
    return f"cannot be reached: {str(inner).rstrip('.')[:200] or type(inner).__name__}"
