"""What is kept in memory as the store has it: read with each news of its topic, and at the next tick where that could not be done.

Whoever reads asks ``Database.read_in_turn``, so that of two reads at once the older one cannot end later and overwrite the newer (security.md
class 14). News that is told and not read yet, because the read takes its time or fails, is as good as not heard: the feed is told since when, and fails
closed by it as it does where the store is silent. Whoever makes up for that in another way says so by ``missed``.
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

    def now(self) -> float:
        """Monotonic."""

    def follow(self, topic: str, follower: Follower) -> None:
        """Tell ``follower`` of each change of ``topic`` from now on."""

    def is_behind(self, what: str, since: float | None) -> None:
        """What was told of ``what`` since then is not in memory; None: all is."""


class Following:
    """``read(keys)`` of ``what`` with each news; ``missed`` is told where it raised. ``tick`` is to be called a few times a second."""

    def __init__(
        self,
        feed: Feed,
        topic: str,
        what: str,
        read: Callable[[Keys], Coroutine[Any, Any, None]],
        missed: Callable[[], None] | None = None,
    ) -> None:
        self._feed, self._what, self._read, self._tell_missed = feed, what, read, missed
        self._again = False
        self._reading: list[float] = []
        """When each read that is under way began."""
        self._missed_since: float | None = None
        """When the first one began that failed, and was not made up for yet."""
        self.known = False
        """Whether all of it was ever read."""
        feed.follow(topic, self.read)

    def tick(self) -> None:
        """Read what was missed."""
        if self._again:
            self._again = False
            self.read()

    def read(self, keys: Keys = None) -> None:
        """Begin to read."""
        begun = self._feed.now()
        self._reading.append(begun)
        self._tell()
        done = Deferred.fromCoroutine(self._read_of(keys))
        done.addCallbacks(lambda _: self._through(begun, keys), lambda failure: self._failed(begun, failure))
        done.addBoth(lambda _: self._tell())

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

    def _through(self, begun: float, keys: Keys) -> None:
        self._reading.remove(begun)
        if keys is None and self._missed_since is not None and self._missed_since <= begun:
            self._missed_since = None

    def _failed(self, begun: float, failure: Failure) -> None:
        """It is tried again at each tick; of a bug that stays the log has one traceback."""
        self._reading.remove(begun)
        first, self._again = self._missed_since is None, True
        self._missed_since = begun if self._missed_since is None else self._missed_since
        if first and failure.check(StoreUnavailableError) is None:
            log.failure("{what} could not be read", failure, what=self._what)
        if first and self._tell_missed is not None:
            self._tell_missed()

    def _tell(self) -> None:
        if self._tell_missed is None:
            missed = [] if self._missed_since is None else [self._missed_since]
            self._feed.is_behind(self._what, min([*self._reading, *missed], default=None))
