"""How each kind of authorizer is asked. What cannot be had is a value with a sentence; deadlines are the caller's (``consulting``), who cancels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred

from kgate.authorizers import opa, webhook
from kgate.authorizers.interface import Answer, Question, Unanswered
from kgate.authorizers.opa import OpaQuestions
from kgate.authorizers.webhook import OwnReviews, SubjectReviews
from kgate.exchange.inquiry import Inquiry, NoReply, Reply
from kgate.exchange.upstream import Upstream
from kgate.kube.access_review import OWN_REVIEWS
from kgate.kube.cluster_access import token_of
from kgate.model import Impersonation
from kgate.net.disk import NeededFile
from kgate.net.web import Unreachable, Web

_SECONDS = 60.0
"""More than any authorizer's own deadline, which comes first."""


async def inquire(
    upstream: Upstream, target: bytes, body: bytes, impersonate: Impersonation | None, flush: Callable[[], None]
) -> Reply | NoReply:
    """The answer of a server to one small question; cancelling gives it up."""

    def cancelled(_: Deferred[Reply | NoReply]) -> None:
        inquiry.cancel()
        flush()

    answered: Deferred[Reply | NoReply] = Deferred(cancelled)
    inquiry = Inquiry(upstream, target, body, impersonate, answered.callback)
    inquiry.begin()
    flush()
    return await answered


class Webhook(SubjectReviews):
    """Any server that takes SubjectAccessReviews, reached as a kubeconfig says. The kubeconfig's URL is the whole of it, as the API server has it."""

    def __init__(self, name: str, upstream: Upstream, flush: Callable[[], None]) -> None:
        super().__init__(name)
        self._upstream, self._flush = upstream, flush

    async def ask(self, question: Question) -> Answer | Unanswered:
        """One review."""
        return _review(await inquire(self._upstream, b"", _body(question), None, self._flush))


class ClusterRbac(OwnReviews):
    """The cluster that the request is for. ``upstreams`` gives the connections to each, as of now."""

    def __init__(self, name: str, upstreams: Callable[[], Mapping[str, Upstream]], flush: Callable[[], None]) -> None:
        super().__init__(name)
        self._upstreams, self._flush = upstreams, flush

    async def ask(self, question: Question) -> Answer | Unanswered:
        """One review, in the name of whom it is about."""
        upstream = self._upstreams().get(question.cluster)
        if upstream is None:
            return Unanswered(f"is gone: cluster {question.cluster} is not served any more")
        return _review(await inquire(upstream, OWN_REVIEWS, _body(question), question.impersonate, self._flush))


class Opa(OpaQuestions):
    """One OPA. ``token_file`` is read at each question: whoever renews it need tell nobody."""

    def __init__(self, name: str, web: Web, url: str, token_file: NeededFile | None) -> None:
        super().__init__(name)
        self._web, self._url, self._token_file = web, url, token_file

    async def ask(self, question: Question) -> Answer | Unanswered:
        """One document."""
        headers = [("content-type", "application/json")]
        if self._token_file is not None:
            try:
                token = token_of(await self._token_file.read())
            except OSError as error:
                return Unanswered(f"cannot be asked: {self._token_file.path} cannot be read: {error.strerror}")
            if token is None:
                return Unanswered(f"cannot be asked: there is no token in {self._token_file.path}")
            headers.append(("authorization", f"Bearer {token.decode()}"))
        reply = await self._web.ask("POST", self._url, headers, _body(question), seconds=_SECONDS)
        return Unanswered(reply.text) if isinstance(reply, Unreachable) else opa.answer_of(reply.status, reply.body)


def _review(reply: Reply | NoReply) -> Answer | Unanswered:
    return Unanswered(reply.text) if isinstance(reply, NoReply) else webhook.answer_of(reply.status, reply.body)


def _body(question: Question) -> bytes:
    body: Any = question.body
    return bytes(body)
