"""Who judges tokens that say nothing here by themselves, put together from the configuration in force."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from attrs import field, frozen

from kgate.exchange.upstream import Upstream
from kgate.identity.asked import AskedTokens, JudgementWanted, is_opaque
from kgate.identity.authenticator import Source
from kgate.identity.token_review import Reviewer, is_for
from kgate.net.judges import ClusterReview, Introspection, Judge
from kgate.service.part import Part, Shared
from kgate.settings.issuers import IntrospectionAt, ServiceAccountSettings


@frozen(eq=False)
class _Made:
    """Somebody who is asked, and what of the configuration they were made of; of a cluster's review, its connections too."""

    of: object = field(repr=False)
    source: AskedTokens
    judge: Judge


class Judging(Part):
    """See the module. Who stays in the configuration as they are keep what they said over a reload: to be asked again for each edit of the policy would take
    everybody's access where they do not answer at that moment."""

    def __init__(self, shared: Shared, upstreams: Callable[[], Mapping[str, Upstream]]) -> None:
        self._shared, self._upstreams = shared, upstreams
        self._judges: dict[str, _Made] = {}
        shared.fetches.register(JudgementWanted, self._get)

    def sources(self) -> Sequence[Source]:
        """Opaque tokens' issuers, the longest prefix first, and each cluster whose service accounts may come."""
        configuration, upstreams = self._shared.configuration(), self._upstreams()
        former, self._judges = self._judges, {}
        for asked in configuration.identity.introspections:
            name, of = f"issuer {asked.configuration.issuer.url}", (asked.configuration, asked.settings, asked.secret)
            self._judges[name] = _kept(former.get(name), of) or _Made(of, *self._introspection(name, asked))
        for settings in configuration.settings.identity.service_accounts:
            name, by = f"cluster {settings.cluster}", (settings, upstreams.get(settings.cluster))
            self._judges[name] = _kept(former.get(name), by) or _Made(by, *self._review(name, settings))
        return [made.source for made in self._judges.values()]

    def problems(self) -> Mapping[str, str]:
        """Who could not be asked the last time."""
        return {f"tokens of {name}": made.judge.problem for name, made in self._judges.items() if made.judge.problem}

    def _introspection(self, name: str, asked: IntrospectionAt) -> tuple[AskedTokens, Judge]:
        shared, issuer = self._shared, asked.configuration
        web = shared.web_for(issuer.issuer.certificateAuthority)
        concerns = partial(is_opaque, prefix=asked.settings.token_prefix)
        return AskedTokens(name, concerns, asked.settings.cache, shared.now), Introspection(
            issuer, asked.settings.client_id, asked.secret, web, shared.now, shared.wall
        )

    def _review(self, name: str, settings: ServiceAccountSettings) -> tuple[AskedTokens, Judge]:
        prefix = f"{settings.cluster}:" if settings.prefix is None else settings.prefix
        reviewer = Reviewer(settings.cluster, settings.audiences, settings.clusters or (settings.cluster,), prefix)
        source = AskedTokens(name, lambda token: is_for(token, reviewer), settings.cache, self._shared.now)
        return source, ClusterReview(
            self._shared.reactor, reviewer, lambda: self._upstreams().get(reviewer.cluster), self._shared.turn.flush
        )

    async def _get(self, wanted: JudgementWanted) -> None:
        found = self._judges.get(wanted.source)
        if found is not None:
            found.source.learned(wanted.token, await found.judge.judge(wanted.token), self._shared.wall())


def _kept(former: _Made | None, of: object) -> _Made | None:
    """Who was there before, if they were made of the same."""
    return former if former is not None and former.of == of else None
