"""The identity providers that people sign in with, made from the configuration. One that did not change keeps what it knows over a reload."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from kgate.identity.issuers import Issuers
from kgate.identity.openid import Client
from kgate.net.id_tokens import IdTokens
from kgate.net.provider import Login, SignInProvider
from kgate.service.part import Shared
from kgate.settings import Configuration
from kgate.settings.issuers import LoginAt


class Providers:
    """``issuers`` is asked for each time it is needed."""

    def __init__(self, shared: Shared, issuers: Callable[[], Issuers]) -> None:
        self._shared, self._issuers = shared, issuers
        self._made_of: dict[str, tuple[LoginAt, str]] = {}
        self._current: Mapping[str, SignInProvider] = {}

    def current(self) -> Mapping[str, SignInProvider]:
        """By issuer, in the configuration's order."""
        return self._current

    def configure(self, configuration: Configuration) -> None:
        """Those that this configuration names."""
        url = configuration.settings.public_url
        made_of: dict[str, tuple[LoginAt, str]] = {each.configuration.issuer.url: (each, url) for each in configuration.identity.logins}
        self._current = {
            issuer: self._current[issuer] if issuer in self._current and self._made_of.get(issuer) == of else self._make(*of)
            for issuer, of in made_of.items()
        }
        self._made_of = made_of

    def _make(self, at: LoginAt, public_url: str) -> SignInProvider:
        issuer, settings = at.configuration.issuer, at.settings
        client = Client(settings.client_id, at.secret, f"{public_url}/login/callback")
        name = settings.name or urlsplit(issuer.url).hostname or issuer.url
        login = Login(issuer.url, issuer.discovery, client, name, settings.scopes, settings.acr_values, settings.prompt)
        verifier = IdTokens(at.configuration, settings.client_id, self._issuers, self._shared.fetches, self._shared.wall)
        return SignInProvider(login, self._shared.web_for(issuer.certificateAuthority), verifier, self._shared.now)
