"""What is kept in memory as the store has it: read with each news of its topic, and at the next tick where that could not be done.

Whoever reads asks ``Database.read_in_turn``, so that of two reads at once the older one cannot end later and overwrite the newer (security.md
class 14). A store that does not answer shows in /readyz, so nothing else is said of it here.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from kgate.net.database import Follower, Keys, StoreUnavailableError

log = Logger()


class Feed(Protocol):
    """What tells of changes: ``Database`` is one."""

    def follow(self, topic: str, follower: Follower) -> None:
        """Tell ``follower`` of each change of ``topic`` from now on."""


def _nothing() -> None:
    """Whoever knows no better goes on with what was read last."""


class Following:
    """``read(keys)`` of ``what`` with each news; ``missed`` is told where it raised. ``tick`` is to be called a few times a second."""

    def __init__(
        self,
        feed: Feed,
        topic: str,
        what: str,
        read: Callable[[Keys], Coroutine[Any, Any, None]],
        missed: Callable[[], None] = _nothing,
    ) -> None:
        self._what, self._read, self._tell_missed = what, read, missed
        self._behind = False
        self.known = False
        """Whether all of it was ever read."""
        feed.follow(topic, self.read)

    def tick(self) -> None:
        """Read what was missed."""
        if self._behind:
            self._behind = False
            self.read()

    def read(self, keys: Keys = None) -> None:
        """Begin to read."""
        Deferred.fromCoroutine(self._read_of(keys)).addErrback(self._missed)

    async def catch_up(self) -> None:
        """Read all of it, where that was never done; what cannot be read is not known."""
        if not self.known:
            try:
                await self._read_of(None)
            except StoreUnavailableError:
                return

    async def _read_of(self, keys: Keys) -> None:
        await self._read(keys)
        self.known = self.known or keys is None

    def _missed(self, failure: Failure) -> None:
        self._behind = True
        if failure.check(StoreUnavailableError) is None:
            log.failure("{what} could not be read", failure, what=self._what)
        self._tell_missed()
