"""The grants of everybody, in memory: what the hot path needs of the store's access requests, read anew when the change feed says so."""

from __future__ import annotations

from collections.abc import Callable, Collection

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from kgate.model import Grant, Identity
from kgate.net.database import Database
from kgate.store.requests import TOPIC, grants

log = Logger()

STALE_SECONDS = 10.0
"""A gate that heard nothing of the store for so long knows of no grant: one of them may have been revoked (security.md class 14)."""


class GrantBook:
    """See the module. ``changed`` is told whose grants began or ended, None where that may be anybody's."""

    def __init__(
        self,
        database: Database,
        wall: Callable[[], float],
        now: Callable[[], float],
        changed: Callable[[Collection[str] | None, float], None],
    ) -> None:
        self._database, self._wall, self._now, self._changed = database, wall, now, changed
        self._grants: dict[str, tuple[Grant, ...]] = {}
        database.follow(TOPIC, self._heard)

    def of(self, identity: Identity, now: float) -> tuple[Grant, ...]:
        """Those that the policy is to see."""
        if not self._grants or self._database.age > STALE_SECONDS:
            return ()
        return self._grants.get(identity.user, ())

    def _heard(self, users: Collection[str] | None) -> None:
        heard_at = self._now()
        wall = self._wall()
        read = Deferred.fromCoroutine(self._database.read(lambda connection: grants(connection, users, wall)))
        read.addCallbacks(lambda found: self._learn(users, found, heard_at), self._failed)

    def _learn(self, users: Collection[str] | None, found: dict[str, tuple[Grant, ...]], heard_at: float) -> None:
        if users is None:
            self._grants = found
        else:
            for user in users:
                self._grants.pop(user, None)
            self._grants |= found
        self._changed(users, heard_at)

    def _failed(self, failure: Failure) -> None:
        """What is not known is not granted."""
        log.error("grants could not be read, so none is in force: {error}", error=failure.getErrorMessage())
        self._grants = {}
        self._changed(None, self._now())
