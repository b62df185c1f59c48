"""When each static token was last used: gathered as requests come, written to the store a few times a minute. Of one that a reload took out nothing is
kept: pipelines that make a token each would fill the store, and a new token of that name would have been used before it was made."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from kgate.identity.uses import Last, Uses
from kgate.model import Identity
from kgate.net.database import Store, StoreUnavailableError
from kgate.service.part import Part
from kgate.settings import Configuration
from kgate.store.robots import Use, forget_uses, record_uses

log = Logger()

EVERY = 15.0
"""Seconds between two writes: the last use may be so old in the list."""


class RobotUses(Part):
    """See the module. ``now`` is monotonic, ``wall`` Unix seconds."""

    def __init__(self, store: Store, now: Callable[[], float], wall: Callable[[], float]) -> None:
        self._store, self._now, self._wall = store, now, wall
        self._uses = Uses(wall)
        self.saw: Callable[[Identity, str], None] = self._uses.saw
        self._names: frozenset[str] = frozenset()
        self._gone: dict[str, float] = {}
        """Names of tokens that are no more, and since when, of which the store was not told yet."""
        self._written = now()

    def prepare(self, configuration: Configuration) -> Callable[[], None]:
        """Which tokens there are."""
        tokens = configuration.identity.tokens
        return lambda: self.are(frozenset(each.robot for each in tokens.identities.values()) if tokens is not None else frozenset())

    def are(self, names: frozenset[str]) -> None:
        """These tokens there are, and no others."""
        self._gone |= dict.fromkeys(self._names - names, self._wall())
        self._names = names

    def tick(self) -> None:
        """Write what came since."""
        if (self._uses or self._gone) and self._now() - self._written >= EVERY:
            self._written = self._now()
            last, gone = self._uses.taken(), self._gone
            self._gone = {}
            uses = tuple(Use(name, at, address) for name, (at, address) in last.items() if at >= gone.get(name, at))

            def written(connection: Connection) -> None:
                forget_uses(connection, gone)
                record_uses(connection, uses)

            done = Deferred.fromCoroutine(self._store.write(written))
            done.addErrback(lambda failure: self._put_back(last, gone) if failure.check(StoreUnavailableError) else failure)
            done.addErrback(lambda failure: log.failure("recording the use of tokens failed", failure))

    def _put_back(self, last: Last, gone: dict[str, float]) -> None:
        self._uses.put_back(last)
        self._gone = gone | self._gone
