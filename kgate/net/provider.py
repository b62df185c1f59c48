"""One identity provider that people sign in with: what the gate asks of it, over the control plane's web.

Its discovery document is kept for a while; everything else is asked as it is needed. What cannot be had is a value: the caller tells the person.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Protocol
from urllib.parse import quote, urlencode

from attrs import frozen

from kgate.identity.credentials import Rejected
from kgate.identity.jose import Claims, Flaw
from kgate.identity.openid import (
    Client,
    Denied,
    Provider,
    ProviderTokens,
    code_form,
    read_provider,
    read_tokens,
    refresh_form,
)
from kgate.model import Identity
from kgate.net.web import Reply, Unreachable, Web
from kgate.store.people import Person

KEPT_SECONDS = 600.0
MOST_BYTES = 256 * 1024


@frozen
class Confirmed:
    """An ID token that the issuer signed for the gate, and whom it means by the configuration's mappings."""

    claims: Claims
    identity: Identity
    mapping: str = ""
    """``IssuerConfiguration.mapping``."""


class Verifier(Protocol):
    """Holds ID tokens of one issuer against its keys."""

    async def verify(self, tokens: ProviderTokens) -> Confirmed | Rejected:
        """Whose they are. The ID token's ``aud`` is the gate's client id, checked; with the access token what it leaves elsewhere is asked for."""


@frozen
class Login:
    """How people sign in with one provider."""

    issuer: str
    discovery_url: str
    client: Client
    name: str
    """As the sign-in page's button says it."""
    scopes: tuple[str, ...]
    acr_values: tuple[str, ...] = ()
    """What a step-up asks for."""
    prompt: str | None = None
    """See ``authorization_url``."""


class SignInProvider:
    """See the module. ``now`` is monotonic."""

    def __init__(self, login: Login, web: Web, verifier: Verifier, now: Callable[[], float]) -> None:
        self.login, self._web, self._verifier, self._now = login, web, verifier, now
        self._known: Provider | None = None
        self._read = 0.0

    async def provider(self) -> Provider | Flaw:
        """Its endpoints."""
        if self._known is not None and self._now() - self._read < KEPT_SECONDS:
            return self._known
        reply = await self._web.ask("GET", self.login.discovery_url, limit=MOST_BYTES)
        if isinstance(reply, Unreachable):
            return self._known or Flaw(reply.text)
        found = read_provider(reply.body, self.login.issuer) if reply.status == 200 else Flaw(f"answered {reply.status}")
        if isinstance(found, Provider):
            self._known, self._read = found, self._now()
        return self._known or found

    async def redeem(self, code: str, verifier: str) -> ProviderTokens | Denied | Flaw:
        """The tokens for a code that a browser brought back."""
        return await self._token(code_form(self.login.client, code, verifier))

    async def refresh(self, refresh_token: str) -> ProviderTokens | Denied | Flaw:
        """What the provider says of a sign-in now."""
        return await self._token(refresh_form(refresh_token))

    async def verify(self, tokens: ProviderTokens) -> Confirmed | Rejected:
        """Whose they are."""
        return await self._verifier.verify(tokens)

    async def _token(self, form: Mapping[str, str]) -> ProviderTokens | Denied | Flaw:
        provider = await self.provider()
        if isinstance(provider, Flaw):
            return provider
        headers = [("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json")]
        client = self.login.client
        if provider.post_only or not client.secret:
            form = {**form, "client_id": client.id} | ({"client_secret": client.secret} if client.secret else {})
        else:
            # RFC 6749 section 2.3.1: both are form-encoded before they are joined
            basic = f"{quote(client.id, safe='')}:{quote(client.secret, safe='')}"
            headers.append(("authorization", "Basic " + b64encode(basic.encode()).decode()))
        reply = await self._web.ask("POST", provider.token_endpoint, headers, urlencode(form).encode(), limit=MOST_BYTES)
        return read_tokens(reply.status, reply.body) if isinstance(reply, Reply) else Flaw(reply.text)


def as_person(confirmed: Confirmed, issuer: str, was: Person | None = None) -> Person:
    """What a session keeps of an ID token. What the token of a refresh does not say of the sign-in itself stays as it ``was``."""
    identity, claims = confirmed.identity, confirmed.claims
    subject, session = claims.get("sub"), claims.get("sid")
    return Person(
        identity.user,
        identity.groups,
        identity.uid,
        identity.extra,
        issuer,
        subject if isinstance(subject, str) else "",
        session if isinstance(session, str) else was.provider_session if was is not None else "",
        identity.authenticated_at if identity.authenticated_at is not None or was is None else was.authenticated_at,
        identity.acr or (was.acr if was is not None else ""),
        identity.amr or (was.amr if was is not None else ()),
        was.issued_at if was is not None else identity.issued_at,
        confirmed.mapping,
        identity.email or (was.email if was is not None else ""),
    )


def tokens_to_text(tokens: ProviderTokens, claims: Claims | None = None) -> str:
    """For sealing, with what the provider said of the person, what its ID token leaves elsewhere included. No line holds a line end."""
    return f"{tokens.refresh_token}\n{tokens.id_token}\n{json.dumps(claims) if claims is not None else ''}"


def tokens_from_text(text: str) -> ProviderTokens:
    """What ``tokens_to_text`` wrote."""
    refresh_token, id_token, *_ = [*text.split("\n"), ""]
    return ProviderTokens(id_token, refresh_token)


def claims_from_text(text: str) -> Claims | None:
    """The claims beside them, where there are any."""
    _, _, claims, *_ = [*text.split("\n"), "", ""]
    found: Claims | None = json.loads(claims) if claims else None
    return found
