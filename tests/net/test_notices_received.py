"""Taking notices in while their signer's keys cannot be had: none is lost by that, for whoever tells of it is asked to tell it again."""

from __future__ import annotations

from typing import Any

import pytest
from issuer import NOW, TestIssuer
from issuer_gate import IssuerGate
from twisted.internet.defer import Deferred

from kgate.identity.issuers import Signers
from kgate.identity.notice_tokens import BACKCHANNEL_LOGOUT, Refused
from kgate.net.notices import Dialect, Receiver, Speaker

pytestmark = pytest.mark.threat("21")


class World:
    """Somebody who takes notices of one issuer in, and keeps none: there is no store."""

    def __init__(self) -> None:
        self.issuer = TestIssuer()
        self.gate = IssuerGate(self.issuer)
        url = self.issuer.url
        signers = Signers([url], {url: self.gate.ring}, lambda: self.gate.monotonic)
        speaker = Speaker(url, frozenset({"kgate"}), url, frozenset({Dialect.LOGOUT}))
        store: Any = None
        self.receiver = Receiver(store, lambda: signers, lambda: {url: speaker}, self.gate.get, lambda: self.gate.now)

    def refused(self, **header: str) -> str:
        """The code with which a logout token is refused."""
        claims = {
            "iss": self.issuer.url,
            "aud": "kgate",
            "iat": self.gate.now,
            "jti": "j",
            "sub": "alice",
            "events": {BACKCHANNEL_LOGOUT: {}},
        }
        found: list[object] = []
        Deferred.fromCoroutine(self.receiver.receive(self.issuer.sign(claims, **header), Dialect.LOGOUT)).addBoth(found.append)
        (answer,) = found
        assert isinstance(answer, Refused), answer
        return answer.error


def test_keys_that_cannot_be_had() -> None:
    world = World()
    world.gate.down = True
    assert world.refused() == "unavailable"


def test_a_key_that_is_not_published_is_nobodys() -> None:
    world = World()
    assert [world.refused(kid="nobodys") for _ in range(2)] == ["invalid_key", "invalid_key"]


def test_a_key_that_was_not_looked_for_because_others_were_too_often() -> None:
    world = World()
    assert [world.refused(kid=f"nobodys-{number}") for number in range(7)][-1] == "unavailable"
    assert world.gate.now == NOW
