"""Groups that a token leaves elsewhere: in another token, at an address, or with its issuer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from issuer import NOW, URL, TestIssuer
from issuer_gate import PLAIN, configuration
from issuer_gate import IssuerGate as Gate

from kgate.identity.credentials import Rejected
from kgate.identity.elsewhere import HOLDS
from kgate.model import Identity

AT = "https://claims.example/groups"
DISTRIBUTED = {"groups": None, "_claim_names": {"groups": "there"}, "_claim_sources": {"there": {"endpoint": AT, "access_token": "secret"}}}


def groups(found: Identity | Rejected | None) -> tuple[str, ...]:
    assert isinstance(found, Identity), found
    return found.groups


def refusal(found: Identity | Rejected | None) -> str:
    assert isinstance(found, Rejected), found
    return found.text


def test_distributed_claims() -> None:
    gate = Gate()
    gate.elsewhere[AT] = gate.issuer.token(groups=["a", "b"]).encode()
    token = gate.issuer.token(**DISTRIBUTED)
    assert groups(gate.ask(token)) == ("corp:a", "corp:b")
    assert [(each.endpoint, each.bearer) for each in gate.asked] == [(AT, "secret")]
    assert "secret" not in repr(gate.asked)
    gate.elsewhere[AT] = gate.issuer.token(groups=["c"]).encode()
    gate.passes(299)
    assert groups(gate.ask(token)) == ("corp:a", "corp:b")
    gate.passes(1)
    assert groups(gate.ask(token)) == ("corp:c",)


def test_aggregated_claims() -> None:
    gate = Gate()
    inside = gate.issuer.token(groups=["a"])
    sources = {"_claim_names": {"groups": "x"}, "_claim_sources": {"x": {"JWT": inside}}}
    assert groups(gate.ask(gate.issuer.token(groups=None, **sources))) == ("corp:a",)
    assert gate.asked == []


def test_a_claim_that_is_there_is_not_looked_for() -> None:
    gate = Gate(userinfo=True)
    assert groups(gate.ask(gate.issuer.token(**{**DISTRIBUTED, "groups": ["own"]}))) == ("corp:own",)
    assert groups(gate.ask(gate.issuer.token(groups=[]))) == ()
    assert gate.asked == []


@pytest.mark.threat("20")
@pytest.mark.parametrize(
    "other",
    [
        lambda issuer: TestIssuer().token(groups=["admins"]),  # the same name, another key
        lambda issuer: TestIssuer("https://evil.example").token(groups=["admins"]),
        lambda issuer: issuer.token(groups=["admins"], sub="bob"),
        lambda issuer: issuer.token(groups=["admins"], aud="other"),
        lambda issuer: issuer.token(groups=["admins"], exp=NOW),
        lambda issuer: issuer.token(groups=["admins"], nbf=NOW + 61),
        lambda issuer: issuer.token(groups=None),
        lambda issuer: '{"groups": ["admins"]}',
        lambda issuer: "",
    ],
)
def test_another_token_that_does_not_count(other: Any) -> None:
    gate = Gate()
    gate.elsewhere[AT] = other(gate.issuer).encode()
    assert "leaves its groups to another" in refusal(gate.ask(gate.issuer.token(**DISTRIBUTED)))


@pytest.mark.parametrize(
    "source",
    [
        {"endpoint": "http://claims.example"},
        {"endpoint": "file:///etc/passwd"},
        {"endpoint": "https://u@h/"},
        {},
        {"JWT": 7},
        {"endpoint": "https://["},
        {"endpoint": "https://"},
        {"endpoint": "https://claims.ex\u00e4mple"},
        {"endpoint": "https://claims.example/\n"},
        {"endpoint": 7},
        {"endpoint": AT, "access_token": 7},
    ],
)
def test_a_place_that_is_none(source: dict[str, Any]) -> None:
    gate = Gate()
    found = gate.ask(gate.issuer.token(**{**DISTRIBUTED, "_claim_sources": {"there": source}}))
    assert refusal(found) == "the token leaves its groups at a place that is none"
    assert gate.asked == []


def test_without_its_groups_nobody_is_let_in_and_soon_it_is_tried_again() -> None:
    gate = Gate()
    token = gate.issuer.token(**DISTRIBUTED)
    assert refusal(gate.ask(token)) == "the token's groups could not be had from where they are"
    gate.elsewhere[AT] = gate.issuer.token(groups=["a"]).encode()
    assert isinstance(gate.ask(token), Rejected)
    gate.passes(4.9)
    assert isinstance(gate.ask(token), Rejected)
    gate.passes(0.1)
    assert groups(gate.ask(token)) == ("corp:a",)


def test_userinfo_gives_what_is_missing_and_replaces_nothing() -> None:
    gate = Gate(userinfo=True)
    told = {"sub": "alice", "groups": ["a"], "email": "alice@example.com", "iss": "https://evil.example", "exp": 1, "acr": "mfa"}
    gate.elsewhere[""] = json.dumps(told).encode()
    token = gate.issuer.token(groups=None)
    found = gate.ask(token)
    assert isinstance(found, Identity)
    assert (found.groups, found.issuer, found.expires, found.acr) == (("corp:a",), URL, NOW + 600, "")
    assert [(each.endpoint, each.bearer) for each in gate.asked] == [("", token)]


@pytest.mark.threat("20")
@pytest.mark.parametrize("name", ["nbf", "jti", "nonce", "azp", "sid", "acr", "amr", "auth_time", "events", "cnf", "typ"])
def test_what_is_about_the_token_itself_comes_from_the_token_alone(name: str) -> None:
    """A rule on it would be fulfilled by what the token does not say."""
    mappings = {**PLAIN, "claimValidationRules": [{"expression": f"!('{name}' in claims)"}]}
    gate = Gate(file=configuration(mappings), userinfo=True)
    gate.elsewhere[""] = json.dumps({"sub": "alice", "groups": ["a"], name: "x"}).encode()
    assert groups(gate.ask(gate.issuer.token(groups=None))) == ("corp:a",)


@pytest.mark.threat("20")
@pytest.mark.parametrize(
    "body", [b'{"groups": ["admins"]}', b'{"sub": "bob", "groups": ["admins"]}', b"", b"[]", b'{"sub": "alice", "sub": "bob"}']
)
def test_userinfo_about_somebody_else(body: bytes) -> None:
    gate = Gate(userinfo=True, elsewhere={"": body})
    assert refusal(gate.ask(gate.issuer.token(groups=None))) == "the issuer's userinfo is about somebody else, or cannot be read"


def test_userinfo_may_be_signed() -> None:
    """OpenID Connect Core 1.0 section 5.3.2: it is for the client that asked, and need not say until when."""
    gate = Gate(userinfo=True)
    told = {"iss": URL, "aud": "somebody-elses-client", "sub": "alice", "groups": ["a"]}
    gate.elsewhere[""] = gate.issuer.sign(told).encode() + b"\n"
    assert groups(gate.ask(gate.issuer.token(groups=None))) == ("corp:a",)


@pytest.mark.threat("20")
@pytest.mark.parametrize(
    ("body", "why"),
    [
        (lambda issuer: TestIssuer().sign({"iss": URL, "sub": "alice", "groups": ["admins"]}), "signature is not its issuer's"),
        (lambda issuer: TestIssuer("https://evil.example").token(groups=["admins"]), "its signer is not its issuer"),
        (lambda issuer: issuer.sign({"iss": "https://evil.example", "sub": "alice", "groups": ["admins"]}), "its signer is not its issuer"),
        (lambda issuer: issuer.sign({"iss": URL, "sub": "bob", "groups": ["admins"]}), "about somebody else"),
        (lambda issuer: issuer.raw({"alg": "none"}, {"iss": URL, "sub": "alice", "groups": ["admins"]}, b""), "no signature"),
        (lambda issuer: "a.b.c.d.e", "encrypted (JWE)"),
        (lambda issuer: "a.b.c", "compact form"),
    ],
)
def test_signed_userinfo_that_does_not_count(body: Any, why: str) -> None:
    gate = Gate(userinfo=True)
    gate.elsewhere[""] = body(gate.issuer).encode()
    assert why in refusal(gate.ask(gate.issuer.token(groups=None)))


def test_an_expression_over_groups_asks_userinfo_too() -> None:
    mappings = {"username": {"claim": "sub", "prefix": ""}, "groups": {"expression": "claims.roles.map(r, r + '!')"}}
    gate = Gate(userinfo=True, file=configuration({**PLAIN, "claimMappings": mappings}))
    gate.elsewhere[""] = b'{"sub": "alice", "roles": ["dev"]}'
    assert groups(gate.ask(gate.issuer.token())) == ("dev!",)


def test_groups_that_are_kept_over_a_reload_are_not_young_again_by_that() -> None:
    gate = Gate(userinfo=True, elsewhere={"": json.dumps({"sub": "alice", "groups": ["a"]}).encode()})
    token = gate.issuer.token(groups=None, exp=NOW + 3600)
    assert groups(gate.ask(token)) == ("corp:a",)
    gate.passes(HOLDS - 1)
    former = gate.source
    gate.reload()
    gate.source.elsewhere.keep(former.elsewhere, [gate.issuer.url])
    asked = len(gate.asked)
    assert groups(gate.ask(token)) == ("corp:a",) and len(gate.asked) == asked
    gate.passes(1)
    gate.ask(token)
    assert len(gate.asked) == asked + 1
