"""Where issuers tell the gate that something ended: ``POST /kgate/v1/backchannel-logout`` (OpenID Connect Back-Channel Logout 1.0) and
``POST /kgate/v1/signals`` (security event tokens by push, RFC 8935).

Nobody signs in here: the token's signature is the credential. The answer comes after what it says is durable and in force.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import parse_qs

from kgate.api.application import Params, Routes, json_response
from kgate.exchange.local import LocalRequest, LocalResponse
from kgate.identity.notice_tokens import UNAVAILABLE, Refused
from kgate.identity.notices import Notice
from kgate.net.database import StoreUnavailableError
from kgate.net.notices import Dialect, Received, Receiver

LOGOUT = "/kgate/v1/backchannel-logout"
SIGNALS = "/kgate/v1/signals"
MOST_TOKEN = 64 * 1024
MOST_FIELDS = 10
"""Of a form. An issuer sends one; what else it may send in a later version means nothing here."""

Record = Callable[[str, Mapping[str, object]], None]


class NoticePages:
    """See the module. ``record`` puts an event on record."""

    def __init__(self, receiver: Receiver, record: Record) -> None:
        self._receiver, self._record = receiver, record

    def routes(self) -> Routes:
        """Both endpoints."""
        return {("POST", LOGOUT): self._logout, ("POST", SIGNALS): self._signal}

    async def _logout(self, request: LocalRequest, params: Params) -> LocalResponse:
        try:
            tokens = parse_qs(request.body.decode("latin-1"), max_num_fields=MOST_FIELDS).get("logout_token", [])
        except ValueError:
            tokens = []
        if not _is(request, "application/x-www-form-urlencoded") or len(tokens) != 1:
            return _logout_error("invalid_request", "send one logout_token as a form")
        answer = await self._received(tokens[0], Dialect.LOGOUT, request)
        if isinstance(answer, Refused):
            return _logout_error("invalid_request" if answer.error != UNAVAILABLE else answer.error, answer.text)
        return LocalResponse(200)

    async def _signal(self, request: LocalRequest, params: Params) -> LocalResponse:
        if not _is(request, "application/secevent+jwt"):
            return _event_error("invalid_request", "send one token as application/secevent+jwt")
        answer = await self._received(request.body.decode("latin-1").strip(), Dialect.EVENT, request)
        return _event_error(answer.error, answer.text) if isinstance(answer, Refused) else LocalResponse(202)

    async def _received(self, token: str, dialect: Dialect, request: LocalRequest) -> Received | Refused:
        if len(token) > MOST_TOKEN:
            return Refused("invalid_request", "the token is too long")
        try:
            answer = await self._receiver.receive(token, dialect)
        except StoreUnavailableError as error:
            return Refused(UNAVAILABLE, str(error))
        address = request.credentials.address
        if isinstance(answer, Refused):
            self._record("notice", {"allowed": False, "source_ip": address, "reasons": [answer.text]})
        elif answer.new:
            self._record("notice", {"allowed": True, "source_ip": address, **on_record(answer)})
        return answer


def on_record(received: Received) -> dict[str, object]:
    """The fields of a notice's record: who is meant as the issuer names them, and what ended by it."""
    notice: Notice = received.notice
    subject = notice.subject
    named = {name: value for name in ("sub", "email", "session", "device") if (value := getattr(subject, name))}
    facts: dict[str, object] = {"issuer": notice.issuer, "notice": notice.kind.value, "jti": notice.id, "subject": named}
    return facts | ({"sessions": list(received.ended)} if received.ended else {})


def _is(request: LocalRequest, media_type: str) -> bool:
    return request.header("content-type").partition(";")[0].strip().lower() == media_type


def _logout_error(error: str, text: str) -> LocalResponse:
    """Section 2.8; a store that does not answer is no fault of the issuer's, which may try again."""
    return json_response(503 if error == UNAVAILABLE else 400, {"error": error, "error_description": text})


def _event_error(error: str, text: str) -> LocalResponse:
    """RFC 8935 section 2.3."""
    return json_response(503 if error == UNAVAILABLE else 400, {"err": error, "description": text})
