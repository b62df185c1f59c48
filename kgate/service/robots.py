"""When each static token was last used: gathered as requests come, written to the store a few times a minute. Of one that a reload took out nothing is
kept, nor of one that is not there at a start: pipelines that make a token each would fill the store, and a new token of that name would have been used before
it was made."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from kgate.identity.uses import Last, Uses
from kgate.model import Identity
from kgate.net.database import Store, StoreUnavailableError
from kgate.service.part import Part
from kgate.settings import Configuration
from kgate.store.robots import Use, record_uses

log = Logger()

EVERY = 15.0
"""Seconds between two writes: the last use may be so old in the list."""


class RobotUses(Part):
    """See the module. ``now`` is monotonic, ``wall`` Unix seconds."""

    def __init__(self, store: Store, now: Callable[[], float], wall: Callable[[], float]) -> None:
        self._store, self._now, self._wall = store, now, wall
        self._uses = Uses(wall)
        self.saw: Callable[[Identity, str], None] = self._uses.saw
        self._since: dict[str, float] | None = None
        """Since when uses by these names are those of the tokens that there are; None until that is known."""
        self._others = float("-inf")
        """And since when there is no token by any other name."""
        self._changed = False
        self._written = now()

    def prepare(self, configuration: Configuration) -> Callable[[], None]:
        """Which tokens there are."""
        tokens = configuration.identity.tokens
        return lambda: self.are(frozenset(each.robot for each in tokens.identities.values()) if tokens is not None else frozenset())

    def are(self, names: frozenset[str]) -> None:
        """These tokens there are, and no others. A new one may have been used already where another gate knew it earlier, but not before there was none."""
        before, self._since = self._since, dict.fromkeys(names, self._others)
        if before is not None:
            self._since |= {name: since for name, since in before.items() if name in names}
        if before is None or before.keys() != names:
            self._others, self._changed = self._wall(), True

    def tick(self) -> None:
        """Write what came since."""
        if (self._uses or self._changed) and self._now() - self._written >= EVERY:
            self._written, self._changed = self._now(), False
            last, since, others = self._uses.taken(), self._since or {}, self._others
            uses = tuple(Use(name, at, address) for name, (at, address) in last.items())
            writing = self._store.write(lambda connection: record_uses(connection, uses, lambda name: since.get(name, others)))
            done = Deferred.fromCoroutine(writing)
            done.addErrback(lambda failure: self._put_back(last) if failure.check(StoreUnavailableError) else failure)
            done.addErrback(lambda failure: log.failure("recording the use of tokens failed", failure))

    def _put_back(self, last: Last) -> None:
        self._uses.put_back(last)
        self._changed = True
