"""A running gate that believes a real identity provider (npm oidc-provider, certified): its tokens, its rotations, its outages."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from identity_gate import PODS, IdentityGate, identity_gate
from identity_provider import IdentityProvider, oidc_provider
from issuer import TestIssuer
from issuer_gate import PLAIN, configuration
from lab.waiting import eventually
from live_gate import ALLOW_ALICE
from mock_provider import mock_provider
from web_server import Page, document, web_server

REQUESTS = 10_000
AT_ONCE = 50


@pytest.fixture(scope="module")
def idp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IdentityProvider]:
    with oidc_provider(tmp_path_factory.mktemp("idp")) as provider:
        yield provider


@pytest.fixture(scope="module")
def gate(idp: IdentityProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[IdentityGate]:
    with identity_gate(tmp_path_factory.mktemp("gate"), {"oidc": [idp.issuer()]}) as running:
        yield running


def test_a_token_of_the_provider_is_let_in_and_named(idp: IdentityProvider, gate: IdentityGate) -> None:
    assert gate.ask(idp.token("alice"))[0] == 200
    who = gate.whoami(idp.token("alice"))
    assert (who["user"], who["groups"], who["issuer"]) == ("alice", ["developers"], idp.url)
    assert gate.ask(idp.token("mallory"))[0] == 403
    status, message = gate.ask(idp.token("alice", "urn:somebody-else"))
    assert (status, "the token is for somebody else than this gate" in message) == (401, True)


def test_no_request_fails_while_keys_rotate(idp: IdentityProvider, gate: IdentityGate) -> None:
    """10,000 requests; every 2,500 the provider signs with another key, once withdrawing all former ones. Each request must be answered 200."""
    failed = served = 0
    with gate.connect() as tls:
        for rotation in ("", "rotate", "rotate", "rotate alone"):
            if rotation:
                idp.do(rotation)
            for _ in range(5):
                tokens = [idp.token("alice") for _ in range(2)]
                for token in tokens:
                    for _ in range(REQUESTS // 40 // AT_ONCE):
                        tls.sendall(AT_ONCE * f"GET {PODS} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
                        statuses = _statuses(tls, AT_ONCE)
                        served += len(statuses)
                        failed += sum(status != 200 for status in statuses)
    assert (served, failed) == (REQUESTS, 0)


def test_a_withdrawn_keys_tokens_are_refused(idp: IdentityProvider, gate: IdentityGate) -> None:
    token = idp.token("alice")
    assert gate.ask(token)[0] == 200
    idp.do("rotate alone")
    assert gate.ask(idp.token("alice"))[0] == 200  # by the new key, which made the gate look
    status, message = gate.ask(token)
    assert (status, "does not publish" in message) == (401, True)


def test_an_outage_shows_and_locks_nobody_out(idp: IdentityProvider, gate: IdentityGate) -> None:
    token, fresh = idp.token("alice"), idp.token("alice")
    idp.do("rotate")
    unknown = idp.token("alice")
    idp.do("down")
    shown = f"issuer {idp.url}: its discovery document answered 503; its last keys hold for"
    try:
        assert gate.ask(token)[0] == 200
        # Looking for a key that is not there is rationed, and the tests before this one used their share.
        eventually("the outage shows", lambda: gate.ask(unknown)[0] == 401 and shown in gate.gate.admin("/readyz")[1])
        assert gate.ask(fresh)[0] == 200 and gate.gate.admin("/readyz")[0] == 200
    finally:
        idp.do("up")
    eventually("the gate fetched the keys again", lambda: gate.gate.admin("/readyz") == (200, "ok\n"))
    eventually("the new key counts", lambda: gate.ask(unknown)[0] == 200)


def test_a_reload_keeps_the_keys(idp: IdentityProvider, gate: IdentityGate, tmp_path: Path) -> None:
    token = idp.token("alice")
    assert gate.ask(token)[0] == 200
    gate.gate.write("kgate.yaml", {**gate.gate.config, "drain": "29s"})
    idp.do("down")
    eventually("the reload", lambda: "reloaded;" in gate.gate.log.read_text())
    assert gate.ask(token)[0] == 200
    idp.do("up")


def _statuses(tls: ssl.SSLSocket, count: int) -> list[int]:
    """The statuses of ``count`` answers, each with a body of two bytes."""
    received = b""
    while received.count(b"\r\n\r\n{}") < count:
        data = tls.recv(65536)
        if not data:
            break
        received += data
        if b"HTTP/1.1 4" in received or b"HTTP/1.1 5" in received:
            break
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", received)]


def test_a_second_provider_of_another_make(tmp_path: Path) -> None:
    """PyPI's oidc-provider-mock: a person signs in by authorization code and PKCE, and the ID token opens the gate."""
    with mock_provider(tmp_path) as provider:
        issuer = {"url": provider.url, "audiences": ["kgate"], "certificateAuthority": provider.pem}
        mappings = {
            "username": {"expression": "claims.email.split('@')[0]"},
            "groups": {"expression": "claims.email.endsWith('@example.com') ? ['developers'] : []"},
        }
        rule = {"expression": "claims.?email_verified.orValue(true) == true"}
        entry = {"issuer": issuer, "claimMappings": mappings, "claimValidationRules": [rule]}
        (tmp_path / "gate").mkdir()
        with identity_gate(tmp_path / "gate", {"oidc": [entry]}) as gate:
            token = provider.id_token("alice@example.com")
            assert gate.ask(token)[0] == 200
            assert (gate.whoami(token)["user"], gate.whoami(token)["groups"]) == ("alice", ["developers"])
            assert gate.ask(provider.id_token("eve@elsewhere.example"))[0] == 403
            assert gate.ask(provider.id_token("alice@example.com", "another-client"))[0] == 401


def test_a_token_that_expires_ends_what_lives_by_it(tmp_path: Path) -> None:
    """Within 5 s of its end, and with the reason; Kubernetes' file is where the issuer is named."""
    with web_server() as web:
        issuer = TestIssuer(web.url)
        web.pages["/.well-known/openid-configuration"] = document({"issuer": web.url, "jwks_uri": f"{web.url}/keys"})
        web.pages["/keys"] = Page(200, issuer.document())
        entry = {**PLAIN, "issuer": {"url": web.url, "audiences": ["kgate"], "certificateAuthority": web.pem}}
        (tmp_path / "auth.yaml").write_text(configuration(entry))
        policy = {"rules": [{**ALLOW_ALICE["rules"][0], "who": {"groups": ["corp:sre"]}}]}
        with identity_gate(tmp_path, {"authentication_configuration": "auth.yaml"}, policy) as gate:
            ends = time.time() + 5
            with gate.watch(issuer.token(time.time(), exp=ends)) as watch:
                told = watch.end()
                late = time.time() - ends
            assert "expired" in told
            assert 0 <= late < 5
