"""Who judges tokens that say nothing here by themselves, put together from the configuration in force."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kgate.exchange.gate import Upstream
from kgate.identity.asked import AskedTokens, JudgementWanted, is_opaque
from kgate.identity.authenticator import Source
from kgate.identity.token_review import Reviewer, is_for
from kgate.net.fetches import Fetches
from kgate.net.judges import ClusterReview, Introspection, Judge
from kgate.net.web import Asking
from kgate.service.part import Part
from kgate.settings import Configuration


class Judging(Part):
    """See the module. A reload forgets what was answered."""

    def __init__(
        self,
        reactor: Any,
        configuration: Callable[[], Configuration],
        upstreams: Callable[[], Mapping[str, Upstream]],
        fetches: Fetches,
        flush: Callable[[], None],
        now: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._reactor, self._configuration, self._upstreams, self._flush = reactor, configuration, upstreams, flush
        self._now, self._wall = now, wall
        self._judges: dict[str, tuple[AskedTokens, Judge]] = {}
        fetches.register(JudgementWanted, self._get)

    def sources(self) -> Sequence[Source]:
        """Opaque tokens' issuer, and each cluster whose service accounts may come."""
        configuration = self._configuration()
        self._judges = {}
        for asked in configuration.introspections:
            issuer = asked.configuration
            web = Asking(self._reactor, issuer.issuer.certificateAuthority)
            judge = Introspection(issuer, asked.settings.client_id, asked.secret, web, self._now, self._wall)
            name = f"issuer {issuer.issuer.url}"
            self._judges[name] = AskedTokens(name, is_opaque, asked.settings.cache, self._now), judge
        for settings in configuration.settings.identity.service_accounts:
            prefix = f"{settings.cluster}:" if settings.prefix is None else settings.prefix
            reviewer = Reviewer(settings.cluster, settings.audiences, settings.clusters or (settings.cluster,), prefix)
            self._judges[f"cluster {settings.cluster}"] = self._review(reviewer, settings.cache)
        return [source for source, _ in self._judges.values()]

    def _review(self, reviewer: Reviewer, seconds: float) -> tuple[AskedTokens, Judge]:
        source = AskedTokens(f"cluster {reviewer.cluster}", lambda token: is_for(token, reviewer), seconds, self._now)
        return source, ClusterReview(self._reactor, reviewer, lambda: self._upstreams().get(reviewer.cluster), self._flush)

    async def _get(self, wanted: JudgementWanted) -> None:
        found = self._judges.get(wanted.source)
        if found is not None:
            source, judge = found
            source.learned(wanted.token, await judge.judge(wanted.token), self._wall())
