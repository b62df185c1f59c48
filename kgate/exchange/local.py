"""Requests that the gate answers itself: sign-in pages, its API. Small bodies, read whole; small answers, written whole.

Everything at the gate's own host that is no cluster's comes here, if an application says that the path is its own. The same strict head rules hold as
for a cluster's requests. Who asks is the application's to find out: the sign-in page is for people whom nobody knows yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from attrs import frozen

from kgate.exchange.legs import ClientLeg
from kgate.exchange.ports import Loss
from kgate.exchange.refusal import answer_whole, refuse
from kgate.identity.credentials import Credentials
from kgate.kube.credentials import bearer_token
from kgate.kube.headers import inbound_refusal
from kgate.kube.refusal import Refusal
from kgate.memory import Shares
from kgate.wire.events import Headers, RequestReceived

MOST_BODY = 1024 * 1024
"""Bytes."""
MOST_OF_ONE = 16 * MOST_BODY
"""What is held of the bodies of one address at once: each is read whole before anybody knows whose it is (security.md class 19)."""
MOST_OF_ALL = 8 * MOST_OF_ONE
SLOWEST_BODY = 20.0
"""Seconds from the head to the body's end."""


@frozen
class LocalRequest:
    """A request for the gate itself. ``headers`` have lower-case names; one that came several times is there several times."""

    method: str
    path: str
    """Raw, without the query."""
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    credentials: Credentials

    def header(self, name: str) -> str:
        """The value of a header that may come once; the first one where it came more often, empty where it did not come."""
        return next((value for each, value in self.headers if each == name), "")


@frozen
class LocalResponse:
    """An answer. ``content-length`` is added to the headers."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


Respond = Callable[[LocalResponse], None]


class Application(Protocol):
    """The gate's own pages and API."""

    def owns(self, path: str) -> bool:
        """Whether ``path`` (raw, without the query) is one of its own; anything else is answered like a cluster that is not there."""

    def serve(self, request: LocalRequest, respond: Respond) -> None:
        """Answer, now or later, exactly once."""


class LocalExchange:
    """One such request, from its head to its answer."""

    def __init__(
        self,
        leg: ClientLeg,
        request: RequestReceived,
        application: Application,
        now: float,
        gone: Callable[[LocalExchange], None],
        held: Shares,
        whose: str,
    ) -> None:
        self._leg, self._request, self._application, self._gone = leg, request, application, gone
        self._held, self._whose = held, whose
        self._deadline = now + SLOWEST_BODY
        self._body = bytearray()
        self._complete = self._done = False

    def begin(self) -> None:
        """Take the request; it is answered once its body is there."""
        refusal = inbound_refusal(self._request.head.headers)
        if refusal is not None:
            self._refuse(*refusal)
            return
        self._leg.responders[self._request.stream] = self
        if self._request.ended:
            self.client_ended()
        else:
            self._leg.invite(self._request.stream, self._request.head.headers)

    def look(self, now: float) -> None:
        """Called a few times a second."""
        if not self._complete and not self._done and now > self._deadline:
            self._refuse(408, "the request's body stopped coming; send it again")

    def client_data(self, data: bytes, credit: int) -> None:
        """More of the body."""
        if len(self._body) + len(data) > MOST_BODY:
            self._refuse(413, f"the request's body is longer than {MOST_BODY} bytes")
            return
        if self._held.of(self._whose) + len(data) > MOST_OF_ONE or self._held.all + len(data) > MOST_OF_ALL:
            self._refuse(503, "too much is being sent to the gate at this moment; try again")
            return
        self._held.take(self._whose, len(data))
        self._body += data
        self._leg.wire.consumed(self._request.stream, credit)
        self._leg.touch()

    def client_trailers(self, headers: Headers) -> None:
        """They mean nothing here."""

    def client_ended(self) -> None:
        """The request is complete."""
        self._complete = True
        head = self._request.head
        bearer = bearer_token(head.headers)
        # A path may be asked for by whoever has another kind of credential, such as a client secret: the application reads the header then. For everybody
        # else it is a token that is none: whoever shows one is not who the certificate beside it says.
        credentials = Credentials("" if isinstance(bearer, Refusal) else bearer, self._leg.certificate, self._leg.address)
        path, _, query = head.target.decode("latin-1").partition("?")
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers)
        method = head.method.decode("latin-1")
        self._application.serve(LocalRequest(method, path, query, headers, bytes(self._body), credentials), self._respond)

    def client_writable(self) -> None:
        """The wire sends on by itself."""

    def client_lost(self, loss: Loss) -> None:
        """The client went away; an answer that still comes goes nowhere."""
        self._finish()

    def _respond(self, response: LocalResponse) -> None:
        if self._done:
            return
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
        answer_whole(self._leg, self._request.stream, self._request.head.method, response.status, headers, response.body)
        self._finish()

    def _refuse(self, status: int, message: str) -> None:
        self._end()
        self._leg.responders.pop(self._request.stream, None)
        refuse(self._leg, self._request, status, f"kgate: {message}")

    def _finish(self) -> None:
        if not self._done:
            self._end()
            self._leg.finished(self._request.stream)

    def _end(self) -> None:
        self._done = True
        self._held.let_go(self._whose, len(self._body))
        self._gone(self)
