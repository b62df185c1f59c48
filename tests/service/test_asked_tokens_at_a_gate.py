"""A running gate that asks: a real provider's introspection about its opaque tokens, a cluster's TokenReview about its service accounts'."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from identity_gate import WATCHING, IdentityGate, identity_gate
from identity_provider import SECRET, IdentityProvider, client, oidc_provider
from issuer import TestIssuer
from lab.waiting import eventually
from recording_cluster import OK, Connection
from web_server import WebServer, document, web_server

BOT = "system:serviceaccount:ci:bot"
POLICY = {
    "rules": [
        {
            "name": "developers",
            "who": {"groups": ["developers", "lab:system:serviceaccounts:ci"]},
            "clusters": {"names": ["*"]},
            "allow": [{"verbs": ["*"], "resources": ["*"]}],
        }
    ]
}


@pytest.fixture(scope="module")
def idp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IdentityProvider]:
    with oidc_provider(tmp_path_factory.mktemp("idp"), [client("kgate-introspects")]) as provider:
        yield provider


@pytest.fixture(scope="module")
def partner() -> Iterator[WebServer]:
    """Another issuer, whose opaque tokens begin with partner_: each is bob's."""
    with web_server() as web:
        web.pages["/.well-known/openid-configuration"] = document(
            {"issuer": web.url, "jwks_uri": f"{web.url}/keys", "introspection_endpoint": f"{web.url}/introspect"}
        )
        web.pages["/keys"] = document({"keys": []})
        web.pages["/introspect"] = lambda _: document(
            {"active": True, "sub": "bob", "groups": ["developers"], "aud": "kgate", "exp": int(time.time()) + 60}
        )
        yield web


@pytest.fixture(scope="module")
def gate(idp: IdentityProvider, partner: WebServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[IdentityGate]:
    folder = tmp_path_factory.mktemp("gate")
    (folder / "secret").write_text(SECRET)
    asked = {"client_id": "kgate-introspects", "client_secret_file": "secret", "cache": "1s"}
    trusted = {"url": partner.url, "audiences": ["kgate"], "certificateAuthority": partner.pem}
    mappings = {"username": {"claim": "sub", "prefix": "partner:"}, "groups": {"claim": "groups", "prefix": ""}}
    identity = {
        "oidc": [
            {**idp.issuer(username={"claim": "client_id", "prefix": ""}), "introspection": asked},
            {"issuer": trusted, "claimMappings": mappings, "introspection": {**asked, "token_prefix": "partner_"}},
        ],
        "service_accounts": [{"cluster": "lab", "audiences": ["kgate-lab"], "cache": "1s"}],
    }
    with identity_gate(folder, identity, POLICY) as running:
        yield running


def test_an_opaque_token_is_asked_about(idp: IdentityProvider, gate: IdentityGate) -> None:
    token = idp.token("alice", "urn:opaque:kgate")
    assert token.count(".") == 0
    assert gate.ask(token)[0] == 200
    assert gate.whoami(token)["user"] == "alice"
    status, message = gate.ask(idp.token("alice", "urn:opaque:other"))
    assert (status, "for somebody else" in message) == (401, True)
    assert gate.ask("made-up")[0] == 401


def test_each_issuer_is_shown_its_own_tokens_only(idp: IdentityProvider, partner: WebServer, gate: IdentityGate) -> None:
    assert gate.whoami("partner_0123456789")["user"] == "partner:bob"
    assert gate.whoami(idp.token("alice", "urn:opaque:kgate"))["user"] == "alice"
    shown = [parse_qs(seen.body.decode())["token"] for seen in partner.seen if seen.path == "/introspect"]
    assert shown == [["partner_0123456789"]]


def test_a_revoked_one_is_cut(idp: IdentityProvider, gate: IdentityGate) -> None:
    """Within the time that an answer holds (1 s here) and the next look at everything that lives (15 s)."""
    token = idp.token("alice", "urn:opaque:kgate")
    with gate.watch(token) as watch:
        began = time.monotonic()
        idp.revoke(token, "alice")
        assert "the token is not active any more" in watch.end()
        assert time.monotonic() - began < 18
    assert gate.ask(token)[0] == 401


def test_an_issuer_that_cannot_be_asked_lets_nobody_in(idp: IdentityProvider, gate: IdentityGate) -> None:
    token = idp.token("alice", "urn:opaque:kgate")
    idp.do("down")
    status, message = gate.ask(token)
    assert (status, "could not be asked about the token" in message) == (401, True)
    assert f"warning: tokens of issuer {idp.url}: " in gate.gate.admin("/readyz")[1]
    idp.do("up")
    eventually("an answer that was none is over, which holds for two seconds", lambda: gate.ask(token)[0] == 200, every=0.2)


class Reviews:
    """The cluster: answers TokenReviews as it is told, everything else with an empty object."""

    def __init__(self) -> None:
        self.questions: list[Any] = []
        self.audiences: list[str] = ["kgate-lab"]
        self.status = b"201 Created"

    def answer(self, connection: Connection, head: bytes) -> None:
        if b"/tokenreviews" not in head:
            connection.send(WATCHING if b"watch=1" in head else OK)
            return
        length = int(next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")).split(b":")[1])
        self.questions.append((head, json.loads(connection.body(length))))
        user = {"username": BOT, "uid": "u", "groups": ["system:serviceaccounts:ci"]}
        body = json.dumps({"kind": "TokenReview", "status": {"authenticated": True, "audiences": self.audiences, "user": user}}).encode()
        connection.send(b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (self.status, len(body), body))


def test_a_service_account_is_reviewed_by_its_cluster(gate: IdentityGate) -> None:
    reviews = Reviews()
    gate.cluster.answer = reviews.answer
    now = time.time()
    token = TestIssuer("https://kubernetes.default.svc").token(now, sub=BOT, aud=["kgate-lab"])
    who = gate.whoami(token)
    assert (who["user"], who["issuer"]) == (f"lab:{BOT}", "cluster lab")
    head, question = reviews.questions[0]
    assert head.startswith(b"POST /apis/authentication.k8s.io/v1/tokenreviews HTTP/1.1")
    assert b"bearer the-gates-own-token" in head.lower()
    assert question["spec"] == {"token": token, "audiences": ["kgate-lab"]}
    reviews.audiences = []
    other = TestIssuer("https://kubernetes.default.svc").token(now, sub=BOT, aud=["kgate-lab"], jti="2")
    status, message = gate.ask(other)
    assert (status, "ask for one with the audience kgate-lab" in message) == (401, True)
    reviews.status = b"403 Forbidden"
    third = TestIssuer("https://kubernetes.default.svc").token(now, sub=BOT, aud=["kgate-lab"], jti="3")
    status, message = gate.ask(third)
    assert (status, "the cluster lab could not be asked" in message) == (401, True)
    assert "may not create tokenreviews" in gate.gate.log.read_text()
    for secret in (token, other, third):
        assert secret not in gate.gate.log.read_text()
