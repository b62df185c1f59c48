"""When each static token was last used: gathered as requests come, written to the store a few times a minute."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from kgate.identity.uses import Uses
from kgate.model import Identity
from kgate.net.database import Store, StoreUnavailableError
from kgate.service.part import Part
from kgate.store.robots import Use, record_uses

log = Logger()

EVERY = 15.0
"""Seconds between two writes: the last use may be so old in the list."""


class RobotUses(Part):
    """See the module. ``now`` is monotonic, ``wall`` Unix seconds."""

    def __init__(self, store: Store, now: Callable[[], float], wall: Callable[[], float]) -> None:
        self._store, self._now = store, now
        self._uses = Uses(wall)
        self.saw: Callable[[Identity, str], None] = self._uses.saw
        self._written = now()

    def tick(self) -> None:
        """Write what came since."""
        if self._uses and self._now() - self._written >= EVERY:
            self._written = self._now()
            last = self._uses.taken()
            uses = tuple(Use(name, at, address) for name, (at, address) in last.items())
            done = Deferred.fromCoroutine(self._store.write(lambda connection: record_uses(connection, uses)))
            done.addErrback(lambda failure: self._uses.put_back(last) if failure.check(StoreUnavailableError) else failure)
            done.addErrback(lambda failure: log.failure("recording the use of tokens failed", failure))
