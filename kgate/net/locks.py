"""The locks in memory, so that one of any gate counts here at once. News of some has just those read: in an incident a thousand may come one by one."""

from __future__ import annotations

from collections.abc import Callable

from kgate.net.database import Database, Keys, StoreUnavailableError
from kgate.net.following import Following
from kgate.sessions.locks import Locks
from kgate.store.locks import TOPIC, all_locks, locks_named

MOST_NAMED = 100
"""Of more than that all are read."""


class LockBook:
    """See the module. ``changed`` is told at which instant (monotonic) there may have been others. What cannot be read is not known, and the feed
    is told so: a gate that stays behind its store admits nobody (security.md class 14)."""

    def __init__(self, database: Database, wall: Callable[[], float], changed: Callable[[float], None]) -> None:
        self._database, self._wall, self._changed = database, wall, changed
        self.locks = Locks()
        """Those in force: the same object for as long as the gate runs."""
        self.following = Following(database, TOPIC, "the locks", self._read)

    async def settle(self, name: str) -> None:
        """Have what was just written of the lock ``name`` in force here when this returns; where it cannot be read now, the change feed brings it."""
        try:
            await self._read((name,))
        except StoreUnavailableError:
            return

    async def _read(self, names: Keys) -> None:
        heard_at, wall = self._database.now(), self._wall()
        if names is None or len(names) > MOST_NAMED:
            self.locks.are(await self._database.read_in_turn(lambda connection: all_locks(connection, wall)))
        else:
            came = await self._database.read_in_turn(lambda connection: locks_named(connection, names, wall))
            self.locks.become(names, came, wall)
            if not came:
                return  # whoever is let in again has nothing that lives to be decided on
        self._changed(heard_at)
