"""What the two reviews about oneself have in common: a small body, read whole, put on record, and an answer of the gate's own making.

    body ──▶ on record ──▶ examined ──▶ answered
      │ 413, 415, 400

Nothing is granted by an answer, so it is not registered as live: what it says may be otherwise a moment later, as Kubernetes' own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

from kgate.authorizers.interface import Overview
from kgate.exchange.admission import Admitted
from kgate.exchange.gate import Fetch, Recorder
from kgate.exchange.inquiry import Inquiry, NoReply, Reply
from kgate.exchange.legs import ClientLeg
from kgate.exchange.ports import Loss
from kgate.exchange.refusal import answer_whole
from kgate.exchange.tape import Tape
from kgate.kube.access_review import API_VERSION
from kgate.kube.status import status_body
from kgate.model import Action, Cause, Decision, Identity, Impersonation, Pending
from kgate.wire.events import Headers, RequestReceived

MOST_BODY = 64 * 1024
"""Bytes of a review."""
SECONDS = 20.0
"""From the request's head to the answer."""
_GROUP = API_VERSION.partition("/")[0]
_TYPES = ("application/json", "application/vnd.kubernetes.protobuf")


def own_review(action: Action) -> str:
    """The kind of review about oneself that a request is; empty where it is none."""
    return action.resource if action.api_group == _GROUP and action.verb == "create" and not action.subresource else ""


class ReviewGate(Protocol):
    """What a review asks of the gate around it."""

    @property
    def recorder(self) -> Recorder:
        """Where it goes on record, as any request."""

    def now(self) -> float:
        """Monotonic seconds."""

    @property
    def fetch(self) -> Fetch:
        """Gets what a decision waits for."""

    def judge(self, review: OwnReview, action: Action) -> Decision | Pending:
        """What the decision on ``action`` would be, for whoever sent the review."""

    def overview(self, review: OwnReview) -> Overview:
        """What the policy gives whoever sent the review."""


class OwnReview(ABC):
    """See the module. Implements what a leg calls (Responder) and what the records of a request are made from."""

    def __init__(
        self, gate: ReviewGate, client: ClientLeg, request: RequestReceived, admitted: Admitted, id_: str, gone: Callable[[OwnReview], None]
    ) -> None:
        self._gate, self._client, self._stream, self._gone = gate, client, request.stream, gone
        self._type = next((value for name, value in request.head.headers if name == b"content-type"), b"").decode("latin-1")
        self._encoded = any(name == b"content-encoding" for name, _ in request.head.headers)
        self._headers, self._ended = request.head.headers, request.ended
        self._body = bytearray()
        self._inquiries: set[Inquiry] = set()
        self._done = False
        self._admitted, self._id = admitted, id_
        self.started = gate.now()
        self.bytes_in = self.bytes_out = self.status = 0
        self.closed_by: Cause | None = None
        self.revocation: float | None = None
        self.tape: Tape | None = None

    @property
    def id(self) -> str:
        """The request's id."""
        return self._id

    @property
    def admitted(self) -> Admitted:
        """Who asked, and that they may ask."""
        return self._admitted

    @property
    def identity(self) -> Identity:
        """Who asked."""
        return self._admitted.identity

    @property
    def action(self) -> Action:
        """That they asked."""
        return self._admitted.asked.action

    def begin(self) -> None:
        """Take the body."""
        self._client.responders[self._stream] = self
        if self._ended:
            self.client_ended()
        else:
            self._client.invite(self._stream, self._headers)

    def look(self, now: float) -> None:
        """Called a few times a second."""
        if not self._done and now - self.started > SECONDS:
            self._refuse(504, "the answer took too long; try again")

    @abstractmethod
    def _examine(self, body: bytes, media: str) -> None:
        """The review is complete and on record: find the answer."""

    # --- the client's half

    def client_data(self, data: bytes, credit: int) -> None:
        """More of the review."""
        if self._done:
            return
        self._body += data
        self.bytes_in += len(data)
        if len(self._body) > MOST_BODY:
            self._refuse(413, f"a review is at most {MOST_BODY} bytes")
            return
        self._client.wire.consumed(self._stream, credit)
        self._client.touch()

    def client_trailers(self, headers: Headers) -> None:  # noqa: B027 - nothing to do is all there is to do
        """They mean nothing here."""

    def client_ended(self) -> None:
        """The review is complete."""
        self._ended = True
        if not self._done:
            self._gate.recorder.decision(self, self._recorded)

    def client_writable(self) -> None:  # noqa: B027 - nothing to do is all there is to do
        """The answer is small."""

    def client_lost(self, loss: Loss) -> None:
        """Nobody waits for the answer."""
        self._finish()

    # --- steps

    def _recorded(self, durable: bool) -> None:
        media = self._type.partition(";")[0].strip() or _TYPES[0]  # as the API server takes what does not say
        if self._done:
            return
        if not durable:
            self._refuse(503, "the audit record could not be made durable in time, so nothing was answered")
        elif media not in _TYPES or self._encoded:
            self._refuse(415, "a review is sent as JSON or protobuf, uncompressed")
        else:
            self._examine(bytes(self._body), media)

    def _ask_cluster(self, target: bytes, body: bytes, impersonate: Impersonation, then: Callable[[Reply], None]) -> None:
        """Ask the cluster in that name. ``then`` gets a good answer; any other ends the review."""

        def answered(reply: Reply | NoReply) -> None:
            self._inquiries.discard(inquiry)
            if self._done:
                return
            if isinstance(reply, NoReply):
                self._refuse(503, f"{self._cluster} {reply.text}")
            elif reply.status not in (200, 201):
                self._refuse(502, f"{self._cluster} could not be asked: it answered with {reply.status}")
            else:
                then(reply)

        inquiry = Inquiry(self._admitted.route.upstream, target, body, impersonate, answered)
        self._inquiries.add(inquiry)
        inquiry.begin()

    @property
    def _cluster(self) -> str:
        return f"cluster {self.action.cluster.name}"

    # --- ends

    def _refuse(self, code: int, message: str) -> None:
        self._send(code, status_body(code, f"kgate: {message} (request {self.id})"))

    def _send(self, code: int, body: bytes) -> None:
        self.status, self.bytes_out = code, len(body)
        headers = [(b"content-type", b"application/json"), (b"audit-id", self.id.encode())]
        answer_whole(self._client, self._stream, b"POST", code, headers, body)
        self._finish()

    def _finish(self) -> None:
        if self._done:
            return
        self._done = True
        for inquiry in list(self._inquiries):
            inquiry.cancel()
        if not self._ended:
            self._client.wire.reset(self._stream, 0)  # RFC 9113 section 8.1: an answer may come before the request's end
        self._gone(self)
        self._gate.recorder.end(self)
        self._client.finished(self._stream)
