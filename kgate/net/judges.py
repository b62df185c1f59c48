"""Asking others about tokens (``identity/asked``): an issuer's introspection endpoint, a cluster's TokenReview."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Protocol
from urllib.parse import quote, urlencode

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from kgate.exchange.inquiry import NoReply
from kgate.exchange.upstream import Upstream
from kgate.identity import introspection, token_review
from kgate.identity.asked import Judged
from kgate.identity.credentials import Rejected
from kgate.identity.elsewhere import is_https
from kgate.identity.issuer_configuration import IssuerConfiguration
from kgate.identity.token_review import Reviewer
from kgate.net.askers import inquire
from kgate.net.issuer_keys import read_discovery
from kgate.net.web import Unreachable, Web

log = Logger()

SECONDS = 4.0
ENDPOINT_SECONDS = 300.0
"""How long the address of an endpoint is believed before its issuer is asked for it again."""
_AGAIN = "try again, and ask whoever runs this gate if it stays so"


class Judge(Protocol):
    """Knows what a token is worth. ``problem`` is why it could not be asked the last time, for /readyz."""

    problem: str

    async def judge(self, token: str) -> Judged:
        """Ask. Never raises for what the other side does."""


class Introspection:
    """An issuer's endpoint (RFC 7662), asked as the client that the issuer knows the gate by."""

    def __init__(
        self, configuration: IssuerConfiguration, client_id: str, secret: str, web: Web, now: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        self._configuration, self._web, self._now, self._wall = configuration, web, now, wall
        pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"  # RFC 6749 section 2.3.1
        self._authorization = "Basic " + base64.b64encode(pair.encode()).decode()
        self._endpoint, self._believed = "", float("-inf")
        self.problem = ""

    async def judge(self, token: str) -> Judged:
        """See ``Judge``."""
        endpoint = await self._address()
        if isinstance(endpoint, Judged):
            return endpoint
        headers = [
            ("authorization", self._authorization),
            ("content-type", "application/x-www-form-urlencoded"),
            ("accept", "application/json"),
        ]
        body = urlencode({"token": token, "token_type_hint": "access_token"}).encode()
        reply = await self._web.ask("POST", endpoint, headers, body, limit=256 * 1024, seconds=SECONDS)
        if isinstance(reply, Unreachable):
            return self._unasked(f"its introspection {reply.text}")
        if reply.status != 200:
            self._believed = float("-inf")
            return self._unasked(f"its introspection answered {reply.status}")
        self.problem = ""
        return introspection.judge(reply.body, self._configuration, self._wall())

    async def _address(self) -> str | Judged:
        if self._now() - self._believed < ENDPOINT_SECONDS:
            return self._endpoint
        document = await read_discovery(self._web, self._configuration.issuer)
        if isinstance(document, str):
            return self._unasked(document)
        endpoint = document.get("introspection_endpoint")
        if not is_https(endpoint):
            return self._unasked("its discovery document names no introspection endpoint behind https")
        self._endpoint, self._believed = endpoint, self._now()
        return endpoint

    def _unasked(self, problem: str) -> Judged:
        url = self._configuration.issuer.url
        if problem != self.problem:
            log.warn("{issuer} cannot be asked about tokens: {problem}", issuer=url, problem=problem)
        self.problem = problem
        return Judged(Rejected(f"{url} could not be asked about the token", _AGAIN), final=False)


class ClusterReview:
    """A cluster's TokenReview, asked with the gate's own credential for it; ``upstream()`` is its connections as of now."""

    def __init__(
        self, reactor: IReactorTime, reviewer: Reviewer, upstream: Callable[[], Upstream | None], flush: Callable[[], None]
    ) -> None:
        self._reactor, self._reviewer, self._upstream, self._flush = reactor, reviewer, upstream, flush
        self.problem = ""

    async def judge(self, token: str) -> Judged:
        """See ``Judge``."""
        upstream = self._upstream()
        if upstream is None:
            return self._unasked("it is not configured any more")
        question = token_review.review(token, self._reviewer.audiences)
        asked = Deferred.fromCoroutine(inquire(upstream, token_review.PATH.encode(), question, None, self._flush))
        asked.addTimeout(SECONDS, self._reactor)
        try:
            reply = await asked
        except (TookTooLong, CancelledError):
            return self._unasked(f"it did not answer within {SECONDS:g} s")
        if isinstance(reply, NoReply):
            return self._unasked(f"it {reply.text}")
        if reply.status == 403:
            return self._unasked("the gate's credential may not create tokenreviews there; bind system:auth-delegator to it")
        if reply.status not in (200, 201):
            return self._unasked(f"it answered {reply.status}")
        self.problem = ""
        return token_review.judge(reply.body, token, self._reviewer)

    def _unasked(self, problem: str) -> Judged:
        name = self._reviewer.cluster
        if problem != self.problem:
            log.warn("cluster {name} cannot review tokens: {problem}", name=name, problem=problem)
        self.problem = problem
        return Judged(Rejected(f"the cluster {name} could not be asked about the token", _AGAIN), final=False)
