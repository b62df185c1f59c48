"""The identity providers that people sign in with, made from the configuration. One that did not change keeps what it knows over a reload."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from kgate.exchange.gate import Fetch
from kgate.identity.issuers import Issuers
from kgate.identity.openid import Client
from kgate.net.id_tokens import IdTokens
from kgate.net.provider import Login, SignInProvider
from kgate.net.web import Asking
from kgate.settings import Configuration
from kgate.settings.checks import LoginAt


class Providers:
    """``current`` are by issuer, in the configuration's order. ``issuers`` is asked for each time it is needed."""

    def __init__(
        self, reactor: Any, fetch: Fetch, now: Callable[[], float], wall: Callable[[], float], issuers: Callable[[], Issuers]
    ) -> None:
        self._reactor, self._fetch, self._now, self._wall, self._issuers = reactor, fetch, now, wall, issuers
        self._made_of: dict[str, tuple[LoginAt, str]] = {}
        self.current: Mapping[str, SignInProvider] = {}

    def configure(self, configuration: Configuration) -> None:
        """Those that this configuration names."""
        url = configuration.settings.public_url
        made_of: dict[str, tuple[LoginAt, str]] = {each.configuration.issuer.url: (each, url) for each in configuration.logins}
        self.current = {
            issuer: self.current[issuer] if issuer in self.current and self._made_of.get(issuer) == of else self._make(*of)
            for issuer, of in made_of.items()
        }
        self._made_of = made_of

    def _make(self, at: LoginAt, public_url: str) -> SignInProvider:
        issuer, settings = at.configuration.issuer, at.settings
        client = Client(settings.client_id, at.secret, f"{public_url}/login/callback")
        name = settings.name or urlsplit(issuer.url).hostname or issuer.url
        login = Login(issuer.url, issuer.discovery, client, name, settings.scopes, settings.acr_values)
        verifier = IdTokens(at.configuration, settings.client_id, self._issuers, self._fetch, self._wall)
        return SignInProvider(login, Asking(self._reactor, issuer.certificateAuthority), verifier, self._now)
