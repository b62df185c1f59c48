"""The grants of everybody, in memory: what the hot path needs of the store's access requests, read anew when the change feed says so."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve
from sqlalchemy import Connection
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from kgate.model import Grant, Identity
from kgate.net.database import Database, Keys, StoreUnavailableError
from kgate.net.following import Following
from kgate.net.seldom import Seldom
from kgate.store.changes import prune
from kgate.store.requests import TOPIC, forget_requests, grants

log = Logger()

STALE_SECONDS = 10.0
"""A gate that heard nothing of the store for so long knows of no grant: one of them may have been revoked (security.md class 14)."""


CLEAN_SECONDS = 6 * 3600.0


class GrantBook:
    """See the module. ``changed`` is told whose grants began or ended, None where that may be anybody's."""

    def __init__(
        self,
        database: Database,
        wall: Callable[[], float],
        now: Callable[[], float],
        changed: Callable[[Keys, float], None],
    ) -> None:
        self._database, self._wall, self._now, self._changed = database, wall, now, changed
        self._grants: dict[str, tuple[Grant, ...]] = {}
        self._heard: dict[str, float] = {}
        """When each was first heard of here, by this gate's clock."""
        self._cleaning = Seldom(now, CLEAN_SECONDS)
        self._following = Following(database, TOPIC, "grants", self._read, self._none_is_known)

    def of(self, identity: Identity, now: float) -> tuple[Grant, ...]:
        """Those that the policy is to see."""
        if not self._grants or self._database.age > STALE_SECONDS:
            return ()
        return self._grants.get(identity.user, ())

    async def settle(self, user: str) -> None:
        """Have what was just written of ``user`` in force here when this returns: whoever approved or revoked may count on it.

        Where it cannot be read now, the change feed brings it.
        """
        heard_at, wall = self._now(), self._wall()
        try:
            found = await self._database.read_in_turn(lambda connection: grants(connection, {user}, wall))
        except StoreUnavailableError:
            return
        self._learn({user}, found, heard_at, wall)

    def tick(self) -> None:
        """Called a few times a second: read what could not be read. Now and then forget what is over for long, here by reading what there still is."""
        self._following.tick()
        if self._cleaning.is_due():
            wall = self._wall()
            self._following.read()
            cleaned = Deferred.fromCoroutine(self._database.write(lambda connection: _clean(connection, wall)))
            cleaned.addErrback(lambda failure: log.error("old requests stay: {error}", error=failure.getErrorMessage()))

    async def _read(self, users: Keys) -> None:
        heard_at, wall = self._now(), self._wall()
        self._learn(users, await self._database.read_in_turn(lambda connection: grants(connection, users, wall)), heard_at, wall)

    def _learn(self, users: Keys, found: dict[str, tuple[Grant, ...]], heard_at: float, wall: float) -> None:
        here = {user: tuple(self._by_this_clock(grant, wall) for grant in told) for user, told in found.items()}
        if users is None:
            self._grants = here
            self._heard = {grant.id: self._heard[grant.id] for told in here.values() for grant in told}
        else:
            for user in users:
                self._grants.pop(user, None)
            self._grants |= here
        self._changed(users, heard_at)

    def _by_this_clock(self, grant: Grant, wall: float) -> Grant:
        """The clock of the gate that it was approved at may be ahead: what is granted has begun, and lasts here no longer than there."""
        heard = self._heard.setdefault(grant.id, wall)
        return evolve(grant, begins=min(grant.begins, heard), until=min(grant.until, heard + grant.until - grant.begins))

    def _none_is_known(self) -> None:
        """What is not known is not granted."""
        log.error("grants could not be read, so none is in force until they can")
        self._grants = {}
        self._changed(None, self._now())


def _clean(connection: Connection, wall: float) -> None:
    forget_requests(connection, wall)
    prune(connection, wall)
