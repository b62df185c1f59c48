"""Asking an issuer about a token: whatever its discovery document says, the answer is one."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from issuer import NOW, URL
from issuer_gate import configuration
from twisted.internet.defer import Deferred

from kgate.identity.asked import Judged
from kgate.identity.credentials import Rejected
from kgate.identity.issuer_configuration import load_authentication_configuration
from kgate.net.judges import Introspection
from kgate.net.web import Reply, Unreachable


class Discovery:
    """Answers everything with a discovery document that names this endpoint."""

    def __init__(self, endpoint: object) -> None:
        self._body = json.dumps({"issuer": URL, "introspection_endpoint": endpoint}).encode()

    async def ask(
        self, method: str, url: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b"", *, limit: int = 0, seconds: float = 0.0
    ) -> Reply | Unreachable:
        return Reply(200, (), self._body)


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
