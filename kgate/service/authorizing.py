"""Who decides: the policy alone, or the policy and the other authorizers of the configuration.

Without ``authorizers`` a request is decided by the policy and nothing else is in its way. With them, whatever did not change over a reload keeps its
connections and its answers; one that changed begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import entry_points
from typing import Any, Protocol

from attrs import define

from kgate.authorizers.answers import Answers, Lives
from kgate.authorizers.builtin import PolicyAuthorizer
from kgate.authorizers.chain import Chain, Consulted
from kgate.authorizers.interface import Asker, Authorizer, Questions
from kgate.errors import KgateError
from kgate.exchange.upstream import Upstream
from kgate.kube.cluster_access import ClusterAccess
from kgate.net.askers import ClusterRbac, Opa, Webhook
from kgate.net.cluster import ClusterUpstream
from kgate.net.consulting import Consulting, Line
from kgate.net.credentials import credential_of
from kgate.net.watching import FilesRead
from kgate.service.part import Part, Prepare, Shared
from kgate.settings import Configuration
from kgate.settings.authorizers import PLUGINS, AuthorizerSettings, OpaSettings
from kgate.settings.files import unreadable


class Plugin(Protocol):
    """What an entry point ``kgate.authorizers`` names: makes an ``Asker`` called ``name`` from the settings' options, for ``reactor``."""

    def __call__(self, name: str, options: Mapping[str, str], reactor: Any) -> Asker:
        """Raises KgateError where the options make no sense."""


@define
class _Made:
    """One authorizer, and what it was made from."""

    settings: AuthorizerSettings
    access: ClusterAccess | None
    authority: str | None
    line: Line
    upstream: ClusterUpstream | None = None


class Authorizing(Part):
    """See the module. ``upstreams`` gives each cluster's connections as of now; ``count`` is told of each answer, by the authorizer's name."""

    def __init__(self, shared: Shared, upstreams: Callable[[], Mapping[str, Upstream]], count: Callable[[str, str], None]) -> None:
        self._shared, self._upstreams = shared, upstreams
        self._consulting = Consulting(shared.reactor, shared.now, shared.turn.flush, shared.decide_again, count)
        shared.fetches.register(Questions, self._consulting.fetch)
        self._made: dict[str, _Made] = {}
        self.authorizer: Authorizer = PolicyAuthorizer(shared.configuration().policy)
        """Who decides now."""

    def read(self, configuration: Configuration, files: FilesRead) -> Prepare:
        """The authorizers that the configuration asks for, by name."""
        authorities = {str(each.name): _authority(each.opa, files) for each in configuration.settings.authorizers}
        return partial(self._make, configuration, authorities)

    def _make(self, configuration: Configuration, authorities: Mapping[str, str | None]) -> Callable[[], None]:
        webhooks = configuration.webhooks
        made: dict[str, _Made] = {
            settings.name: self._one(settings, webhooks.get(settings.name), authorities[settings.name])
            for settings in configuration.settings.authorizers
        }
        return partial(self._use, configuration, made)

    def _use(self, configuration: Configuration, made: dict[str, _Made]) -> None:
        for name, former in self._made.items():
            if former.upstream is not None and (name not in made or made[name].upstream is not former.upstream):
                former.upstream.close()
        self._made = made
        self._consulting.use({name: each.line for name, each in made.items()})
        policy = PolicyAuthorizer(configuration.policy)
        others = [each.line.consulted for each in made.values()]
        self.authorizer = Chain(policy, others, self._consulting.renew, self._shared.now) if others else policy

    def tick(self) -> None:
        """Called a few times a second."""
        self._consulting.tick()

    def problems(self) -> Mapping[str, str]:
        """Who did not answer when last asked, for /readyz."""
        return {f"authorizer {name}": text for name, text in self._consulting.problems().items()}

    def look(self) -> None:
        """Notice connections to webhooks that died without a word."""
        for each in self._made.values():
            if each.upstream is not None:
                each.upstream.tick()

    def _one(self, settings: AuthorizerSettings, access: ClusterAccess | None, authority: str | None) -> _Made:
        known = self._made.get(settings.name)
        if known is not None and (known.settings, known.access, known.authority) == (settings, access, authority):
            return known
        upstream = self._upstream(settings, access) if access is not None else None
        asker = self._asker(settings, upstream, authority)
        consulted = Consulted(settings.name, asker, Answers(self._shared.now, Lives(settings.keep.allowed, settings.keep.denied)))
        return _Made(settings, access, authority, Line(consulted, settings.timeout), upstream)

    def _upstream(self, settings: AuthorizerSettings, access: ClusterAccess) -> ClusterUpstream:
        shared = self._shared
        credential = credential_of(shared.reactor, shared.disk, shared.now, shared.wall, access)
        return ClusterUpstream(shared.reactor, shared.turn, shared.now, access, credential, lambda: settings.timeout)

    def _asker(self, settings: AuthorizerSettings, upstream: ClusterUpstream | None, authority: str | None) -> Asker:
        name, flush = settings.name, self._shared.turn.flush
        if upstream is not None:
            return Webhook(name, upstream, flush)
        if settings.opa is not None:
            token_file = self._shared.disk.file(settings.opa.token_file) if settings.opa.token_file is not None else None
            return Opa(name, self._shared.web_for(authority), settings.opa.url, token_file)
        if settings.plugin is not None:
            plugin: Plugin = entry_points(group=PLUGINS)[settings.plugin.name].load()
            return plugin(name, settings.plugin.options, self._shared.reactor)
        return ClusterRbac(name, self._upstreams, flush)


def _authority(settings: OpaSettings | None, files: FilesRead) -> str | None:
    """Who signs an OPA's certificate, as the file has it now; None where that is the system's to say."""
    if settings is None or settings.certificate_authority is None:
        return None
    try:
        return files.read(settings.certificate_authority).decode("utf-8", "replace")
    except OSError as error:
        raise KgateError(unreadable(settings.certificate_authority, error)) from error
