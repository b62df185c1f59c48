"""ID tokens of one provider, held against its keys: what the gate believes of a sign-in.

The signature, the issuer and the mappings are those of tokens that are presented directly (``identity/issuers``); what differs is whom the token is for: the
gate's own client id there (OpenID Connect Core 1.0 section 3.1.3.7), and nothing of it is remembered. Groups that it leaves elsewhere are fetched as theirs
are, userinfo being asked with the access token that came beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from attrs import evolve

from kgate.exchange.gate import Fetch
from kgate.identity.claims import identity_of
from kgate.identity.credentials import Rejected
from kgate.identity.issuer_configuration import IssuerConfiguration
from kgate.identity.issuers import SKEW, Issuers, Verified, audiences
from kgate.identity.jose import Claims
from kgate.identity.openid import ProviderTokens
from kgate.model import Pending
from kgate.net.fetches import settled
from kgate.net.provider import Confirmed

_OPERATOR = "ask whoever runs this gate"


class IdTokens:
    """See the module. ``issuers`` is asked for each time: a reload replaces it."""

    def __init__(
        self, configuration: IssuerConfiguration, client_id: str, issuers: Callable[[], Issuers], fetch: Fetch, wall: Callable[[], float]
    ) -> None:
        self._configuration, self._client_id = configuration, client_id
        self._issuers, self._fetch, self._wall = issuers, fetch, wall

    async def verify(self, tokens: ProviderTokens) -> Confirmed | Rejected:
        """Whose they are. What nobody can be shown to have signed, or is not there yet, is no word of the provider's on the person."""
        found = await self._verified(tokens.id_token)
        if isinstance(found, Rejected):
            return evolve(found, unsure=True)
        wrong = self._wrong(found)
        if wrong:
            return Rejected(f"the ID token {wrong}", _OPERATOR)
        whole = await self._whole(found.claims, tokens)
        if isinstance(whole, Rejected):
            return evolve(whole, unsure=True)
        identity = identity_of(self._configuration, whole)
        return identity if isinstance(identity, Rejected) else Confirmed(whole, identity, self._configuration.mapping)

    async def _verified(self, id_token: str) -> Verified | Rejected:
        strange = Rejected("the ID token is of another issuer", _OPERATOR)

        def ask() -> Verified | Rejected | Pending:
            return self._issuers().verified(id_token) or strange

        return await settled(ask, self._fetch) or Rejected("the identity provider's keys did not come in time", "try again")

    async def _whole(self, claims: Claims, tokens: ProviderTokens) -> Claims | Rejected:
        """The claims with what they leave elsewhere."""
        digest = sha256(tokens.id_token.encode()).digest()

        def ask() -> Claims | Rejected | Pending:
            return self._issuers().whole(self._configuration, claims, tokens.access_token, digest, self._wall())

        return await settled(ask, self._fetch) or Rejected("the person's groups did not come in time", "try again")

    def _wrong(self, found: Verified) -> str:
        """Issuer, audience and times; the rest of a sentence, empty where nothing is wrong."""
        claims, now = found.claims, self._wall()
        if found.issuer != self._configuration.issuer.url:
            return "is of another issuer"
        if found.typ.lower() not in ("", "jwt") or "events" in claims:
            return "is no ID token"
        if self._client_id not in audiences(claims):
            return "is for somebody else than this gate"
        if not _is_time(claims, "exp") or not _is_time(claims, "iat") or not isinstance(claims.get("sub"), str):
            return "does not say whose it is, since when, and until when"
        if claims["exp"] <= now:
            return "has expired"
        return "is from the future" if claims["iat"] > now + SKEW else ""


def _is_time(claims: Claims, name: str) -> bool:
    value = claims.get(name)
    return isinstance(value, int | float) and not isinstance(value, bool)
