"""Who judges tokens that say nothing here by themselves, put together from the configuration in force."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from kgate.exchange.upstream import Upstream
from kgate.identity.asked import AskedTokens, JudgementWanted, is_opaque
from kgate.identity.authenticator import Source
from kgate.identity.token_review import Reviewer, is_for
from kgate.net.judges import ClusterReview, Introspection, Judge
from kgate.service.part import Part, Shared


class Judging(Part):
    """See the module. A reload forgets what was answered."""

    def __init__(self, shared: Shared, upstreams: Callable[[], Mapping[str, Upstream]]) -> None:
        self._shared, self._upstreams = shared, upstreams
        self._judges: dict[str, tuple[AskedTokens, Judge]] = {}
        shared.fetches.register(JudgementWanted, self._get)

    def sources(self) -> Sequence[Source]:
        """Opaque tokens' issuers, the longest prefix first, and each cluster whose service accounts may come."""
        shared, configuration = self._shared, self._shared.configuration()
        self._judges = {}
        for asked in configuration.identity.introspections:
            issuer = asked.configuration
            web = shared.web_for(issuer.issuer.certificateAuthority)
            judge = Introspection(issuer, asked.settings.client_id, asked.secret, web, shared.now, shared.wall)
            name = f"issuer {issuer.issuer.url}"
            concerns = partial(is_opaque, prefix=asked.settings.token_prefix)
            self._judges[name] = AskedTokens(name, concerns, asked.settings.cache, shared.now), judge
        for settings in configuration.settings.identity.service_accounts:
            prefix = f"{settings.cluster}:" if settings.prefix is None else settings.prefix
            reviewer = Reviewer(settings.cluster, settings.audiences, settings.clusters or (settings.cluster,), prefix)
            self._judges[f"cluster {settings.cluster}"] = self._review(reviewer, settings.cache)
        return [source for source, _ in self._judges.values()]

    def problems(self) -> Mapping[str, str]:
        """Who could not be asked the last time."""
        return {f"tokens of {name}": judge.problem for name, (_, judge) in self._judges.items() if judge.problem}

    def _review(self, reviewer: Reviewer, seconds: float) -> tuple[AskedTokens, Judge]:
        source = AskedTokens(f"cluster {reviewer.cluster}", lambda token: is_for(token, reviewer), seconds, self._shared.now)
        return source, ClusterReview(
            self._shared.reactor, reviewer, lambda: self._upstreams().get(reviewer.cluster), self._shared.turn.flush
        )

    async def _get(self, wanted: JudgementWanted) -> None:
        found = self._judges.get(wanted.source)
        if found is not None:
            source, judge = found
            source.learned(wanted.token, await judge.judge(wanted.token), self._shared.wall())
