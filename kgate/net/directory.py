"""The company's directory in memory, as the store has it: followed by the change feed, so that a person who is deactivated is out in every gate at once.

``changed(names)`` is told the names of those who changed (None: anybody may have), after the directory says so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from kgate.identity.directory import Directory
from kgate.net.database import Database, StoreUnavailableError
from kgate.store.directory import EVERYBODY, TOPIC, KnownAs, listed

log = Logger()


class FollowedDirectory:
    """See the module."""

    def __init__(self, database: Database, known_as: KnownAs, changed: Callable[[Collection[str] | None], None]) -> None:
        self._database, self._known_as, self._changed = database, known_as, changed
        self.directory = Directory()
        self._behind = False
        database.follow(TOPIC, self._told)

    def tick(self) -> None:
        """Read what was missed."""
        if self._behind:
            self._behind = False
            self._told(None)

    def know_by(self, known_as: KnownAs) -> None:
        """Which name of a person counts from now on."""
        if known_as is not self._known_as:
            self._known_as = known_as
            self._told(None)

    def _told(self, ids: Collection[str] | None) -> None:
        self._soon(self._read(None if ids is None or EVERYBODY in ids else tuple(ids)))

    async def _read(self, ids: tuple[str, ...] | None) -> None:
        known_as = self._known_as
        people = await self._database.read_in_turn(lambda connection: listed(connection, known_as, ids))
        if ids is None:
            self.directory.replace(people)
        else:
            self.directory.update(people)
        self._changed(people.keys() if ids is not None else None)

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        Deferred.fromCoroutine(work).addErrback(self._missed)

    def _missed(self, failure: Failure) -> None:
        self._behind = True
        if failure.check(StoreUnavailableError) is None:
            log.failure("the directory could not be read", failure)
