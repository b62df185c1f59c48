"""Whatever bytes come as a token or as a key set, there is an answer and never an exception; and what we sign reads back as it was."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from issuer import TestIssuer, b64

from kgate.identity.jose import PUBLIC, SECRET, Flaw, Jws, KeySet, read_json, read_jws, read_key_set, read_object, verify

ISSUER = TestIssuer()
KEYS = read_key_set(ISSUER.document())
assert isinstance(KEYS, KeySet)
TOKEN = ISSUER.token()

_MEMBER = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.lists(st.text(max_size=4), max_size=2)
_ENTRY = st.dictionaries(
    st.sampled_from(["kty", "crv", "kid", "alg", "use", "key_ops", "n", "e", "x", "y", "k", "d", "x5c"]),
    _MEMBER | st.sampled_from(["RSA", "EC", "OKP", "oct", "P-256", "Ed25519", "ES256", "RS256", "sig", "enc", "AQAB"]),
)


@given(st.text(max_size=200) | st.text("eyJhbGciOiJ.-_=09", max_size=80))
def test_any_text_is_a_token_or_says_why_not(text: str) -> None:
    assert isinstance(read_jws(text), (Jws, Flaw))


_HEADER = st.fixed_dictionaries(
    {"alg": st.sampled_from(sorted(PUBLIC | SECRET | {"none"}))},
    optional={"kid": st.sampled_from(["one", "two", ""]), "typ": st.sampled_from(["JWT", ""]), "jwk": _MEMBER},
)
"""One that reads as a signed token's: of made-up members hardly any does."""


@given(_HEADER | _MEMBER | st.dictionaries(st.text(max_size=5), _MEMBER, max_size=4), st.binary(max_size=40), st.binary(max_size=80))
def test_any_header_is_read_or_refused_and_nobody_elses_signature_counts(header: Any, payload: bytes, signature: bytes) -> None:
    read = read_jws(f"{b64(json.dumps(header))}.{b64(payload)}.{b64(signature)}")
    assert isinstance(read, Flaw) or not verify(read, KEYS, PUBLIC | SECRET)


@given(st.integers(0, len(TOKEN) - 1), st.characters())
def test_one_character_changed_is_another_token(place: int, character: str) -> None:
    changed = TOKEN[:place] + character + TOKEN[place + 1 :]
    read = read_jws(changed)
    assert changed == TOKEN or isinstance(read, Flaw) or not verify(read, KEYS, PUBLIC)


@given(st.binary(max_size=200) | st.text('{}[]":,e1-0 tn', max_size=60).map(str.encode))
def test_any_bytes_are_json_or_say_why_not(raw: bytes) -> None:
    found = read_json(raw)
    assert isinstance(found, Flaw) or found == json.loads(raw) or found != found
    assert isinstance(read_object(raw), (dict, Flaw))


@given(st.lists(_ENTRY | _MEMBER, max_size=5))
def test_any_key_set_is_read_or_refused(entries: list[Any]) -> None:
    found = read_key_set(json.dumps({"keys": entries}).encode())
    assert isinstance(found, (KeySet, Flaw))


@given(st.dictionaries(st.text(max_size=10), _MEMBER, max_size=5))
def test_what_was_signed_reads_back(claims: dict[str, Any]) -> None:
    read = read_jws(ISSUER.sign(claims))
    assert isinstance(read, Jws)
    assert verify(read, KEYS, PUBLIC)
    assert read_object(read.payload) == claims
