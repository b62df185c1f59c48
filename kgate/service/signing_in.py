"""Everything of a gate that has to do with signing in, put together: sessions and keys from the store, the pages, the endpoints of ``kgate login``, and the
rounds in which identity providers are asked again. It is there where ``secrets.key_file`` is, without which no secret could be kept."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence

from kgate.api import clusters
from kgate.api.application import Routes
from kgate.api.attempts import Attempts
from kgate.api.clients import Clients
from kgate.api.pages import Pages, Place, SeenCluster
from kgate.api.signing_in import SignIns
from kgate.identity.authenticator import Source
from kgate.identity.gate_sessions import WantedSession
from kgate.identity.gate_tokens import GateToken, GateTokens, WantedKeys, mint
from kgate.identity.issuer_configuration import IssuerConfiguration
from kgate.identity.issuers import Issuers
from kgate.model import Identity
from kgate.net.rechecks import Rechecks, Terms
from kgate.net.signed_in import SignedIn
from kgate.policy.visible import may_see
from kgate.service.login_records import LoginRecords
from kgate.service.part import Part, Shared
from kgate.service.providers import Providers
from kgate.store.sealing import Sealer
from kgate.store.sessions import Session

TOLD_SECONDS = 5.0
"""After so long /readyz speaks of a store that takes nothing: a look at it shows only whether it can be read."""
MOST_GUESSES = 20
"""Codes of devices that one address may type in a minute."""


class SigningIn(Part):
    """See the module. ``issuers`` verifies tokens by the configuration in force."""

    def __init__(self, shared: Shared, issuers: Callable[[], Issuers]) -> None:
        self._shared, self._configuration, self._callers, self._wall = shared, shared.configuration, shared.callers, shared.wall
        database, now, wall, callers = shared.database, shared.now, shared.wall, shared.callers
        recorder = LoginRecords(shared.records)
        self._providers = Providers(shared, issuers)
        providers = self._providers.current
        self._sealed_by = self._configuration().sealing_keys
        sealer = self._sealer = Sealer(self._sealed_by)
        self._signed_in = SignedIn(database, sealer, now, wall, self._changed, self._issuers, lambda: self._terms().session)
        shared.fetches.register(WantedSession, self._signed_in.fetch)
        shared.fetches.register(WantedKeys, self._signed_in.fetch_keys)
        self._source_of: tuple[str, Mapping[str, str]] | None = None
        signins = SignIns(providers, self._terms, database, sealer, recorder, wall)
        beginnings = Attempts(lambda: self._configuration().settings.limits.sign_ins_per_address)
        self._pages = Pages(self._place, signins, callers, self._token_of, wall, Attempts(lambda: MOST_GUESSES), beginnings)
        self._clients = Clients(self._url, signins, self._pages, self._token_of, wall, beginnings)
        self._rechecks = Rechecks(providers, self._terms, database, sealer, recorder, now, wall)

    def routes(self) -> Sequence[Routes]:
        """All pages and endpoints."""
        return self._pages.routes(), self._clients.routes(), clusters.routes(self._callers, self._place)

    def sources(self) -> Sequence[Source]:
        """The gate's own tokens."""
        return (self._source,)

    @property
    def sessions(self) -> int:
        """How many live."""
        return len(self._signed_in.sessions)

    def reloaded(self) -> None:
        """Other identity providers, keys for secrets, or another URL."""
        sealed_by, self._sealed_by = self._sealed_by, self._configuration().sealing_keys
        if self._sealed_by != sealed_by:
            self._sealer.replace(self._sealed_by)
            self._signed_in.sealed_by_others()
        self._providers.configure(self._configuration())
        source_of = self._url(), {url: issuer.mapping for url, issuer in self._issuers().items()}
        if source_of != self._source_of:  # otherwise it keeps what it has verified
            if self._source_of is not None:
                self._signed_in.reread()  # who was nobody by the former rules may be somebody
            self._source_of = source_of
            self._source = GateTokens(source_of[0], self._signed_in.keys, self._signed_in.sessions, source_of[1])

    def problems(self) -> Mapping[str, str]:
        """What keeps people from signing in."""
        found = {"sign-in": self._signed_in.problem} if self._signed_in.problem else {}
        stalled = self._rechecks.stalled_for
        if stalled > TOLD_SECONDS:
            left = max(0.0, self._terms().unreachable - stalled)
            why = f"the store takes nothing for {stalled:.0f} s, so nobody can sign in or out, and providers are not asked"
            found["sessions"] = f"{why}; sessions hold for {left:.0f} s more"
        return found

    def tick(self) -> None:
        """Called a few times a second."""
        self._signed_in.tick()
        self._rechecks.tick()
        sessions, unconfirmed = self._signed_in.sessions, self._rechecks.stalled_for > self._terms().unreachable
        if sessions.unconfirmed is not unconfirmed:
            sessions.unconfirmed = unconfirmed
            self._shared.decide_again(lambda stream: bool(stream.identity.session))

    def _changed(self, ids: Collection[str]) -> None:
        """Something else is known of these sessions."""
        changed = frozenset(ids)
        self._shared.decide_again(lambda stream: stream.identity.session in changed)

    def _issuers(self) -> Mapping[str, IssuerConfiguration]:
        """Those that people sign in with."""
        return {each.configuration.issuer.url: each.configuration for each in self._configuration().identity.logins}

    def _url(self) -> str:
        return self._configuration().settings.public_url

    def _terms(self) -> Terms:
        terms = self._configuration().settings.sign_in
        return Terms(terms.session, terms.token, terms.recheck, terms.unreachable)

    def _place(self) -> Place:
        return Place(self._url(), self._clusters_of, self._configuration().public_authority)

    def _clusters_of(self, identity: Identity) -> Sequence[SeenCluster]:
        configuration = self._configuration()
        found = ((settings.as_policy_sees_it(name), settings) for name, settings in configuration.settings.clusters.items())
        return [
            SeenCluster(cluster.name, cluster.labels, settings.hosts)
            for cluster, settings in found
            if may_see(configuration.policy, identity, cluster)
        ]

    def _token_of(self, session: Session, until: float) -> str | None:
        now = self._wall()
        key = self._signed_in.keys.signing(now)
        if key is None:
            return None
        token = GateToken(session.id, now, min(until, session.expires), session.clusters)
        return mint(key, self._url(), token, session.person.user, secrets.token_urlsafe(12))
