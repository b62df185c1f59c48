"""A small OpenID provider for the quickstart: a page on which one picks who one is. No password, so it listens on 127.0.0.1 only.

Who there is stands in a file that is read again each time, so that somebody can take a group away, or a person, and see what becomes of a live shell: the gate
asks here every few seconds. Authorization code with PKCE, refresh tokens that rotate, discovery, keys, logout: what a gate needs, by the book.
"""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from html import escape
from typing import Any
from urllib.parse import parse_qsl, urlencode

from attrs import define, field, frozen
from joserfc import jws
from joserfc.jwk import OKPKey

People = Mapping[str, list[str]]
"""Groups by name."""

CODE_SECONDS = 60.0
ID_TOKEN_SECONDS = 300
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>
<link rel="icon" href="data:,">
<style>
body {{ margin: 0; padding: 10vh 1rem; background: #f3efe8; color: #2a2520; font: 16px/1.5 system-ui, sans-serif }}
main {{ max-width: 26rem; margin: auto; padding: 2rem; background: #fff; border: 1px solid #ddd3c4; border-radius: 12px }}
h1 {{ margin: 0 0 .5rem; font-size: 1.35rem }} p {{ margin: 0 0 1rem; color: #6b6257 }}
button {{ display: flex; justify-content: space-between; width: 100%; margin: .5rem 0; padding: .7rem 1rem; border: 1px solid #b9a98f; border-radius: 8px;
  background: #fbf8f3; font: inherit; cursor: pointer }}
button span {{ color: #6b6257 }}
</style></head><body><main><h1>{title}</h1>{content}</main></body></html>"""


@frozen
class Reply:
    """An answer."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@frozen
class _SignedIn:
    """What a code or a refresh token stands for."""

    person: str
    client: str
    at: float
    nonce: str = ""
    redirect_uri: str = ""
    challenge: str = ""


@define
class DemoProvider:
    """See the module. ``people`` reads who there is now, ``secret`` makes one, ``wall`` is Unix seconds."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str
    people: Callable[[], People]
    secret: Callable[[], str]
    wall: Callable[[], float]
    _key: OKPKey = field(init=False, repr=False, factory=lambda: OKPKey.generate_key("Ed25519", private=True))
    _codes: dict[str, _SignedIn] = field(init=False, factory=dict)
    _refresh: dict[str, _SignedIn] = field(init=False, factory=dict)

    def answer(self, method: str, path: str, query: str, form: str, authorization: str) -> Reply:
        """One request."""
        match method, path:
            case "GET", "/.well-known/openid-configuration":
                return _json(200, self._discovery())
            case "GET", "/keys":
                return _json(200, {"keys": [{**self._key.as_dict(private=False), "kid": "demo", "use": "sig", "alg": "Ed25519"}]})
            case "GET", "/authorize":
                return self._page(_parameters(query))
            case "POST", "/authorize":
                return self._authorize(_parameters(form))
            case "POST", "/token":
                return self._token(_parameters(form), authorization)
            case "GET", "/logout":
                return self._logout(_parameters(query))
        return _html(404, "There is nothing here", "<p>This is the sign-in page of a kgate demo.</p>")

    def _discovery(self) -> dict[str, object]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "end_session_endpoint": f"{self.issuer}/logout",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["Ed25519"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "authorization_response_iss_parameter_supported": True,
        }

    # --- the page

    def _page(self, asked: Mapping[str, str]) -> Reply:
        fault = self._fault(asked)
        if fault:
            return _html(400, "This cannot be", f"<p>{escape(fault)}</p>")
        kept = ("client_id", "redirect_uri", "state", "nonce", "code_challenge")
        hidden = "".join(f'<input type="hidden" name="{name}" value="{escape(asked.get(name, ""))}">' for name in kept)
        buttons = "".join(
            f'<button name="person" value="{escape(name)}"><b>{escape(name)}</b><span>{escape(", ".join(groups) or "no group")}</span></button>'
            for name, groups in self.people().items()
        )
        text = "<p>This is the demo's company. Whoever you pick, you are: there are no passwords here.</p>"
        return _html(200, "Who are you?", f'{text}<form method="post" action="/authorize">{hidden}{buttons}</form>')

    def _fault(self, asked: Mapping[str, str]) -> str:
        if asked.get("client_id") != self.client_id or asked.get("redirect_uri") != self.redirect_uri:
            return "The program that sent you here is not known to this company."
        return "" if asked.get("code_challenge") else "The program that sent you here sent no code_challenge."

    def _authorize(self, asked: Mapping[str, str]) -> Reply:
        fault, person = self._fault(asked), asked.get("person", "")
        if fault or person not in self.people():
            return _html(400, "This cannot be", f"<p>{escape(fault or 'There is nobody of that name.')}</p>")
        code = self.secret()
        self._codes[code] = _SignedIn(
            person, asked["client_id"], self.wall(), asked.get("nonce", ""), asked["redirect_uri"], asked["code_challenge"]
        )
        answer = urlencode({"code": code, "state": asked.get("state", ""), "iss": self.issuer})
        return Reply(303, (("location", f"{asked['redirect_uri']}?{answer}"),), b"")

    def _logout(self, asked: Mapping[str, str]) -> Reply:
        after = asked.get("post_logout_redirect_uri", "")
        if after and self.redirect_uri.startswith(after):
            return Reply(303, (("location", after),), b"")
        return _html(200, "You are signed out", "<p>Of a company without passwords.</p>")

    # --- tokens

    def _token(self, asked: Mapping[str, str], authorization: str) -> Reply:
        if authorization != "Basic " + _basic(self.client_id, self.client_secret):
            return _json(401, {"error": "invalid_client"})
        grant = asked.get("grant_type")
        if grant == "authorization_code":
            found = self._codes.pop(asked.get("code", ""), None)
            good = found is not None and found.at + CODE_SECONDS > self.wall() and found.redirect_uri == asked.get("redirect_uri")
            good = good and found is not None and _challenge(asked.get("code_verifier", "")) == found.challenge
        elif grant == "refresh_token":
            found = self._refresh.pop(asked.get("refresh_token", ""), None)
            good = found is not None
        else:
            return _json(400, {"error": "unsupported_grant_type"})
        if found is None or not good:
            return _json(400, {"error": "invalid_grant"})
        people = self.people()
        if found.person not in people:
            return _json(400, {"error": "invalid_grant", "error_description": f"{found.person} left the company"})
        return _json(200, self._tokens(found, people[found.person], with_nonce=grant == "authorization_code"))

    def _tokens(self, found: _SignedIn, groups: list[str], *, with_nonce: bool) -> dict[str, object]:
        now = int(self.wall())
        claims: dict[str, object] = {
            "iss": self.issuer,
            "sub": found.person,
            "aud": found.client,
            "iat": now,
            "exp": now + ID_TOKEN_SECONDS,
            "auth_time": int(found.at),
            "acr": "demo",
            "amr": ["click"],
            "groups": groups,
        }
        if with_nonce and found.nonce:
            claims["nonce"] = found.nonce
        refresh = self.secret()
        self._refresh[refresh] = found
        id_token = jws.serialize_compact({"alg": "Ed25519", "kid": "demo"}, json.dumps(claims), self._key, algorithms=["Ed25519"])
        return {"token_type": "Bearer", "access_token": self.secret(), "id_token": id_token, "refresh_token": refresh, "expires_in": 300}


def _parameters(text: str) -> dict[str, str]:
    return dict(parse_qsl(text, keep_blank_values=True))


def _challenge(verifier: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _basic(client: str, secret: str) -> str:
    from base64 import b64encode

    return b64encode(f"{client}:{secret}".encode()).decode()


def _json(status: int, document: Mapping[str, Any]) -> Reply:
    return Reply(status, (("content-type", "application/json"), ("cache-control", "no-store")), json.dumps(document).encode())


def _html(status: int, title: str, content: str) -> Reply:
    headers = (("content-type", "text/html; charset=utf-8"), ("cache-control", "no-store"), ("x-frame-options", "DENY"))
    return Reply(status, headers, _PAGE.format(title=escape(title), content=content).encode())
