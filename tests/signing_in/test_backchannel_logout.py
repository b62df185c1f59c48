"""Back-channel logout as a certified provider sends it: somebody signs out there, it tells the gate by itself, and what lives by the session is cut."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from attrs import define, field, frozen
from certified_gate import Place, by_its_pages, certified_gate, signs_out, token_of
from identity_gate import PODS, WATCHING, IdentityGate, identity_gate
from identity_provider import IdentityProvider
from issuer import TestIssuer
from lab.waiting import eventually
from live_exec import SWITCHED, goes_on, live_exec
from real_kubectl import needs_kubectl
from recording_cluster import OK
from sign_in import KEY, Browser, Machine
from web_server import Page, Seen, document, web_server

from kgate.identity.notice_tokens import BACKCHANNEL_LOGOUT

URI = "{gate}/kgate/v1/backchannel-logout"
WHY = "you signed out at the identity provider"


def answer_to(head: bytes) -> bytes:
    """What the cluster says: an exec and a watch that go on, and {} to what kubectl asks before."""
    return SWITCHED if b"/exec?" in head else WATCHING if b"watch=1" in head else OK


@frozen
class SignedIn:
    """A person in a browser, and ``kgate login`` by it on a machine."""

    browser: Browser
    machine: Machine

    def leaves(self, idp: IdentityProvider) -> None:
        """They sign out at the provider, which says that it is done."""
        shown = signs_out(self.browser, self.browser.open(f"{idp.url}/session/end"))
        assert shown.url == f"{idp.url}/session/end/success", shown.words


def signed_in(place: Place, person: str) -> SignedIn:
    machine, browser = place.machine(), Browser()
    process, link = machine.begin_login()
    by_its_pages(person)(browser, browser.open(link))
    _, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    return SignedIn(browser, machine)


@pytest.fixture(params=[True, False], ids=["with sid", "with sub only"])
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Place, IdentityProvider, bool]]:
    client = {"backchannel_logout_uri": URI, "backchannel_logout_session_required": request.param}
    with certified_gate(tmp_path, client, sign_in={"recheck": "10m"}) as (place, idp):  # no refresh: the notice alone ends it
        place.gate.cluster.answer = lambda connection, head: connection.send(answer_to(head))
        yield place, idp, request.param


@needs_kubectl
def test_whoever_signs_out_at_the_provider_loses_exec_and_kubectls_watch(running: tuple[Place, IdentityProvider, bool]) -> None:
    place, idp, names_the_session = running
    alice, elsewhere, bob = signed_in(place, "alice"), signed_in(place, "alice"), signed_in(place, "bob")
    kubeconfig = alice.machine.home / "kubeconfig"
    kubeconfig.write_text(alice.machine.run("kubeconfig")[1])
    token = token_of(alice.machine)
    kubectl = subprocess.Popen(
        ["kubectl", "--kubeconfig", str(kubeconfig), "get", "--raw", f"{PODS}?watch=1"],
        env=alice.machine.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert kubectl.stdout is not None and "ADDED" in kubectl.stdout.readline()
    gate = place.gate.gate
    with live_exec(gate, token) as shell, live_exec(gate, token_of(elsewhere.machine)) as other:
        alice.leaves(idp)
        said = shell.until(WHY.encode())
        assert WHY.encode() in said and b'"status":"Failure"' in said  # on the error channel, so that kubectl exits with 1
        if names_the_session:
            assert goes_on(other)
        else:
            assert WHY.encode() in other.until(WHY.encode())
    assert WHY in kubectl.communicate(timeout=90)[0]
    assert place.gate.ask(token)[0] == 401
    assert place.gate.whoami(token_of(bob.machine))["user"] == "bob"
    told = eventually("the notice is on record", lambda: place.records("notice"))
    assert [(record["allowed"], record["notice"], record["subject"]["sub"]) for record in told] == [(True, "logout", "alice")]
    assert ("session" in told[0]["subject"]) == names_the_session
    cut = eventually("the ends on record", lambda: [each for each in place.records("stream-end") if WHY in str(each)])
    assert all(record["revocation_ms"] < 1000 for record in cut)


def test_whoever_signs_out_and_in_again_is_in(running: tuple[Place, IdentityProvider, bool]) -> None:
    place, idp, _ = running
    alice = signed_in(place, "alice")
    former = token_of(alice.machine)
    alice.leaves(idp)
    eventually("the former session is over", lambda: place.gate.ask(former)[0] == 401)
    again = signed_in(place, "alice")
    assert place.gate.whoami(token_of(again.machine))["user"] == "alice"


@pytest.mark.threat("14")
def test_a_device_that_was_approved_and_has_not_asked_yet_gets_nothing(running: tuple[Place, IdentityProvider, bool]) -> None:
    place, idp, _ = running
    browser, client = Browser(), {"client_id": "kgate"}
    begun = json.loads(browser.open(f"{place.url}/oauth2/device_authorization", client).text)
    shown = browser.open(f"{place.url}/device", browser.open(begun["verification_uri_complete"]).fields())
    assert "The device is connected" in by_its_pages("alice")(browser, shown).words
    signs_out(browser, browser.open(f"{idp.url}/session/end"))
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": begun["device_code"], "refresh_next": 64 * "0"}
    answer = browser.open(f"{place.url}/oauth2/token", {**client, **form})
    told = json.loads(answer.text)
    assert (answer.status, told["error"]) == (400, "access_denied") and "provider ended the sign-in" in told["error_description"]


@define
class Scripted:
    """A gate whose people sign in with a provider that does as it is told: everybody is alice at once."""

    gate: IdentityGate
    issuer: TestIssuer
    nonces: list[str] = field(factory=list)
    dated_back: float = 0.0
    ends_meanwhile: bool = False
    told: list[int] = field(factory=list)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.gate.gate.port}"

    def authorize(self, seen: Seen) -> Page:
        asked = {name: value for name, (value,) in parse_qs(urlsplit(seen.path).query).items()}
        self.nonces.append(asked["nonce"])
        return Page(303, headers=(("location", f"{asked['redirect_uri']}?{urlencode({'code': 'c', 'state': asked['state']})}"),))

    def token(self, _: Seen) -> Page:
        if self.ends_meanwhile:
            self.logs_out()
        id_token = self.issuer.token(time.time() - self.dated_back, sub="alice", nonce=self.nonces[-1])
        return document({"token_type": "Bearer", "access_token": "a", "id_token": id_token})

    def logs_out(self) -> None:
        """The provider tells the gate that alice signed out there."""
        claims = {"iss": self.issuer.url, "aud": "kgate", "iat": int(time.time()), "jti": f"l{len(self.told)}", "sub": "alice"}
        form = {"logout_token": self.issuer.sign({**claims, "events": {BACKCHANNEL_LOGOUT: {}}}, typ="logout+jwt")}
        self.told.append(Browser().open(f"{self.url}/kgate/v1/backchannel-logout", form).status)


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[Scripted]:
    (tmp_path / "gate").mkdir()
    (tmp_path / "gate" / "secrets.key").write_text(KEY)
    with web_server() as web:
        entry = {
            "issuer": {"url": web.url, "audiences": ["kgate"], "certificateAuthority": web.pem},
            "claimMappings": {"username": {"claim": "sub", "prefix": ""}, "groups": {"claim": "groups", "prefix": ""}},
            "login": {"client_id": "kgate"},
        }
        with identity_gate(tmp_path / "gate", {"oidc": [entry]}, secrets={"key_file": "secrets.key"}) as gate:
            made = Scripted(gate, TestIssuer(web.url))
            endpoints = {"jwks_uri": "/keys", "authorization_endpoint": "/authorize", "token_endpoint": "/token"}
            web.pages["/.well-known/openid-configuration"] = document(
                {"issuer": web.url, **{name: web.url + path for name, path in endpoints.items()}}
            )
            web.pages.update({"/keys": Page(200, made.issuer.document()), "/authorize": made.authorize, "/token": made.token})
            yield made


@pytest.mark.threat("14")
def test_a_notice_that_comes_while_somebody_signs_in_counts(scripted: Scripted) -> None:
    """The provider ends its session between the code and the answer to it: there is no session here yet that the notice could end."""
    scripted.ends_meanwhile = True
    shown = Browser().open(f"{scripted.url}/login")
    assert scripted.told == [200]
    assert shown.status == 403 and "The identity provider ended the sign-in before it was done" in shown.words


def test_whoever_signs_in_again_is_in_though_the_provider_dates_its_tokens_back(scripted: Scripted) -> None:
    """Microsoft Entra does, by five minutes; for so long nobody could sign in again who had signed out."""
    scripted.dated_back = 300.0
    first, second = Browser(), Browser()
    assert "You are signed in as alice" in first.open(f"{scripted.url}/login").words
    scripted.logs_out()
    assert "Sign in" in first.open(scripted.url).words
    assert "You are signed in as alice" in second.open(f"{scripted.url}/login").words
    scripted.logs_out()
    assert "Sign in" in second.open(scripted.url).words and scripted.told == [200, 200]
