"""Class 21: what an issuer's key set may do to the gate."""

from __future__ import annotations

import hmac
import json

import pytest
from issuer import NOW, URL, TestIssuer, b64, make_key
from issuer_gate import IssuerGate

from kgate.identity.credentials import Credentials, Rejected
from kgate.identity.jose import Flaw, Jws, Key, KeySet, read_jws, read_key, read_key_set, verify
from kgate.model import Identity, Pending

pytestmark = pytest.mark.threat("21")


def test_a_storm_of_unknown_keys_is_rationed() -> None:
    """Ten thousand tokens, each naming another key: a handful of fetches, and who is there already goes on."""
    gate = IssuerGate()
    good = gate.issuer.token()
    assert isinstance(gate.ask(good), Identity)
    attacker = make_key("x")
    claims = gate.issuer.claims()
    for number in range(200):
        forged = gate.issuer.sign(claims, attacker, kid=f"k{number}")
        assert isinstance(gate.ask(forged), Rejected)
        gate.passes(0.01)
        assert isinstance(gate.ask(good), Identity)
    assert len(gate.fetched) <= 7
    gate.passes(10)
    gate.issuer.rotate("two")
    assert isinstance(gate.ask(gate.issuer.token(gate.now)), Identity)


def test_one_unknown_key_is_looked_for_once() -> None:
    gate = IssuerGate()
    forged = gate.issuer.sign(gate.issuer.claims(), make_key("gone"))
    for _ in range(50):
        assert isinstance(gate.ask(forged), Rejected)
    assert len(gate.fetched) == 1


@pytest.mark.parametrize("when", ["at the start", "after a rotation", "after a reload that forgot them"])
def test_everybody_who_comes_while_keys_are_looked_for_waits_for_them(when: str) -> None:
    """A gate that starts has all its clients again in a second; whoever must wait uses up nothing."""
    gate = IssuerGate()
    if when == "after a rotation":
        gate.ask(gate.issuer.token())
        gate.issuer.rotate("two")
    held = [Credentials(gate.issuer.token(sub=f"u{number}"), held_since=NOW if "reload" in when else None) for number in range(100)]
    found = [gate.source.authenticate(each, gate.now) for each in held]
    assert [each for each in found if each != found[0]] == [] and isinstance(found[0], Pending)
    gate.get(found[0].wanted, lambda: None)
    assert all(isinstance(gate.source.authenticate(each, gate.now), Identity) for each in held)


def test_an_issuer_that_names_no_keys_rotates() -> None:
    """It need not as long as it has one (OpenID Connect Core section 10.1)."""
    gate = IssuerGate(TestIssuer(keys=[make_key("")]))
    assert isinstance(gate.ask(gate.issuer.token()), Identity)
    gate.passes(10)
    gate.issuer.rotate("", keep=False)
    assert isinstance(gate.ask(gate.issuer.token(gate.now)), Identity)
    looks = len(gate.fetched)
    for number in range(50):
        forged = gate.issuer.sign(gate.issuer.claims(gate.now, sub=f"u{number}"), make_key(""))
        assert isinstance(gate.ask(forged), Rejected)
    assert len(gate.fetched) == looks


def test_huge_sets_are_refused_whole() -> None:
    entry = make_key("").as_dict(private=False)
    hundred = read_key_set(json.dumps({"keys": [entry] * 100}).encode())
    assert isinstance(hundred, KeySet) and len(hundred.keys) == 100
    assert read_key_set(json.dumps({"keys": [entry] * 101}).encode()) == Flaw("has more than 100 keys")
    padded = json.dumps({"keys": [entry]}).encode().ljust(256 * 1024)
    assert isinstance(read_key_set(padded), KeySet)
    assert read_key_set(padded + b" ") == Flaw("has more than 256 KiB")


@pytest.mark.parametrize(
    ("bits", "exponent", "said"),
    [
        (2047, 65537, "has 2047 bits; RSA keys have 2048 to 8192"),
        (2048, 65537, None),
        (8192, 65537, None),
        (8193, 65537, "has 8193 bits; RSA keys have 2048 to 8192"),
        (2048, 1, "has an exponent that makes signatures forgeable or slow"),
        (2048, 3, None),
        (2048, 65536, "has an exponent that makes signatures forgeable or slow"),
        (2048, 2**32 - 1, None),
        (2048, 2**32 + 1, "has an exponent that makes signatures forgeable or slow"),
    ],
)
def test_rsa_keys_that_are_weak_or_slow(bits: int, exponent: int, said: str | None) -> None:
    n, e = (b64(number.to_bytes((number.bit_length() + 7) // 8)) for number in ((1 << bits - 1) + 1, exponent))
    read = read_key({"kty": "RSA", "n": n, "e": e})
    assert read == Flaw(said) if said else isinstance(read, Key)


@pytest.mark.parametrize(("algorithm", "least"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_a_secret_is_as_long_as_the_hash(algorithm: str, least: int) -> None:
    """RFC 7518 section 3.2."""
    digest = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}[algorithm]
    for length, counts in ((least - 1, False), (least, True)):
        secret = bytes(range(length))
        signed = f"{b64({'alg': algorithm})}.{b64({'sub': 'alice'})}"
        read = read_jws(f"{signed}.{b64(hmac.digest(secret, signed.encode(), digest))}")
        keys = read_key_set(json.dumps({"keys": [{"kty": "oct", "k": b64(secret)}]}).encode())
        assert isinstance(read, Jws) and isinstance(keys, KeySet) and verify(read, keys, [algorithm]) is counts


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b'{"keys": {}}', b'{"keys": [1]}', b"<html>", b'{"keys": [], "keys": []}'])
def test_what_is_no_key_set(document: bytes) -> None:
    assert isinstance(read_key_set(document), Flaw)


def test_a_set_with_secrets_in_it() -> None:
    """An issuer that publishes a private key beside its public ones has lost it."""
    issuer = TestIssuer()
    leaked = json.dumps({"keys": [issuer.keys[0].as_dict(private=False), make_key("two").as_dict(private=True)]}).encode()
    assert read_key_set(leaked) == Flaw("holds secret keys beside public ones")


def test_keys_of_other_kinds_are_left_out() -> None:
    good = make_key("good").as_dict(private=False)
    odd = [
        {**good, "kid": "enc", "use": "enc"},
        {"kty": "AKP", "kid": "pq"},
        {**good, "kid": "ops", "key_ops": ["encrypt"]},
        {**good, "kid": 7},
    ]
    found = read_key_set(json.dumps({"keys": [good, *odd]}).encode())
    assert isinstance(found, KeySet)
    assert [key.kid for key in found.keys] == ["good"]
    assert len(found.unusable) == 4


def test_of_two_keys_that_are_named_alike_neither_is_used() -> None:
    one, other = (make_key("one").as_dict(private=False) for _ in range(2))
    found = read_key_set(json.dumps({"keys": [one, other]}).encode())
    assert isinstance(found, KeySet) and found.keys == () and found.unusable == ('2 keys are named "one"',)


def test_a_key_that_only_something_else_is_named_like_is_used() -> None:
    """One key for signatures and for encryption, or one of each kind (RFC 7517 section 4.5): a token's algorithm says which one is meant."""
    signs, other = make_key("one").as_dict(private=False), make_key("one", "RS256").as_dict(private=False)
    both = {name: value for name, value in other.items() if name != "use"}
    found = read_key_set(
        json.dumps({"keys": [{**signs, "use": "enc", "alg": "ECDH-ES"}, signs, other, {**both, "alg": "RSA-OAEP"}]}).encode()
    )
    assert isinstance(found, KeySet) and [key.kind for key in found.keys] == [("EC", "P-256"), ("RSA", "")]


def test_an_outage_locks_nobody_out_at_once_and_lets_nobody_in_for_ever() -> None:
    gate = IssuerGate()
    assert isinstance(gate.ask(gate.issuer.token()), Identity)
    gate.down = True
    for hours, lives in ((1, True), (5.9, True), (6.1, False)):
        gate.monotonic = 1000.0 + hours * 3600
        assert isinstance(gate.ask(gate.issuer.token()), Identity) is lives
    assert (gate.ring.words(gate.monotonic) or "").endswith("its tokens are refused")


def test_an_issuer_that_never_answered() -> None:
    gate = IssuerGate(down=True)
    for _ in range(20):
        found = gate.ask(gate.issuer.token())
        assert isinstance(found, Rejected)
        assert found.text == f"the keys of {URL} cannot be had"
    assert len(gate.fetched) == 1
