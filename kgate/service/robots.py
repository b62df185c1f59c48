"""When each static token was last used: gathered as requests come, written to the store a few times a minute."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.logger import Logger

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
        self._store, self._now, self._wall = store, now, wall
        self._seen: dict[str, tuple[float, str]] = {}
        self._written = now()

    def saw(self, identity: Identity, address: str) -> None:
        """Somebody made a request."""
        if identity.robot:
            self._seen[identity.robot] = self._wall(), address

    def tick(self) -> None:
        """Write what came since."""
        if self._seen and self._now() - self._written >= EVERY:
            self._written = self._now()
            seen, self._seen = self._seen, {}
            uses = tuple(Use(name, at, address) for name, (at, address) in seen.items())
            done = Deferred.fromCoroutine(self._store.write(lambda connection: record_uses(connection, uses)))
            done.addErrback(lambda failure: self._lost(seen) if failure.check(StoreUnavailableError) else failure)
            done.addErrback(lambda failure: log.failure("recording the use of tokens failed", failure))

    def _lost(self, seen: dict[str, tuple[float, str]]) -> None:
        """The store does not answer: later, with what comes until then."""
        self._seen = seen | self._seen
