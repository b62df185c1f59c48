"""What the gate believes of an identity provider's answers (class 22)."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from kgate.identity.jose import Flaw
from kgate.identity.openid import (
    Client,
    Denied,
    Provider,
    ProviderTokens,
    authorization_url,
    code_form,
    freshness_flaw,
    logout_url,
    nonce_flaw,
    read_answer,
    read_provider,
    read_query,
    read_tokens,
    refresh_form,
)
from kgate.identity.pkce import challenge_of, is_challenge, proves

IDP = "https://idp.example.com"
DOCUMENT = {"issuer": IDP, "authorization_endpoint": f"{IDP}/auth", "token_endpoint": f"{IDP}/token"}
PROVIDER = Provider(IDP, f"{IDP}/auth", f"{IDP}/token", f"{IDP}/end")
CLIENT = Client("kgate", "secret", "https://gate.example.com/login/callback")
VERIFIER = "v" * 43


def provider(**changes: object) -> Provider | Flaw:
    return read_provider(json.dumps(DOCUMENT | changes).encode(), IDP)


def test_a_discovery_document_is_the_issuers_own_and_over_https() -> None:
    assert provider() == Provider(IDP, f"{IDP}/auth", f"{IDP}/token")
    for changes in ({"issuer": f"{IDP}/"}, {"token_endpoint": "http://idp.example.com/token"}, {"authorization_endpoint": 1}):
        assert isinstance(provider(**changes), Flaw)
    assert isinstance(read_provider(b"<html>", IDP), Flaw)


@pytest.mark.threat("22")
@pytest.mark.parametrize(
    "url",
    [
        "https:///token",
        "https://idp.example.com/token#x",
        "https://idp.example.com/t\x00",
        "https://bücher.example/",
        "https://[",
        "token",
        "",
    ],
)
def test_an_endpoint_is_a_plain_https_url(url: str) -> None:
    assert isinstance(provider(token_endpoint=url), Flaw)
    assert provider(end_session_endpoint=url) == Provider(IDP, f"{IDP}/auth", f"{IDP}/token")


def test_what_a_provider_says_of_itself() -> None:
    assert provider(end_session_endpoint=f"{IDP}/end", authorization_response_iss_parameter_supported=True) == Provider(
        IDP, f"{IDP}/auth", f"{IDP}/token", f"{IDP}/end", says_iss=True
    )
    for methods, post_only in (
        (["client_secret_post"], True),
        (["client_secret_post", "client_secret_basic"], False),
        (["private_key_jwt"], False),
        ("client_secret_post", False),
        (None, False),
    ):
        found = provider(token_endpoint_auth_methods_supported=methods, authorization_response_iss_parameter_supported="true")
        assert isinstance(found, Provider) and (found.post_only, found.says_iss) == (post_only, False)


def test_what_redeems_a_code_and_asks_for_new_tokens() -> None:
    assert code_form(CLIENT, "c", VERIFIER) == {
        "grant_type": "authorization_code",
        "code": "c",
        "redirect_uri": "https://gate.example.com/login/callback",
        "code_verifier": VERIFIER,
    }
    assert refresh_form("r") == {"grant_type": "refresh_token", "refresh_token": "r"}


@pytest.mark.threat("22")
def test_a_sign_in_has_state_nonce_and_pkce_by_s256() -> None:
    asked = parse_qs(urlsplit(authorization_url(PROVIDER, CLIENT, ["openid", "email"], "st", "no", VERIFIER)).query)
    assert asked["code_challenge"] == [challenge_of(VERIFIER)] and asked["code_challenge_method"] == ["S256"]
    assert (asked["state"], asked["nonce"], asked["response_type"], asked["scope"]) == (["st"], ["no"], ["code"], ["openid email"])
    assert (asked["client_id"], asked["redirect_uri"]) == (["kgate"], ["https://gate.example.com/login/callback"])
    assert "prompt" not in asked and "max_age" not in asked


def test_a_step_up_asks_for_the_person_anew_and_as_strongly_as_configured() -> None:
    asked = parse_qs(urlsplit(authorization_url(PROVIDER, CLIENT, ["openid"], "s", "n", VERIFIER, True, ["gold", "silver"])).query)
    assert (asked["prompt"], asked["max_age"], asked["acr_values"]) == (["login"], ["0"], ["gold silver"])


@pytest.mark.parametrize(
    ("scopes", "configured", "usual", "step_up"),
    [
        (["openid"], None, None, ["login"]),
        (
            ["openid", "offline_access"],
            None,
            ["consent"],
            ["consent"],
        ),  # with max_age=0 it says both, in one value: not every provider takes two
        (
            ["openid", "offline_access"],
            "",
            None,
            ["login"],
        ),  # a provider that gives refresh tokens unasked, and where people may not consent
        (["openid", "offline_access"], "select_account", ["select_account"], ["login"]),
    ],
)
def test_the_prompt_is_what_a_refresh_token_needs_unless_the_operator_knows_better(
    scopes: list[str], configured: str | None, usual: list[str] | None, step_up: list[str]
) -> None:
    for anew, expected in ((False, usual), (True, step_up)):
        asked = parse_qs(urlsplit(authorization_url(PROVIDER, CLIENT, scopes, "s", "n", VERIFIER, anew, prompt=configured)).query)
        assert asked.get("prompt") == expected and asked.get("max_age") == (["0"] if anew else None)


def test_pkce_by_the_rfcs_own_example() -> None:
    verifier, challenge = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert challenge_of(verifier) == challenge and proves(verifier, challenge) and is_challenge(challenge)
    for length, may in ((42, False), (43, True), (128, True), (129, False)):
        assert proves("v" * length, challenge_of("v" * length)) is may
    assert not is_challenge(challenge + "A") and not is_challenge(challenge[:-1])
    assert not proves(verifier + "a", challenge) and not proves("short", challenge_of("short")) and not is_challenge("plain")


@pytest.mark.threat("22")
def test_an_answer_of_another_provider_is_a_mix_up() -> None:
    promises = Provider(IDP, "", "", says_iss=True)
    assert read_answer({"code": "c", "iss": IDP}, promises) == "c"
    assert read_answer({"code": "c"}, PROVIDER) == "c"
    for answer, of in (({"code": "c", "iss": "https://evil"}, PROVIDER), ({"code": "c"}, promises), ({}, PROVIDER)):
        assert isinstance(read_answer(answer, of), Flaw)
    assert isinstance(read_answer({"error": "x", "iss": "https://evil"}, PROVIDER), Flaw)


def test_a_providers_words_are_one_printable_line() -> None:
    denied = read_answer({"error": "access_denied", "error_description": "no\r\n\x1b]52;c;x\x07" + "a" * 500}, PROVIDER)
    assert isinstance(denied, Denied) and str(denied).isprintable() and len(str(denied)) < 400


@pytest.mark.threat("22")
def test_a_parameter_that_comes_twice_is_refused() -> None:
    assert read_query("code=a&state=b") == {"code": "a", "state": "b"}
    assert read_query("code=a&code=b") is None and read_query("a=%ff") is None and read_query("a=" + "b" * 16_383) is None
    assert read_query("a=" + "b" * 16_382) == {"a": "b" * 16_382}
    fifty = "&".join(f"p{number}=" for number in range(50))
    assert len(read_query(fifty) or ()) == 50 and read_query(fifty + "&p=") is None


@pytest.mark.threat("22")
def test_an_id_token_is_for_this_sign_in_and_this_client() -> None:
    good = {"nonce": "n", "aud": "kgate"}
    assert nonce_flaw(good, "n", CLIENT) is None
    assert nonce_flaw({**good, "aud": ["kgate", "other"], "azp": "kgate"}, "n", CLIENT) is None
    assert nonce_flaw({**good, "aud": ["kgate"]}, "n", CLIENT) is None
    for claims in ({**good, "nonce": "m"}, {"aud": "kgate"}, {**good, "aud": ["kgate", "other"]}, {**good, "azp": "other"}):
        assert nonce_flaw(claims, "n", CLIENT) is not None


def test_a_step_up_believes_only_a_fresh_sign_in() -> None:
    assert freshness_flaw({"auth_time": 950}, 1010.0) is None  # a minute for the clocks
    for claims in ({"auth_time": 949.9}, {}, {"auth_time": True}, {"auth_time": "now"}):
        assert freshness_flaw(claims, 1010.0) is not None


def test_a_token_endpoint_gives_tokens_says_no_or_says_nothing() -> None:
    assert read_tokens(200, b'{"id_token":"a.b.c","refresh_token":"r","access_token":"x"}') == ProviderTokens("a.b.c", "r", "x")
    assert read_tokens(200, b'{"access_token":"x","id_token":"a.b.c","refresh_token":null}') == ProviderTokens("a.b.c", "", "x")
    assert read_tokens(200, b'{"error":"invalid_grant"}') == Denied("invalid_grant")
    assert read_tokens(400, b'{"error":"invalid_grant","error_description":"gone"}') == Denied("invalid_grant", "gone")
    assert read_tokens(499, b'{"error":"x"}') == Denied("x")
    assert read_tokens(400, b'{"error":"%b"}' % (b"x" * 301)) == Denied("x" * 300)
    for status, body in (
        (200, b"html"),
        (500, b'{"error":"server_error"}'),
        (399, b'{"error":"x"}'),
        (400, b'{"error":["x"]}'),
        (201, b'{"access_token":"x"}'),
        (200, b'{"access_token":"x","id_token":1}'),
        (302, b"{}"),
        (200, b"{}"),
        (200, b'{"id_token":"a.b.c"}'),
        (200, b'{"access_token":7}'),
    ):
        assert isinstance(read_tokens(status, body), Flaw)
    assert "a.b.c" not in repr(ProviderTokens("a.b.c", "r")) and "secret" not in repr(CLIENT)


def test_rp_initiated_logout_where_the_provider_has_it() -> None:
    asked = parse_qs(urlsplit(logout_url(PROVIDER, CLIENT, "a.b.c", "https://gate.example.com/")).query)
    assert asked == {"client_id": ["kgate"], "post_logout_redirect_uri": ["https://gate.example.com/"], "id_token_hint": ["a.b.c"]}
    assert logout_url(Provider(IDP, "", ""), CLIENT, "a.b.c", "x") == ""
