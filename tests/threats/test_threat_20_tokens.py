"""Class 20: tokens that are not what they say. Each is held against the same source that a gate asks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from attrs import evolve
from issuer import NOW, URL, TestIssuer, b64, make_key
from issuer_gate import PLAIN, IssuerGate, configuration
from joserfc.jwk import RSAKey

from kgate.identity.credentials import Rejected
from kgate.model import Identity

pytestmark = pytest.mark.threat("20")


def refused(gate: IssuerGate, token: str) -> str:
    found = gate.ask(token)
    assert isinstance(found, Rejected), found
    return found.text


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE"])
def test_alg_none(name: str) -> None:
    gate = IssuerGate()
    claims = gate.issuer.claims()
    assert "signed by" in refused(gate, gate.issuer.raw({"alg": name}, claims))
    assert refused(gate, gate.issuer.raw({"alg": name}, claims, b"")) == (
        "the token has no signature, or a header that does not say how it was made"
    )
    stripped = gate.issuer.token().rpartition(".")[0] + "."
    assert "has no signature" in refused(gate, stripped)
    assert gate.fetched == []


def test_a_public_key_taken_for_a_secret() -> None:
    """RS256 → HS256: the attacker knows the public key and uses it as the HMAC secret, in every spelling."""
    gate = IssuerGate()
    key = make_key("one", "RS256")
    assert isinstance(key, RSAKey)
    gate.issuer.keys = [key]
    signed = f"{b64({'alg': 'HS256', 'kid': 'one'})}.{b64(gate.issuer.claims())}"
    for secret in (key.as_pem(private=False), key.as_pem(private=False).rstrip(), json.dumps(key.as_dict(private=False)).encode()):
        forged = f"{signed}.{b64(hmac.digest(secret, signed.encode(), hashlib.sha256))}"
        assert refused(gate, forged) == "the token is signed by 'HS256', which no issuer may use here"


def test_a_key_of_another_kind_is_not_tried() -> None:
    """ES256 by a key that the issuer published for RSA-PSS, RS256 by one for PS256."""
    gate = IssuerGate()
    key = make_key("one", "PS256")
    gate.issuer.keys = [key]
    token = gate.issuer.sign(gate.issuer.claims(), RSAKey.import_key({**key.as_dict(private=True), "alg": "RS256"}))
    assert "does not publish" in refused(gate, token)


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../dev/null",
        "/etc/passwd",
        "x' OR '1'='1",
        "https://evil.example/key",
        "one\0",
        "one ",
        "ONE",
        "",
        "x" * 4000,
        "\N{SNOWMAN}",
    ],
)
def test_kid_is_compared_and_nothing_else(kid: str) -> None:
    """A path, SQL, a URL: no file, no query, no fetch but of the issuer's own key set. An empty kid names none, so the signature decides."""
    gate = IssuerGate()
    attacker = make_key(kid)
    assert refused(gate, gate.issuer.sign(gate.issuer.claims(), attacker)) in (
        f"the token is signed by a key that {URL} does not publish",
        "the token's signature is not its issuer's",
    )
    assert {wanted.issuer for wanted in gate.fetched} == {URL}


def test_kid_that_is_no_text() -> None:
    gate = IssuerGate()
    for kid in (1, None, ["one"], {"a": 1}, True):
        assert "a header that does not say" in refused(gate, gate.issuer.raw({"alg": "ES256", "kid": kid}, gate.issuer.claims()))


@pytest.mark.parametrize("name", ["jku", "x5u", "jwk", "x5c", "x5t"])
def test_a_key_that_the_token_brings_along(name: str) -> None:
    """The header names or holds the attacker's key. It is not looked at: only the issuer's published keys count."""
    gate = IssuerGate()
    attacker = make_key("one")
    brought: Any = {"jku": "https://evil.example/keys", "x5u": "https://evil.example/cert", "jwk": attacker.as_dict(private=False)}.get(
        name, ["MIIB"]
    )
    forged = gate.issuer.sign(gate.issuer.claims(), attacker, **{name: brought if name != "x5t" else "MIIB"})
    assert refused(gate, forged) == "the token's signature is not its issuer's"
    assert [wanted.issuer for wanted in gate.fetched] == [URL]


@pytest.mark.parametrize(
    "extra", [{"crit": ["exp"], "exp": 1}, {"crit": ["b64"], "b64": False}, {"crit": []}, {"b64": False}, {"crit": ["x"]}]
)
def test_unknown_crit(extra: dict[str, Any]) -> None:
    gate = IssuerGate()
    header = {"alg": "ES256", "kid": "one", **extra}
    assert (
        refused(gate, gate.issuer.raw(header, gate.issuer.claims()))
        == "the token has critical header parameters, of which none is known here"
    )


def test_an_encrypted_token() -> None:
    gate = IssuerGate()
    token = ".".join(map(b64, ({"alg": "RSA-OAEP", "enc": "A256GCM"}, b"key", b"iv", b"text", b"tag")))
    assert refused(gate, token) == "the token is encrypted (JWE), which is not asked for here"


def test_members_twice() -> None:
    """One parser takes the first, another the last: neither is believed, in the header and in the claims, at any depth."""
    gate = IssuerGate()
    claims = json.dumps(gate.issuer.claims())
    doubled = (claims[:-1] + ', "sub": "admin"}').encode()
    assert refused(gate, gate.issuer.sign(doubled)) == "the token's content has a member twice"
    nested = (claims[:-1] + ', "o": {"a": 1, "a": 2}}').encode()
    assert refused(gate, gate.issuer.sign(nested)) == "the token's content has a member twice"
    header = b'{"alg": "none", "alg": "ES256", "kid": "one"}'
    assert refused(gate, gate.issuer.raw(header, gate.issuer.claims())) == "the token has a header that has a member twice"


@pytest.mark.parametrize(
    ("aud", "fits"),
    [
        ("kgate", True), (["other", "kgate"], True), (["kgate"], True), ("KGATE", False), ("kgate ", False), ("kgate,other", False),
        (["kgate", 1], False), ([["kgate"]], False), ({"kgate": 1}, False), ([], False), ("", False), (None, False), (True, False),
    ],
)  # fmt: skip
def test_audiences(aud: Any, fits: bool) -> None:
    gate = IssuerGate()
    found = gate.ask(gate.issuer.token(aud=aud))
    assert isinstance(found, Identity) is fits


@pytest.mark.parametrize("url", [URL + "/", URL + "/.", URL.upper(), URL + ":443", "http://idp.example", URL + "?", URL + " ", [URL], None])
def test_an_issuer_is_compared_byte_by_byte(url: Any) -> None:
    """A slash more is another issuer, even if it signs with the very same key."""
    gate = IssuerGate()
    assert gate.ask(gate.issuer.sign(gate.issuer.claims() | {"iss": url})) is None


def test_one_issuer_does_not_sign_for_another() -> None:
    """Two issuers are believed; a token that names the first, signed by the second's key of the same name, is nobody's."""
    other = TestIssuer("https://other.example")
    second = {**PLAIN, "issuer": {"url": other.url, "audiences": ["kgate"]}}
    gate = IssuerGate(file=configuration(PLAIN, second))
    assert refused(gate, other.sign(gate.issuer.claims())) == "the token's signature is not its issuer's"


@pytest.mark.parametrize(
    ("claims", "fits"),
    [
        ({"exp": NOW}, False), ({"exp": NOW - 1}, False), ({"exp": NOW + 1}, True), ({"nbf": NOW + 59}, True), ({"nbf": NOW + 61}, False),
        ({"iat": NOW + 59}, True), ({"iat": NOW + 3600}, False), ({"exp": -1}, False), ({"exp": 1e300}, False), ({"exp": True}, False),
        ({"exp": str(NOW + 60)}, False),
    ],
)  # fmt: skip
def test_skew(claims: dict[str, Any], fits: bool) -> None:
    """An issuer's clock may be a minute ahead; what has expired has expired."""
    gate = IssuerGate()
    assert isinstance(gate.ask(gate.issuer.token(**claims)), Identity) is fits


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ({"typ": "logout+jwt"}, {}),
        ({"typ": "secevent+jwt"}, {}),
        ({"typ": "kgate+jwt"}, {}),
        ({"typ": "dpop+jwt"}, {}),
        ({}, {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}),
        ({}, {"typ": "Refresh"}),
        ({}, {"typ": "Offline"}),
        ({}, {"typ": "Logout"}),
        ({}, {"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}),
    ],
)
def test_another_kind_of_token_of_the_same_issuer(header: dict[str, Any], claims: dict[str, Any]) -> None:
    """CVE-2024-47616: a token that was made for another end, good in every other way."""
    gate = IssuerGate()
    token = gate.issuer.sign(gate.issuer.claims(**claims), **header)
    assert refused(gate, token) == "the token is of a kind that lets nobody in"


def test_a_changed_byte_anywhere() -> None:
    gate = IssuerGate()
    token = gate.issuer.token()
    assert isinstance(gate.ask(token), Identity)
    for place in range(0, len(token), 7):
        if token[place] != ".":
            changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
            assert not isinstance(gate.ask(changed), Identity)


def test_another_spelling_of_the_same_bytes() -> None:
    """base64 with padding, with the other alphabet, with stray bits: one token has one spelling."""
    gate = IssuerGate()
    head, body, signature = gate.issuer.token().split(".")
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    stray = signature[:-1] + last[last.index(signature[-1]) + 1]
    for changed in (f"{head}.{body}.{signature}=", f"{head}.{body}.{signature}\n", f"{head}. {body}.{signature}", f"{head}.{body}.{stray}"):
        assert not isinstance(gate.ask(changed), Identity)
    assert base64.urlsafe_b64decode(stray + "==") == base64.urlsafe_b64decode(signature + "==")


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"null", b"{", b'{"exp": NaN}', b"\xff", b"[" * 15000, b'{"a":' * 3000, b'{"exp": ' + b"9" * 5000 + b"}"]
)
def test_content_that_is_no_object(payload: bytes) -> None:
    gate = IssuerGate()
    assert not isinstance(gate.ask(gate.issuer.sign(payload)), Identity)


def test_verification_is_of_the_whole_token_each_time_the_keys_change() -> None:
    gate = IssuerGate()
    token = gate.issuer.token()
    assert isinstance(gate.ask(token), Identity)
    gate.issuer = evolve(gate.issuer, keys=[make_key("one")])  # the same name, another key
    gate.fetch(gate.fetched[0])
    assert refused(gate, token) == "the token's signature is not its issuer's"
