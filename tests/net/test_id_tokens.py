"""ID tokens of a sign-in whose groups are elsewhere: with the issuer (userinfo), or in another token. Without them nobody is signed in as somebody else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from issuer_gate import PLAIN, IssuerGate, configuration
from twisted.internet.defer import Deferred

from kgate.identity.credentials import Rejected
from kgate.identity.issuer_configuration import load_authentication_configuration
from kgate.identity.openid import ProviderTokens
from kgate.net.id_tokens import IdTokens
from kgate.net.provider import Confirmed, as_person

AT = "https://claims.example/groups"
DISTRIBUTED: dict[str, Any] = {"_claim_names": {"groups": "there"}, "_claim_sources": {"there": {"endpoint": AT, "access_token": "secret"}}}
BY_EXPRESSION = {"username": {"claim": "email", "prefix": ""}, "groups": {"expression": "claims.roles"}}


def verified(gate: IssuerGate, access_token: str = "opaque", **claims: Any) -> Confirmed | Rejected:
    """What comes of a sign-in by an ID token with these claims, and the access token beside it."""
    (issuer,) = load_authentication_configuration(gate.file, "f")
    tokens = IdTokens(issuer, "kgate", lambda: gate.source, gate.get, lambda: gate.now)
    id_token = gate.issuer.sign(gate.issuer.claims(**{"groups": None, **claims}))
    found: list[Any] = []
    Deferred.fromCoroutine(tokens.verify(ProviderTokens(id_token, access_token=access_token))).addBoth(found.append)
    assert isinstance(found[0], Confirmed | Rejected), found
    return found[0]


def groups(found: Confirmed | Rejected) -> tuple[str, ...]:
    assert isinstance(found, Confirmed), found
    return found.identity.groups


def refusal(found: Confirmed | Rejected) -> str:
    assert isinstance(found, Rejected) and found.unsure, found
    return found.text


def test_the_issuer_is_asked_with_the_access_token() -> None:
    gate = IssuerGate(userinfo=True)
    gate.elsewhere[""] = json.dumps({"sub": "alice", "groups": ["a"], "aud": "other", "exp": 0}).encode()
    found = verified(gate)
    assert groups(found) == ("corp:a",) and isinstance(found, Confirmed) and found.claims["aud"] == "kgate"
    assert [(each.endpoint, each.bearer) for each in gate.asked] == [("", "opaque")]


def test_an_id_token_that_has_them_is_enough() -> None:
    gate = IssuerGate(userinfo=True)
    assert groups(verified(gate, groups=["own"])) == ("corp:own",) and gate.asked == []


def test_nobody_asks_where_the_operator_does_not_say_so() -> None:
    gate = IssuerGate()
    assert groups(verified(gate)) == () and gate.asked == []


def test_what_an_expression_makes_is_made_of_both() -> None:
    gate = IssuerGate(userinfo=True, file=configuration({**PLAIN, "claimMappings": BY_EXPRESSION}))
    gate.elsewhere[""] = b'{"sub": "alice", "email": "alice@example.com", "email_verified": true, "roles": ["sre"]}'
    found = verified(gate)
    assert groups(found) == ("sre",) and isinstance(found, Confirmed) and found.identity.user == "alice@example.com"


def test_distributed_claims_are_fetched() -> None:
    gate = IssuerGate()
    gate.elsewhere[AT] = gate.issuer.token(groups=["a", "b"]).encode()
    assert groups(verified(gate, **DISTRIBUTED)) == ("corp:a", "corp:b")
    assert [(each.endpoint, each.bearer) for each in gate.asked] == [(AT, "secret")]


@pytest.mark.threat("20")
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "could not be had"),
        (b"<html>", "cannot be read"),
        (b'{"sub": "bob", "groups": ["admins"]}', "about somebody else"),
        (b'{"groups": ["admins"]}', "about somebody else"),
    ],
)
def test_without_them_nobody_is_signed_in(answer: bytes | None, said: str) -> None:
    """Fewer groups are another person: a rule that denies something to one of them would not."""
    gate = IssuerGate(userinfo=True)
    if answer is not None:
        gate.elsewhere[""] = answer
    assert said in refusal(verified(gate))
    assert "could not be had" in refusal(verified(IssuerGate(), **DISTRIBUTED))


def test_a_session_keeps_the_address_that_its_provider_verified_though_a_refresh_does_not_repeat_it() -> None:
    """OpenID Connect Core section 12.2: what the ID token of a refresh has beside ``sub`` and the like is the provider's to say."""
    first, refreshed = verified(IssuerGate(), email="Alice@Example.com", email_verified=True), verified(IssuerGate())
    assert isinstance(first, Confirmed) and isinstance(refreshed, Confirmed)
    person = as_person(first, "https://idp")
    assert person.email == as_person(refreshed, "https://idp", person).email == "alice@example.com"
    assert as_person(refreshed, "https://idp").email == ""
