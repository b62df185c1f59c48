"""The same AuthenticationConfiguration at a real API server and here: the same tokens make the same people.

``KGATE_E2E_AUTHENTICATION`` names the file that the API server was started with (--authentication-config); it reads it again by itself, and gets its own
content back in the end. Tokens are generated: usual claims, a few of them replaced by something else that an issuer might send.
"""

from __future__ import annotations

import base64
import json
import os
import random
import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import pytest
import yaml
from attrs import evolve, frozen
from issuer import TestIssuer, make_key
from lab.endpoint import Endpoint
from lab.waiting import eventually
from web_server import Page, WebServer, document, web_server

from kgate.identity.credentials import Credentials
from kgate.identity.issuer_configuration import load_authentication_configuration
from kgate.identity.issuers import SKEW, Issuers
from kgate.identity.jose import KeySet, read_key_set
from kgate.identity.key_ring import KeyRing
from kgate.model import Identity

FILE = os.environ.get("KGATE_E2E_AUTHENTICATION", "")
ADMIN = os.environ.get("KGATE_E2E_ADMIN", "")
pytestmark = pytest.mark.skipif(not FILE, reason="set KGATE_E2E_AUTHENTICATION to the API server's --authentication-config file")

TOKENS = 300
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "claims": {"claimMappings": {"username": {"claim": "sub", "prefix": ""}, "groups": {"claim": "groups", "prefix": "corp:"}}},
    "e-mail": {
        "claimMappings": {
            "username": {"claim": "email", "prefix": "e:"},
            "groups": {"claim": "roles", "prefix": ""},
            "uid": {"claim": "uid"},
        }
    },
    "expressions": {
        "claimMappings": {
            "username": {"expression": "claims.sub + ':x'"},
            "groups": {"expression": "claims.?groups.orValue([])"},
            "uid": {"expression": "claims.?uid.orValue('')"},
            "extra": [
                {"key": "example.com/t", "valueExpression": "claims.?tenant.orValue('')"},
                {"key": "example.com/l", "valueExpression": "claims.?list.orValue([])"},
            ],
        },
        "claimValidationRules": [{"expression": "claims.?hd.orValue('') != 'bad'", "message": "bad"}],
        "userValidationRules": [{"expression": "user.groups.all(g, !g.startsWith('x'))"}],
    },
    "rules": {
        "claimMappings": {
            "username": {"expression": "claims.email.split('@')[0]"},
            "groups": {"expression": "claims.roles.split(',').map(r, r)"},
        },
        "claimValidationRules": [
            {"expression": "claims.?email_verified.orValue(true) == true"},
            {"claim": "hd", "requiredValue": "example.com"},
        ],
    },
}
USUAL: dict[str, Any] = {
    "sub": "olga", "email": "a@b.c", "email_verified": True, "groups": ["a", "b"], "roles": "r1,r2", "uid": "u1", "hd": "example.com",
    "aud": "kgate", "iat": 0, "exp": 600,
}  # fmt: skip
"""olga's name is hers alone in the suite: the API server has her on record as herself, where other tests look whether alice came past the gate."""
LEFT_OUT = object()
OTHERS: dict[str, list[Any]] = {
    "sub": ["", "a b", 7, LEFT_OUT, "\u00fcber", "system:admin", ["a"], "x" * 300, True],
    "email": ["nomail", "", LEFT_OUT, 5, ["x"]],
    "email_verified": [False, "true", LEFT_OUT, 0],
    "groups": ["one", [], ["a", 1], LEFT_OUT, {"a": 1}, ["a", "a"], [""], ["x1"], 7, [["n"]], ""],
    "roles": ["", ["a"], LEFT_OUT, 5],
    "uid": ["", LEFT_OUT, 5, ["u"]],
    "tenant": ["t", "", 5, ["t1", "t2"], []],
    "list": [["a", "b"], [], "s", ["a", 2], ["", ""]],
    "hd": ["bad", LEFT_OUT, 1, "Example.com"],
    "aud": [["kgate", "x"], ["x"], "x", []],
    "exp": [-5, -400, 3600, LEFT_OUT],
    "nbf": [-10, 30, 200, 400, "x"],
    "iat": [-100, 30, 120, 4000, LEFT_OUT, "x"],
}

Person = tuple[str, tuple[str, ...], str, tuple[tuple[str, tuple[str, ...]], ...]]


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


@frozen
class Server:
    """The API server, and a connection to it for all who ask."""

    endpoint: Endpoint
    connection: HTTPSConnection


@pytest.fixture
def server() -> Iterator[Server]:
    before = Path(FILE).read_text()
    admin = Endpoint.of(Path(ADMIN))
    # Nobody's certificate goes along: the token alone says who asks.
    authority = yaml.safe_load(Path(ADMIN).read_text())["clusters"][0]["cluster"]["certificate-authority-data"]
    nobody = Endpoint(admin.host, admin.port, "", ssl.create_default_context(cadata=base64.b64decode(authority).decode()), {})
    with closing(nobody.connect()) as connection:
        try:
            yield Server(nobody, connection)
        finally:
            _replace(before)


def _replace(text: str) -> None:
    new = Path(FILE).with_suffix(".new")
    new.write_text(text)
    new.rename(FILE)


def at_the_server(server: Server, token: str) -> Person | None:
    asked = evolve(server.endpoint, headers={"Authorization": f"Bearer {token}"})
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    status, body = asked.ask_on(server.connection, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    if status != 201:
        return None
    user = json.loads(body)["status"]["userInfo"]
    extra = {key: tuple(values) for key, values in user.get("extra", {}).items() if not key.startswith("authentication.kubernetes.io/")}
    groups = tuple(dict.fromkeys(group for group in user.get("groups", []) if group != "system:authenticated"))
    return user.get("username", ""), groups, user.get("uid", ""), tuple(sorted(extra.items()))


def here(source: Issuers, token: str) -> Person | None:
    found = source.authenticate(Credentials(token), time.time())
    return (found.user, found.groups, found.uid, found.extra) if isinstance(found, Identity) else None


def stricter_here(person: Person, claims: dict[str, Any], now: float) -> bool:
    """What this gate refuses on purpose, and an API server does not (docs/operating.md)."""
    user, groups, _, _ = person
    ahead = any(isinstance(claims.get(name), int) and claims[name] > now + SKEW - 5 for name in ("iat", "nbf"))
    return ahead or user.startswith("system:") or "" in groups or claims.get("sub") == "" or claims.get("email") == ""


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_same_tokens_make_the_same_people(name: str, web: WebServer, server: Server) -> None:
    issuer = TestIssuer(web.url, keys=[make_key("k", "RS256")])
    web.pages["/.well-known/openid-configuration"] = document({"issuer": web.url, "jwks_uri": f"{web.url}/keys"})
    web.pages["/keys"] = Page(200, issuer.document())
    entry = {"issuer": {"url": web.url, "audiences": ["kgate"], "certificateAuthority": web.pem}, **CONFIGURATIONS[name]}
    whole = {**yaml.safe_load(Path(FILE).read_text()), "jwt": [entry]}
    _replace(yaml.safe_dump(whole, sort_keys=False))
    issuers = load_authentication_configuration(json.dumps({key: whole[key] for key in ("apiVersion", "kind", "jwt")}), "f")
    ring, keys = KeyRing(web.url), read_key_set(issuer.document())
    assert isinstance(keys, KeySet)
    ring.learned(keys, issuer.document(), "k", time.monotonic())
    source = Issuers(issuers, {web.url: ring}, time.monotonic)

    def signed(changed: dict[str, Any]) -> tuple[dict[str, Any], str]:
        now = int(time.time())
        made = {key: value for key, value in (USUAL | changed).items() if value is not LEFT_OUT}
        times = {key: now + made[key] for key in ("iat", "exp", "nbf") if isinstance(made.get(key), int)}
        claims = {"iss": web.url, **made, **times}
        return claims, issuer.sign(claims)

    eventually("the API server took the file over", lambda: at_the_server(server, signed({})[1]), 120, 1)
    assert at_the_server(server, signed({})[1]) == here(source, signed({})[1])
    chosen = random.Random(name)
    different = []
    for _ in range(TOKENS):
        changed = {key: chosen.choice(OTHERS[key]) for key in chosen.sample(list(OTHERS), chosen.choice([0, 1, 1, 1, 2, 3]))}
        claims, token = signed(changed)
        there, ours = at_the_server(server, token), here(source, token)
        if there != ours and not (ours is None and there is not None and stricter_here(there, claims, time.time())):
            different.append((changed, there, ours))
    assert different == []
