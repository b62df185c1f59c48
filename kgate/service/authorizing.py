"""Who decides: the policy alone, or the policy and the other authorizers of the configuration.

Without ``authorizers`` a request is decided by the policy and nothing else is in its way. With them, whatever did not change over a reload keeps its
connections and its answers; one that changed begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any, Protocol

from attrs import define

from kgate.authorizers.answers import Answers, Lives
from kgate.authorizers.builtin import PolicyAuthorizer
from kgate.authorizers.chain import Chain, Consulted
from kgate.authorizers.interface import Asker, Authorizer, Questions
from kgate.errors import KgateError
from kgate.exchange.gate import Upstream
from kgate.kube.kubeconfig import ClusterAccess
from kgate.net.askers import ClusterRbac, Opa, Webhook
from kgate.net.cluster import ClusterUpstream
from kgate.net.consulting import Consulting, Line
from kgate.net.credentials import credential_of
from kgate.net.fetches import Fetches
from kgate.net.turn import Turn
from kgate.net.web import Asking
from kgate.settings import Configuration
from kgate.settings.authorizers import AuthorizerSettings, OpaSettings
from kgate.settings.checks import PLUGINS


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


Prepared = dict[str, _Made]
"""The authorizers that a configuration asks for, by name."""


class Authorizing:
    """See the module. ``upstreams`` gives each cluster's connections as of now; ``now`` is monotonic, ``wall`` Unix seconds."""

    def __init__(
        self,
        reactor: Any,
        turn: Turn,
        now: Callable[[], float],
        wall: Callable[[], float],
        fetches: Fetches,
        upstreams: Callable[[], Mapping[str, Upstream]],
        withdrawn: Callable[[], None],
        count: Callable[[str, str], None],
    ) -> None:
        self._reactor, self._turn, self._now, self._wall, self._upstreams = reactor, turn, now, wall, upstreams
        self.consulting = Consulting(reactor, now, turn.flush, withdrawn, count)
        fetches.register(Questions, self.consulting.fetch)
        self._made: Prepared = {}

    def prepare(self, configuration: Configuration) -> Prepared:
        """What the configuration asks for, nothing of it in force yet. Raises KgateError."""
        return {
            settings.name: self._one(settings, configuration.webhooks.get(settings.name)) for settings in configuration.settings.authorizers
        }

    def use(self, configuration: Configuration, made: Prepared) -> Authorizer:
        """Put it in force."""
        for name, former in self._made.items():
            if former.upstream is not None and (name not in made or made[name].upstream is not former.upstream):
                former.upstream.close()
        self._made = made
        self.consulting.use({name: each.line for name, each in made.items()})
        policy = PolicyAuthorizer(configuration.policy)
        others = [each.line.consulted for each in made.values()]
        return Chain(policy, others, self.consulting.renew, self._now) if others else policy

    def tick(self) -> None:
        """Called a few times a second."""
        self.consulting.tick()

    def problems(self) -> dict[str, str]:
        """Who did not answer when last asked, for /readyz."""
        return {f"authorizer {name}": text for name, text in self.consulting.problems().items()}

    def look(self) -> None:
        """Called every few seconds: notice connections to webhooks that died without a word."""
        for each in self._made.values():
            if each.upstream is not None:
                each.upstream.tick()

    def _one(self, settings: AuthorizerSettings, access: ClusterAccess | None) -> _Made:
        known = self._made.get(settings.name)
        authority = _authority(settings.opa)
        if known is not None and (known.settings, known.access, known.authority) == (settings, access, authority):
            return known
        upstream = self._upstream(settings, access) if access is not None else None
        asker = self._asker(settings, upstream, authority)
        consulted = Consulted(settings.name, asker, Answers(self._now, Lives(settings.keep.allowed, settings.keep.denied)))
        return _Made(settings, access, authority, Line(consulted, settings.timeout), upstream)

    def _upstream(self, settings: AuthorizerSettings, access: ClusterAccess) -> ClusterUpstream:
        credential = credential_of(self._reactor, self._now, self._wall, access)
        return ClusterUpstream(self._reactor, self._turn, self._now, access, credential, lambda: settings.timeout)

    def _asker(self, settings: AuthorizerSettings, upstream: ClusterUpstream | None, authority: str | None) -> Asker:
        name = settings.name
        if upstream is not None:
            return Webhook(name, upstream, self._turn.flush)
        if settings.opa is not None:
            return Opa(name, Asking(self._reactor, authority), settings.opa.url, settings.opa.token_file)
        if settings.plugin is not None:
            plugin: Plugin = entry_points(group=PLUGINS)[settings.plugin.name].load()
            return plugin(name, settings.plugin.options, self._reactor)
        return ClusterRbac(name, self._upstreams, self._turn.flush)


def _authority(settings: OpaSettings | None) -> str | None:
    """Who signs an OPA's certificate, as the file has it now; None where that is the system's to say."""
    if settings is None or settings.certificate_authority is None:
        return None
    try:
        return settings.certificate_authority.read_text()
    except OSError as error:
        raise KgateError(f"{error.filename}: cannot be read: {error.strerror}") from error
