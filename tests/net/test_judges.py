"""Asking an issuer about a token: whatever its discovery document says, the answer is one."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from issuer import NOW, URL
from issuer_gate import configuration
from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from kgate.identity.asked import Judged
from kgate.identity.credentials import Rejected
from kgate.identity.issuer_configuration import load_authentication_configuration
from kgate.net.judges import Introspection
from kgate.net.web import Reply, Unreachable


class Discovery:
    """Answers everything with a discovery document that names this endpoint, a question about a token with ``introspects`` where that is set."""

    introspects: Reply | Unreachable | None = None

    def __init__(self, endpoint: object) -> None:
        self._body = json.dumps({"issuer": URL, "introspection_endpoint": endpoint}).encode()

    async def ask(
        self, method: str, url: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b"", *, limit: int = 0, seconds: float = 0.0
    ) -> Reply | Unreachable:
        return self.introspects if method == "POST" and self.introspects is not None else Reply(200, (), self._body)


@pytest.mark.parametrize("endpoint", ["http://idp.example/introspect", "https://[::1/introspect", "https://", "", None, 7])
def test_an_endpoint_that_is_none(endpoint: object) -> None:
    (issuer,) = load_authentication_configuration(configuration(), "f")
    judge = Introspection(issuer, "kgate", "secret", Discovery(endpoint), lambda: 0.0, lambda: NOW)
    found: list[object] = []
    Deferred.fromCoroutine(judge.judge("opaque")).addBoth(found.append)
    assert found == [
        Judged(
            Rejected(f"{URL} could not be asked about the token", "try again, and ask whoever runs this gate if it stays so"), final=False
        )
    ]


def test_an_endpoint_that_is_away_is_said_to_be_once_however_many_tokens_come() -> None:
    (issuer,) = load_authentication_configuration(configuration(), "f")
    web = Discovery("https://idp.example/introspect")
    judge = Introspection(issuer, "kgate", "secret", web, lambda: 0.0, lambda: NOW)
    said: list[LogEvent] = []

    def asks(answer: Reply | Unreachable | None) -> str:
        web.introspects = answer
        Deferred.fromCoroutine(judge.judge("opaque"))
        return judge.problem

    globalLogPublisher.addObserver(said.append)
    away = [asks(Unreachable("did not answer within 4 s")) for _ in range(100)]
    assert away[-1] == "its introspection did not answer within 4 s" and len(said) == 1
    assert asks(Reply(503, (), b"")) == "its introspection answered 503" and len(said) == 2
    assert asks(Reply(200, (), b'{"active": false}')) == ""
    asks(Unreachable("did not answer within 4 s"))
    globalLogPublisher.removeObserver(said.append)
    assert [formatEvent(event) for event in said][::2] == [
        f"{URL} cannot be asked about tokens: its introspection did not answer within 4 s"
    ] * 2
