"""The gate's pages in a browser: signing in, a kubeconfig to take along, signing out, devices; and what goes wrong, said on the page and put on record."""

from __future__ import annotations

import html
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import pytest
import yaml
from lab.waiting import eventually
from real_kubectl import needs_kubectl
from sign_in import Browser, Scene, Shown, scene


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    settings = {"limits": {"sign_ins_per_address": 200}, "public_certificate_authority": "people-ca.crt"}
    with scene(tmp_path_factory.mktemp("pages"), **settings) as running:
        yield running


def headers_of(world: Scene, path: str) -> dict[str, str]:
    import http.client

    connection = http.client.HTTPSConnection("127.0.0.1", world.gate.gate.port, context=world.gate.gate.context(), timeout=60)
    connection.request("GET", path)
    found = {name.lower(): value for name, value in connection.getresponse().getheaders()}
    connection.close()
    return found


def test_somebody_signs_in_sees_the_clusters_and_signs_out(world: Scene) -> None:
    browser = Browser()
    assert "Sign in with the company" in browser.open(world.url).words
    shown = world.company.pick(browser, browser.open(f"{world.url}/login"), "alice")
    assert "You are signed in as alice" in shown.words and "developers" in shown.words and "lab" in shown.words
    assert world.until_recorded("login", user="alice", method="browser")["allowed"] is True
    shown = browser.open(f"{world.url}/logout", {})
    assert any(
        each.startswith(f"{world.company.url}/logout") for each in browser.visited
    )  # RP-initiated logout, with the ID token as a hint
    assert "id_token_hint=" in browser.visited[-2] and "Sign in with" in shown.words
    assert world.until_recorded("logout", user="alice")


def test_whoever_comes_by_another_name_of_the_gate_signs_in_by_its_own(world: Scene) -> None:
    """The provider sends people back there, and the browser that began there holds the cookie."""
    alias, browser = f"https://localhost:{world.gate.gate.port}", Browser()
    link = html.unescape(re.findall(r'<a class="button" href="([^"]+)"', browser.open(alias).text)[0])
    shown = world.company.pick(browser, browser.open(urljoin(alias, link)), "alice")
    assert "You are signed in as alice" in shown.words
    shown = browser.open(f"{world.url}/logout", {}, origin=alias)
    assert shown.status == 403 and f"open {world.url}" in shown.words


@needs_kubectl
def test_the_downloaded_kubeconfig_works_until_the_session_ends(world: Scene, tmp_path: Path) -> None:
    browser, _ = world.browser_of("alice")
    file = tmp_path / "kgate.kubeconfig"
    file.write_text(browser.open(f"{world.url}/kubeconfig").text)
    assert [each["name"] for each in yaml.safe_load(file.read_text())["contexts"]] == ["lab"]

    def kubectl() -> tuple[int, str]:
        command = ["kubectl", "--kubeconfig", str(file), "get", "--raw", "/clusters/lab/api/v1/namespaces/a/pods"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
        return done.returncode, done.stdout + done.stderr

    assert kubectl() == (0, "{}")
    browser.open(f"{world.url}/logout", {})
    eventually("its token is worth nothing", lambda: kubectl()[0] != 0)
    code, said = kubectl()
    assert code == 1 and "your session ended: you signed out on the gate's page" in said


def test_somebody_without_a_cluster_is_told_so(world: Scene) -> None:
    browser, shown = world.browser_of("mallory")
    assert "There is no cluster that you may see" in shown.words
    assert browser.open(f"{world.url}/kubeconfig").status == 404


def test_the_pages_are_plain_and_allow_nothing_else(world: Scene) -> None:
    head = headers_of(world, "/")
    policy = head["content-security-policy"]
    assert "default-src 'none'" in policy and "script" not in policy and "frame-ancestors 'none'" in policy
    assert (head["x-frame-options"], head["x-content-type-options"], head["cache-control"]) == ("DENY", "nosniff", "no-store")
    shown = Browser().open(world.url)
    assert "<script" not in shown.text and 'lang="en"' in shown.text and "<title>Sign in" in shown.text
    assert headers_of(world, "/style.css")["content-type"].startswith("text/css")


def callback_of(world: Scene, browser: Browser, person: str = "alice") -> str:
    """The address at which the company would hand somebody back, caught before the browser goes there."""
    shown = browser.open(f"{world.url}/login")

    class Stop(Exception):
        pass

    import urllib.request

    class Catch(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, req: object, fp: object, code: int, msg: str, headers: object, newurl: str) -> None:
            raise Stop(newurl)

    import ssl

    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), Catch)
    form = urlencode({**shown.fields(), "person": person}).encode()
    try:
        opener.open(f"{world.company.url}/authorize", form)
    except Stop as caught:
        return str(caught)
    raise AssertionError("nobody was sent back")


def changed(address: str, **changes: str | None) -> str:
    """The same address with other parameters; None takes one out."""
    parts = urlsplit(address)
    asked = {name: values[0] for name, values in parse_qs(parts.query).items()} | changes
    return parts._replace(query=urlencode({name: value for name, value in asked.items() if value is not None})).geturl()


def failed(world: Scene, shown: Shown, words: str) -> None:
    """It did not work, the page says so and what to do, and it is on record without a secret."""
    assert shown.status >= 400 and "That did not work" in shown.words and words in shown.words and "What to do:" in shown.words, shown.words
    wanted = words.lower()
    eventually(
        "it is on record", lambda: any(wanted in " ".join(each.get("reasons", ())).lower() for each in world.records("login")), every=0.05
    )
    record = next(each for each in reversed(world.records("login")) if wanted in " ".join(each.get("reasons", ())).lower())
    assert record["allowed"] is False and record["source_ip"] == "127.0.0.1"
    assert not {"code", "state", "token"} & record.keys()


@pytest.mark.threat("22")
def test_state_of_nobodys_sign_in(world: Scene) -> None:
    browser = Browser()
    failed(world, browser.open(changed(callback_of(world, browser), state="guess")), "not under way")


@pytest.mark.threat("22")
def test_a_code_is_replayed(world: Scene) -> None:
    browser = Browser()
    address = callback_of(world, browser)
    assert "You are signed in as alice" in browser.open(address).words
    failed(world, browser.open(address), "not under way")


@pytest.mark.threat("22")
def test_another_browsers_answer_is_not_taken(world: Scene) -> None:
    """Login CSRF: an attacker's own answer, opened in the victim's browser, would sign the victim in as the attacker."""
    attackers = callback_of(world, Browser(), "mallory")
    victim, _ = world.browser_of("alice")
    failed(world, victim.open(attackers), "began in another browser")
    assert "signed in as alice" in victim.open(world.url).words


@pytest.mark.threat("22")
@pytest.mark.parametrize("iss", ["https://evil.example.com", None])
def test_a_mix_up_of_providers(world: Scene, iss: str | None) -> None:
    browser = Browser()
    failed(world, browser.open(changed(callback_of(world, browser), iss=iss)), "The answer")


@pytest.mark.threat("22")
def test_an_injected_code_of_another_sign_in_fails_by_pkce(world: Scene) -> None:
    other, browser = callback_of(world, Browser(), "bob"), Browser()
    stolen = parse_qs(urlsplit(other).query)["code"][0]
    failed(world, browser.open(changed(callback_of(world, browser), code=stolen)), "identity provider")


@pytest.mark.threat("22")
def test_parameters_that_come_twice(world: Scene) -> None:
    browser = Browser()
    address = callback_of(world, browser)
    assert browser.open(f"{address}&code=other").status == 400


def test_a_person_who_says_no_or_a_provider_that_does(world: Scene) -> None:
    browser = Browser()
    address = changed(callback_of(world, browser), code=None, error="access_denied", error_description="<b>you pressed cancel</b>")
    shown = browser.open(address)
    failed(world, shown, "you pressed cancel")
    assert "<b>you" not in shown.text


@pytest.mark.threat("22")
@pytest.mark.parametrize(
    "uri",
    ["https://evil.example.com/callback", "http://localhost:4711/callback", "http://127.0.0.1.evil.com:1/x", "http://a@127.0.0.1:1/x", "http://127.0.0.1/x",
     "http://127.0.0.1:1/x?y", "//127.0.0.1:1/", "http://127.0.0.1:99999/", "", "http://127.0.0.1:1/\r\nSet-Cookie: __Host-kgate=mine",
     "http://127.0.0.1:1/" + "x" * 3000, "http://127.0.0.1:1/\u4e2d", "http://127.0.0.1:1/a b", "http://127.0.0.1:1/\t"],
)  # fmt: skip
def test_codes_go_to_a_loopback_address_and_nowhere_else(world: Scene, uri: str) -> None:
    asked = {"response_type": "code", "client_id": "kgate", "redirect_uri": uri, "state": "s" * 32, "code_challenge": "c" * 43}
    shown = Browser().open(f"{world.url}/oauth2/authorize?{urlencode({**asked, 'code_challenge_method': 'S256'})}")
    assert shown.status == 400 and "not one that kgate login makes" in shown.words and shown.url.startswith(world.url)


@pytest.mark.threat("22")
@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge_method": "plain"},
        {"code_challenge": "short"},
        {"state": "short"},
        {"state": "s" * 32 + "\0"},
        {"response_type": "token"},
        {"clusters": "a;b"},
    ],
)
def test_a_client_without_pkce_or_state_is_told_at_its_loopback_address(world: Scene, changes: dict[str, str]) -> None:
    import urllib.request

    asked = {"response_type": "code", "client_id": "kgate", "redirect_uri": "http://127.0.0.1:9/callback", "state": "s" * 32}
    asked |= {"code_challenge": "c" * 43, "code_challenge_method": "S256"} | changes
    browser = Browser()
    with pytest.raises(urllib.request.URLError):
        browser.open(f"{world.url}/oauth2/authorize?{urlencode(asked)}")
    told = parse_qs(urlsplit(browser.visited[-1]).query)
    assert (
        browser.visited[-1].startswith("http://127.0.0.1:9/callback?")
        and told["error"] == ["invalid_request"]
        and told["iss"] == [world.url]
    )


@pytest.mark.threat("22")
def test_a_form_from_another_site_does_nothing(world: Scene) -> None:
    browser, _ = world.browser_of("alice")
    for origin in ("https://evil.example.com", "null", None):
        shown = browser.open(f"{world.url}/logout", {}, origin=origin)
        assert shown.status == 403 and "not sent from a page of this gate" in shown.words
    assert "signed in as alice" in browser.open(world.url).words


@pytest.mark.threat("22")
def test_device_phishing_takes_more_than_a_link(world: Scene) -> None:
    """RFC 8628 section 5.4: somebody who is signed in and opens the attacker's link has given nothing; the page names who asks."""
    import http.client
    import json

    gate = world.gate.gate
    connection = http.client.HTTPSConnection("127.0.0.1", gate.port, context=gate.context(), timeout=60)
    connection.request("POST", "/oauth2/device_authorization", "client_id=kgate", {"content-type": "application/x-www-form-urlencoded"})
    begun = json.loads(connection.getresponse().read())

    def poll() -> str:
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "client_id": "kgate", "device_code": begun["device_code"]}
        connection.request("POST", "/oauth2/token", urlencode({**form, "refresh_next": "0" * 64}))
        return str(json.loads(connection.getresponse().read()).get("error"))

    victim, _ = world.browser_of("alice")
    shown = victim.open(begun["verification_uri_complete"])
    assert "at 127.0.0.1 asks to act as you" in shown.words and "refuse" in shown.words
    assert poll() == "authorization_pending" and poll() == "slow_down"
    assert victim.open(f"{world.url}/device", {"user_code": begun["user_code"]}, origin="https://evil.example.com").status == 403
    assert "Refused" in victim.open(f"{world.url}/device", {"user_code": begun["user_code"], "refuse": "1"}).words
    assert poll() == "access_denied"
    assert world.until_recorded("login", method="device", allowed=False)
    connection.close()


@pytest.mark.threat("19")
def test_codes_of_devices_cannot_be_guessed_for_long(world: Scene) -> None:
    browser = Browser()
    answers = [browser.open(f"{world.url}/device?user_code=BCDF-GH{number:02}") for number in range(25)]
    assert answers[0].status == 404 and answers[-1].status == 429 and "too many wrong codes" in answers[-1].words


def test_what_a_reload_changes_of_signing_in_counts_for_the_next_one(tmp_path: Path) -> None:
    with scene(tmp_path, limits={"sign_ins_per_address": 1}) as world:
        gate = world.gate.gate
        gate.stop()
        gate.write("kgate.yaml", {**gate.config, "public_url": f"https://localhost:{gate.port}"})
        gate.start()
        gate.write("kgate.yaml", {**gate.config, "limits": {"sign_ins_per_address": 100}})
        world.until_recorded("config", allowed=True)
        browser, _ = world.browser_of("alice")
        kubeconfig = yaml.safe_load(browser.open(f"{world.url}/kubeconfig").text)
        assert kubeconfig["clusters"][0]["cluster"]["server"].startswith(world.url)
        assert world.gate.ask(kubeconfig["users"][0]["user"]["token"]) == (200, "{}")
        assert world.browser_of("bob")
