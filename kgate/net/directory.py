"""The company's directory in memory, as the store has it: followed by the change feed, so that a person who is deactivated is out in every gate at once.

``changed(names)`` is told the names that those who changed had and have (None: anybody may have changed), after the directory says so.
"""

from __future__ import annotations

from collections.abc import Callable

from kgate.identity.directory import Directory, KnownAs
from kgate.net.database import Database, Keys
from kgate.net.following import Following
from kgate.store.directory import EVERYBODY, TOPIC, listed


class FollowedDirectory:
    """See the module."""

    def __init__(self, database: Database, known_as: KnownAs, changed: Callable[[Keys], None]) -> None:
        self._database, self._known_as, self._changed = database, known_as, changed
        self.directory = Directory()
        self.following = Following(database, TOPIC, "the directory", self._read)

    def tick(self) -> None:
        """Read what was missed."""
        self.following.tick()

    def know_by(self, known_as: KnownAs) -> None:
        """Which name of a person counts from now on."""
        if known_as is not self._known_as:
            self._known_as = known_as
            self.following.read()

    async def _read(self, changed: Keys) -> None:
        ids = None if changed is None or EVERYBODY in changed else tuple(changed)
        known_as = self._known_as
        people = await self._database.read_in_turn(lambda connection: listed(connection, known_as, ids))
        if ids is None:
            self.directory.replace(people)
            self._changed(None)
        else:
            self._changed(self.directory.update(ids, people))
