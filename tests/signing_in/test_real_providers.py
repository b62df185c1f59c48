"""Signing in with identity providers that are not ours: npm oidc-provider (certified) and PyPI oidc-provider-mock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from certified_gate import SETTINGS, Place, by_its_pages, certified_gate, prepared, signs_out
from identity_gate import identity_gate
from identity_provider import SECRET, IdentityProvider
from lab.waiting import eventually
from mock_provider import MockProvider, mock_provider
from sign_in import Browser, Shown

# --- oidc-provider


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, IdentityProvider]]:
    with certified_gate(tmp_path_factory.mktemp("certified")) as place_and_provider:
        yield place_and_provider


def test_code_with_pkce_by_command(certified: tuple[Place, IdentityProvider]) -> None:
    place, idp = certified
    machine = place.machine()
    code, out, err = machine.login(by_its_pages("alice"))
    assert code == 0 and "as alice until" in out, err
    who = json.loads(machine.run("whoami", "-o", "json")[1])
    assert (who["user"], who["groups"], who["issuer"]) == ("alice", ["developers"], idp.url)
    token = json.loads(machine.run("credential")[1])["status"]["token"]
    assert place.gate.ask(token)[0] == 200


def test_a_person_who_says_no_is_told_so_at_the_terminal(certified: tuple[Place, IdentityProvider]) -> None:
    place, _ = certified
    code, out, err = place.machine().login(lambda browser, shown: browser.open(f"{shown.url}/abort"))
    assert (code, out) == (1, "") and "the sign-in failed: the identity provider said no (access_denied" in err and "sign in again" in err


def test_the_page_and_rp_initiated_logout(certified: tuple[Place, IdentityProvider]) -> None:
    place, idp = certified
    browser = Browser()
    shown = by_its_pages("bob")(browser, browser.open(f"{place.url}/login"))
    assert "You are signed in as bob" in shown.words, shown.words
    shown = browser.open(f"{place.url}/logout", {})
    assert shown.url.startswith(f"{idp.url}/session/end") and "sign-out" in shown.words.lower()
    shown = signs_out(browser, shown)
    assert shown.url == f"{place.url}/" and "Sign in with" in shown.words


def test_device_flow(certified: tuple[Place, IdentityProvider]) -> None:
    place, _ = certified
    machine = place.machine()
    authority = machine.home / "gate-ca.crt"
    authority.write_bytes(place.gate.gate.authority.certificate)
    process = machine.start("login", "--device", machine.url, "--certificate-authority", str(authority))
    assert process.stderr is not None
    said = process.stderr.readline() + process.stderr.readline()
    browser = Browser()
    shown = browser.open(said.split("or open ")[1].split()[0])
    shown = by_its_pages("alice")(browser, browser.open(f"{place.url}/device", shown.fields()))
    assert "The device is connected" in shown.words
    out, err = process.communicate(timeout=90)
    assert process.returncode == 0 and "as alice until" in out, err


def test_sessions_are_confirmed_again_and_again_with_refresh_tokens_that_rotate(certified: tuple[Place, IdentityProvider]) -> None:
    place, idp = certified
    machine = place.machine()
    assert machine.login(by_its_pages("alice"))[0] == 0
    session = json.loads(machine.kept().read_text())["session"]

    def state() -> tuple[Any, ...]:
        return next(row for row in place.sessions("id, checked, created, ended, provider_tokens") if row[0] == session)

    first = state()
    eventually("it was confirmed three times", lambda: state()[1] - first[2] >= 3, every=0.2)
    assert state()[3] is None and state()[4] != first[4]
    assert SECRET not in state()[4] and "eyJ" not in state()[4]  # sealed
    idp.do("down")
    try:
        eventually("it was asked in vain", lambda: "could not be confirmed: " in place.gate.gate.log.read_text(), every=0.2)
        assert state()[3] is None, "its outage ends nothing"
    finally:
        idp.do("up")
    idp.do("rotate")
    before = state()[1]
    eventually("it is confirmed by the new key", lambda: state()[1] > before + 1, every=0.2)
    assert state()[3] is None


def test_groups_that_the_provider_has_with_userinfo_only(tmp_path: Path) -> None:
    with certified_gate(tmp_path, slim=True) as (place, _):
        machine = place.machine()
        code, _, err = machine.login(by_its_pages("alice"))
        assert code == 0, err
        created = place.sessions("created")[0][0]
        eventually("it was confirmed twice", lambda: place.sessions("checked")[0][0] - created >= 2, every=0.2)
        assert json.loads(machine.run("whoami", "-o", "json")[1])["groups"] == ["developers"]


# --- oidc-provider-mock


@pytest.fixture(scope="module")
def mocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, MockProvider]]:
    folder = tmp_path_factory.mktemp("mocked")
    with mock_provider(folder) as idp, identity_gate(prepared(folder), {"oidc": [idp.issuer()]}, **SETTINGS) as gate:
        idp.ask("PUT", "/users/alice", {"email": "alice@example.com", "groups": ["developers"]})
        yield Place(gate, folder), idp


def by_name(person: str) -> Any:
    def sign_in(browser: Browser, shown: Shown) -> Shown:
        assert "Authorize Client" in shown.words, shown.words
        return browser.open(shown.url, {"sub": person})

    return sign_in


def test_code_with_pkce_with_the_mock(mocked: tuple[Place, MockProvider]) -> None:
    place, idp = mocked
    machine = place.machine()
    code, out, err = machine.login(by_name("alice"))
    assert code == 0 and "as alice until" in out, err
    who = json.loads(machine.run("whoami", "-o", "json")[1])
    assert (who["user"], who["groups"], who["issuer"]) == ("alice", ["developers"], idp.url)


def test_tokens_that_the_provider_revokes_end_the_session(mocked: tuple[Place, MockProvider]) -> None:
    place, idp = mocked
    machine = place.machine()
    assert machine.login(by_name("alice"))[0] == 0
    session = json.loads(machine.kept().read_text())["session"]
    token = json.loads(machine.run("credential")[1])["status"]["token"]
    idp.ask("POST", "/users/alice/revoke-tokens")
    eventually("the session is over", lambda: place.gate.ask(token)[0] == 401, every=0.2)
    assert "does not stand by it any more (invalid_grant" in place.gate.ask(token)[1]
    assert next(row[1] for row in place.sessions("id, ended_why") if row[0] == session)
