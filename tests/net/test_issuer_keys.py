"""Fetching an issuer's keys over real TLS: what of an answer is believed, and what /readyz says of the rest."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from issuer import TestIssuer
from issuer_gate import PLAIN, configuration
from reactors import turn_until
from twisted.internet.defer import Deferred
from web_server import Page, WebServer, document, web_server

from kgate.identity.elsewhere import ClaimsWanted
from kgate.identity.issuer_configuration import load_authentication_configuration
from kgate.identity.key_ring import KeysWanted
from kgate.net.issuer_keys import IssuerKeys
from kgate.net.web import Asking

pytestmark = pytest.mark.threat("21")
DISCOVERY = "/.well-known/openid-configuration"


@pytest.fixture(scope="module")
def web() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


class Scene:
    """An issuer behind ``web``, and what fetches its keys."""

    def __init__(self, web: WebServer, reactor: Any, **issuer: str) -> None:
        self.web, self.reactor, self.changes, self.until = web, reactor, 0, 0.0
        self.issuer = TestIssuer(web.url)
        web.pages.clear()
        web.seen.clear()
        web.pages[DISCOVERY] = document({"issuer": web.url, "jwks_uri": f"{web.url}/keys"})
        self.publish()
        self.keys = IssuerKeys(time.monotonic, lambda pem: Asking(reactor, pem), lambda wanted, then: None, self._changed)
        self.reload(**issuer)
        self.ring = self.keys.rings[web.url]

    def reload(self, **issuer: object) -> None:
        """The configuration says this of the issuer from now on."""
        entry = {**PLAIN, "issuer": {"url": self.web.url, "audiences": ["kgate"], "certificateAuthority": self.web.pem, **issuer}}
        self.tokens = self.keys.source(load_authentication_configuration(configuration(entry), "f"))

    def _changed(self) -> None:
        self.changes += 1

    def publish(self) -> None:
        self.web.pages["/keys"] = Page(200, self.issuer.document())

    def fetch(self) -> str:
        """Fetch; what /readyz says then."""
        done: list[object] = []
        Deferred.fromCoroutine(self.keys.get(KeysWanted(self.web.url))).addBoth(done.append)
        turn_until(self.reactor, lambda: bool(done))
        assert done == [None]
        return self.keys.problems().get(f"issuer {self.web.url}", "")


def test_the_keys_are_there(web: WebServer, global_reactor: Any) -> None:
    scene = Scene(web, global_reactor)
    assert scene.fetch() == ""
    assert scene.ring.keys is not None and [key.kid for key in scene.ring.keys.keys] == ["one"]
    assert web.paths() == [DISCOVERY, "/keys"]


def test_others_than_before_are_told(web: WebServer, global_reactor: Any) -> None:
    scene = Scene(web, global_reactor)
    for rotations, changes in ((0, 0), (0, 0), (1, 1)):
        for _ in range(rotations):
            scene.issuer.rotate("two")
            scene.publish()
        assert scene.fetch() == ""
        assert scene.changes == changes


def test_a_redirect_is_not_followed(web: WebServer, global_reactor: Any) -> None:
    scene = Scene(web, global_reactor)
    web.pages["/elsewhere"] = web.pages["/keys"]
    web.pages["/keys"] = Page(302, headers=(("location", f"{web.url}/elsewhere"),))
    assert scene.fetch().startswith(f"its key set answered 302 (to {web.url}/elsewhere, which is not followed)")
    web.pages[DISCOVERY] = Page(301, headers=(("location", f"{web.url}/elsewhere"),))
    assert scene.fetch().startswith("its discovery document answered 301")
    assert "/elsewhere" not in web.paths()


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (
            document({"issuer": "https://evil.example", "jwks_uri": "https://evil.example/keys"}),
            "its discovery document names another issuer",
        ),
        (document({"jwks_uri": "x"}), "its discovery document names another issuer"),
        (Page(200, b"<html>"), "its discovery document is not JSON"),
        (Page(500), "its discovery document answered 500"),
        (Page(200, b" " * 300_000), "it answered with more than 262144 bytes"),
    ],
)
def test_a_discovery_document_that_is_none(web: WebServer, global_reactor: Any, page: Page, said: str) -> None:
    scene = Scene(web, global_reactor)
    web.pages[DISCOVERY] = page
    assert scene.fetch() == f"{said}; its tokens are refused"
    assert web.paths() == [DISCOVERY]


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1/keys", "file:///etc/passwd", "", None, 7, "https://xn\N{SNOWMAN}/keys", "https://[::1/keys"]
)
def test_a_key_set_that_is_nowhere_safe(web: WebServer, global_reactor: Any, address: object) -> None:
    scene = Scene(web, global_reactor)
    web.pages[DISCOVERY] = document({"issuer": web.url, "jwks_uri": address})
    assert scene.fetch().startswith("its discovery document names no key set behind https")


@pytest.mark.parametrize("secrets", [True, False])
def test_a_key_set_that_gives_away_what_signs_is_not_believed(web: WebServer, global_reactor: Any, secrets: bool) -> None:
    """Whoever read it can make anybody's token."""
    scene = Scene(web, global_reactor)
    web.pages["/keys"] = document({"keys": [key.as_dict(private=secrets) for key in scene.issuer.keys]})
    assert scene.fetch() == ("its key set holds the secret half of a key; its tokens are refused" if secrets else "")


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (Page(200, b" " * 300_000), "its key set answered with more than 262144 bytes"),
        (Page(200, b'{"keys": []}'), "its key set has no key that can be used"),
        (Page(200, b"{}"), "its key set has no list of keys"),
        (Page(404), "its key set answered 404"),
    ],
)
def test_a_bad_key_set_leaves_the_last_one_in_force(web: WebServer, global_reactor: Any, page: Page, said: str) -> None:
    scene = Scene(web, global_reactor)
    assert scene.fetch() == ""
    before = scene.ring.keys
    web.pages["/keys"] = page
    assert scene.fetch() == f"{said}; its last keys hold for 359 min more"
    assert scene.ring.current(time.monotonic()) is before


def test_another_authority_is_not_believed(web: WebServer, global_reactor: Any) -> None:
    with web_server() as stranger:
        scene = Scene(web, global_reactor, certificateAuthority=stranger.pem)
        assert scene.fetch() == "it cannot be trusted: certificate verify failed; its tokens are refused"


def test_a_discovery_document_elsewhere(web: WebServer, global_reactor: Any) -> None:
    scene = Scene(web, global_reactor, discoveryURL=f"{web.url}/internal/discovery")
    web.pages["/internal/discovery"] = web.pages.pop(DISCOVERY)
    assert scene.fetch() == ""


def test_a_reload_keeps_what_is_there_and_forgets_what_is_not(web: WebServer, global_reactor: Any) -> None:
    scene = Scene(web, global_reactor)
    scene.fetch()
    scene.reload(audiences=["other"])
    assert scene.keys.rings[web.url] is scene.ring
    scene.keys.source(())
    assert scene.keys.rings == {}
    assert scene.fetch() == ""


def test_what_was_had_from_elsewhere_is_kept_over_a_reload_as_the_keys_are(web: WebServer, global_reactor: Any) -> None:
    """Where userinfo does not answer while somebody edits the policy, everybody whose groups are there would be out."""
    scene = Scene(web, global_reactor)
    wanted, failed = (ClaimsWanted(web.url, digest, "", "the-token") for digest in (b"one", b"other"))

    def known() -> list[bytes]:
        held = scene.tokens.elsewhere
        return [digest for digest in (b"one", b"other") if held.until(digest) == scene.until]

    scene.tokens.elsewhere.learned(wanted, b"{}")
    scene.tokens.elsewhere.learned(failed, None)
    scene.until = scene.tokens.elsewhere.until(b"one")
    scene.reload(audiences=["other"])
    assert known() == [b"one"]
    scene.reload(discoveryURL=f"{web.url}/internal/discovery")
    assert known() == []


@pytest.mark.parametrize("where", ["discoveryURL", "certificateAuthority"])
def test_keys_from_where_they_are_not_to_be_had_any_more_are_not_believed_on(web: WebServer, global_reactor: Any, where: str) -> None:
    """Whoever changes one of these may have a reason: what was fetched by the former settings would hold for six hours where the new ones do not answer."""
    with web_server() as another:
        scene = Scene(web, global_reactor)
        scene.fetch()
        scene.reload(**{where: f"{web.url}/nowhere" if where == "discoveryURL" else another.pem})
        assert scene.keys.rings[web.url].current(time.monotonic()) is None
        assert "its tokens are refused" in scene.fetch()


def test_what_a_token_leaves_elsewhere_is_asked_for(web: WebServer, global_reactor: Any) -> None:
    scene = Scene(web, global_reactor)
    web.pages[DISCOVERY] = document({"issuer": web.url, "jwks_uri": f"{web.url}/keys", "userinfo_endpoint": f"{web.url}/me"})
    web.pages["/me"] = Page(200, b"me")
    web.pages["/moved"] = Page(302, headers=(("location", f"{web.url}/me"),))

    def ask(endpoint: str) -> bytes | None:
        answers: list[bytes | None] = []
        scene.tokens.elsewhere.learned = lambda wanted, body: answers.append(body)  # type: ignore[method-assign]
        done: list[object] = []
        wanted = ClaimsWanted(web.url, b"digest", endpoint, "the-token")
        Deferred.fromCoroutine(scene.keys.ask_elsewhere(wanted)).addBoth(done.append)
        turn_until(global_reactor, lambda: bool(done))
        return answers[0]

    assert ask("") == b"me"
    assert web.seen[-1].headers["authorization"] == "Bearer the-token"
    assert ask(f"{web.url}/me") == b"me"
    assert ask(f"{web.url}/moved") is None
    assert ask(f"{web.url}/nowhere") is None
    web.pages[DISCOVERY] = document({"issuer": web.url, "userinfo_endpoint": "https://[::1/me"})
    assert ask("") is None
    assert ask("https://127.0.0.1:1/") is None
