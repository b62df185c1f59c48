"""The issuers whose tokens people come with: their keys, kept fresh, and what their tokens leave elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kgate.identity.authenticator import Source
from kgate.identity.elsewhere import ClaimsWanted
from kgate.identity.issuers import Issuers, Signers
from kgate.identity.key_ring import KeysWanted
from kgate.net.issuer_keys import IssuerKeys
from kgate.service.notices import transmitters
from kgate.service.part import Part, Shared


class TokenIssuers(Part):
    """See the module. One that stays in the configuration keeps its keys over a reload."""

    def __init__(self, shared: Shared) -> None:
        self._configuration = shared.configuration
        self._keys = IssuerKeys(shared.now, shared.web_for, shared.fetches, shared.decide_again)
        shared.fetches.register(KeysWanted, self._keys.get)
        shared.fetches.register(ClaimsWanted, self._keys.ask_elsewhere)
        self.reloaded()

    def signers(self) -> Signers:
        """Everybody whose signatures can be verified, of tokens and of other messages."""
        return self._keys.signers

    def tokens(self) -> Issuers:
        """Who may ask, by their tokens."""
        return self._tokens

    def reloaded(self) -> None:
        """Other issuers."""
        configuration = self._configuration()
        asked_for_groups = [each.issuer.url for each in configuration.settings.identity.oidc if each.userinfo]
        self._tokens = self._keys.source(configuration.identity.issuers, transmitters(configuration), asked_for_groups)

    def sources(self) -> Sequence[Source]:
        """Their tokens."""
        return (self._tokens,)

    def tick(self) -> None:
        """Fetch in the background what is due."""
        self._keys.tick()

    def problems(self) -> Mapping[str, str]:
        """Issuers whose keys cannot be had."""
        return self._keys.problems()
