"""One capability of the gate, put together: what it is built from, what the composition root asks of it, and what a capability that has nothing to say
leaves as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from attrs import frozen

from kgate.api.application import Routes
from kgate.api.caller import Callers
from kgate.identity.authenticator import Source
from kgate.model import Cluster, Stream
from kgate.net.database import Database
from kgate.net.disk import Disk
from kgate.net.fetches import Fetches
from kgate.net.turn import Turn
from kgate.net.watching import FilesRead
from kgate.net.web import Asking, Web
from kgate.service.records import Records
from kgate.settings import Configuration

Prepare = Callable[[], Callable[[], None]]
"""See ``Part.prepare``."""


class DecideAgain(Protocol):
    """Something changed: decide the live streams again."""

    def __call__(self, selected: Callable[[Stream], bool] | None = None, since: float | None = None) -> None:
        """Those that are ``selected``, or all; a turn of its own. ``since`` is when it was noticed (monotonic), by default now."""


@frozen
class Shared:
    """What the parts of one gate share. ``now`` is monotonic, ``wall`` Unix seconds; ``configuration`` gives the one in force."""

    reactor: Any
    turn: Turn
    now: Callable[[], float]
    wall: Callable[[], float]
    fetches: Fetches
    database: Database
    records: Records
    callers: Callers
    disk: Disk
    configuration: Callable[[], Configuration]
    decide_again: DecideAgain

    def clusters(self) -> Mapping[str, Cluster]:
        """Those of the configuration in force as the policy sees them, by name."""
        return {name: each.as_policy_sees_it(name) for name, each in self.configuration().settings.clusters.items()}

    def web_for(self, authority: str | None) -> Web:
        """Asks others, with these trust roots (PEM) or the system's, and through the forward proxy where there is one."""
        return Asking(self.reactor, authority, lambda: self.configuration().settings.web_proxy)


class Part:
    """See the module. The methods stand in the order of a gate's life."""

    def routes(self) -> Sequence[Routes]:
        """Its pages and endpoints; asked once."""
        return ()

    def read(self, configuration: Configuration, files: FilesRead) -> Prepare:
        """Before a configuration is in force, the first one too: read what else it takes, by ``files``. That is not on the reactor's thread, so it touches
        nothing. What is given back is ``prepare`` with it.

        Raises KgateError where something cannot be had; then every part goes on as it is.
        """
        return partial(self.prepare, configuration)

    def prepare(self, configuration: Configuration) -> Callable[[], None]:
        """When all was read, on the reactor's thread: make what else it takes; what is given back takes it over. Raises KgateError, as ``read`` does."""
        return self.reloaded

    def reloaded(self) -> None:
        """Another configuration is in force, for a part that has nothing to prepare."""

    def sources(self) -> Sequence[Source]:
        """Who it knows people by; asked at each reload."""
        return ()

    def start(self) -> None:
        """The reactor runs."""

    def tick(self) -> None:
        """Called a few times a second."""

    def look(self) -> None:
        """Called every few seconds: notice what died without a word."""

    def problems(self) -> Mapping[str, str]:
        """What is not as it should be, for /readyz; requests are served all the same."""
        return {}

    def stop(self) -> None:
        """Nothing lives any more."""
