"""A gate whose people sign in with npm's oidc-provider, and what a person does on that provider's pages."""

from __future__ import annotations

import html
import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from authority import Authority
from identity_gate import identity_gate
from identity_provider import PEOPLE, SECRET, IdentityProvider, oidc_provider, sign_in_client
from live_gate import ALLOW_ALICE
from sign_in import KEY, Browser, Machine, Shown, SignInGate, reserved_port

SETTINGS: dict[str, Any] = {"secrets": {"key_file": "secrets.key"}, "sign_in": {"recheck": "1s"}, "drain": "1s"}


class Place(SignInGate):
    """A gate whose people sign in with some provider, and what it keeps of them."""

    def sessions(self, columns: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.gate.gate.folder / "state.db")) as database:
            return database.execute(f"SELECT {columns} FROM sessions ORDER BY created").fetchall()

    def records(self, event: str) -> list[dict[str, Any]]:
        return [record for record in self.gate.gate.records() if record["event"] == event]


def prepared(folder: Path) -> Path:
    """The gate's folder, with its secrets."""
    (folder / "gate").mkdir()
    (folder / "gate" / "secrets.key").write_text(KEY)
    (folder / "gate" / "oidc-secret").write_text(SECRET)
    return folder / "gate"


@contextmanager
def certified_gate(
    folder: Path,
    client: Mapping[str, Any] | None = None,
    login: Mapping[str, Any] | None = None,
    policy: Mapping[str, Any] = ALLOW_ALICE,
    people: Mapping[str, Mapping[str, Any]] = PEOPLE,
    acr: str = "",
    slim: bool = False,
    **settings: Any,
) -> Iterator[tuple[Place, IdentityProvider]]:
    """Run both, each trusting the other's certificate. ``client`` is added to how the gate is registered at the provider, ``login`` to how it signs in;
    a ``slim`` ID token leaves groups with userinfo."""
    port, reservation = reserved_port()
    gate = f"https://127.0.0.1:{port}"
    there = sign_in_client(f"{gate}/login/callback", post_logout_redirect_uris=[f"{gate}/"], **_at(gate, client or {}))
    authority = Authority()
    with reservation, oidc_provider(folder, [there], people=people, acr=acr, slim=slim, trusts=authority) as idp:
        reservation.close()
        asks = {"client_id": "kgate", "client_secret_file": "oidc-secret", "scopes": ["openid", "email", "offline_access"], **(login or {})}
        entry = {**idp.issuer(), "login": asks, **({"userinfo": True} if slim else {})}
        with identity_gate(prepared(folder), {"oidc": [entry]}, policy, port, authority, **{**SETTINGS, **settings}) as running:
            yield Place(running, folder), idp


def _at(gate: str, client: Mapping[str, Any]) -> dict[str, Any]:
    """``{gate}`` in what is registered is the gate's address."""
    return {name: value.format(gate=gate) if isinstance(value, str) else value for name, value in client.items()}


def by_its_pages(person: str, code: str = "") -> Any:
    """What a person does at oidc-provider: a name, any password, a code where one is asked for, then consent."""

    def sign_in(browser: Browser, shown: Shown) -> Shown:
        for _ in range(4):
            if "/interaction/" not in shown.url:
                break
            action = re.search(r'<form[^>]* action="([^"]+)"', shown.text)
            assert action is not None, shown.text
            form = {"prompt": "login", "login": person, "password": "any"} if 'name="login"' in shown.text else {"prompt": "consent"}
            asked = {"code": code} if 'name="code"' in shown.text else {}
            shown = browser.open(urljoin(shown.url, html.unescape(action[1])), form | asked)
        return shown

    return sign_in


def signs_out(browser: Browser, shown: Shown) -> Shown:
    """What a person does on oidc-provider's page for that: says yes."""
    action = re.search(r'action="([^"]+)"', shown.text)
    xsrf = re.search(r'name="xsrf" value="([^"]+)"', shown.text)
    assert action is not None and xsrf is not None, shown.text
    return browser.open(html.unescape(action[1]), {"xsrf": xsrf[1], "logout": "yes"})


def token_of(machine: Machine) -> str:
    """The gate token that kubectl would use there."""
    code, out, err = machine.run("credential")
    assert code == 0, err
    return str(json.loads(out)["status"]["token"])
