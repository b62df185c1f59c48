"""The store's thin shell: its functions run in threads, and what changed reaches the reactor.

One thread writes, a transaction after the other, so no transaction of this gate ever waits for another one of its own; a few read, and one reads what is
kept in memory: of two reads at once the older one may end later, and would bring back a session that is over. One reads the feed and nothing else, however
many wait for the others. A change is told where
``follow`` was called, whether it was this gate's own write or another's: there is one way by which news comes, the change feed. After a write of
this gate's own the feed is read at once. Other gates' writes are found by looking, four times a second on SQLite, unless it says that nobody committed
(``store/commits.py``); on PostgreSQL a thread listens for the notification, and the look (once a second) is only there in case it gets lost.

A store that is read and takes nothing (a standby, a disk that is full) is not silent: what lives goes on, but nobody can sign in, and nobody be put out.
``refusal`` says so, and is tried for an end of it.

``age`` says how old this gate's knowledge of the store may be, in the part of it that is the oldest: whoever depends on revocations fails closed by it
(security.md class 14).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, InternalError, OperationalError
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from kgate.errors import UnreachableError
from kgate.store import changes
from kgate.store.changes import News
from kgate.store.commits import Commits, Place
from kgate.store.engine import READS

log = Logger()

T = TypeVar("T")
Work = Callable[[Connection], T]
"""One transaction: commits when it returns, rolls back when it raises."""
Keys = Collection[str] | None
"""What changed of a topic; None: any of it may have."""
Follower = Callable[[Keys], None]

READERS = 4
SILENT_SECONDS = 5.0
"""After so long /readyz speaks of a silent store: a while before nobody is admitted any more."""
SAID_SECONDS = 60.0
"""What is wrong with the store is asked for several times a second, and said once in so long."""
_SILENT = "the gate's store does not answer; try again, and tell whoever runs this gate if it stays so"
TRIED_SECONDS = 10.0
"""Between two tries whether a store that took nothing takes something again."""
LOOK_SECONDS = {"sqlite": 0.2, "postgresql": 1.0}


class StoreUnavailableError(UnreachableError):
    """The store does not answer, or refuses. What depends on it fails closed."""


class Store(Protocol):
    """What others need of a database."""

    async def read(self, work: Work[T]) -> T:
        """Run ``work`` in a transaction that changes nothing."""

    async def write(self, work: Work[T]) -> T:
        """Run ``work`` in a transaction; it is durable when this returns."""


class Database:
    """See the module. ``now`` is monotonic; ``turn`` makes work that comes from outside the reactor a turn of its own."""

    def __init__(
        self, reactor: Any, engine: Engine, now: Callable[[], float], turn: Callable[[Callable[[], None]], Callable[[], None]]
    ) -> None:
        self._reactor, self._engine, self.now, self._turn = reactor, engine, now, turn
        self._writer = ThreadPool(0, 1, "kgate-store-writes")
        self._readers = ThreadPool(0, READERS, "kgate-store-reads")
        self._in_turn = ThreadPool(0, 1, "kgate-store-kept")
        self._feed = ThreadPool(0, 1, "kgate-store-feed")
        self._pools = (self._writer, self._readers, self._in_turn, self._feed)
        self._followers: dict[str, list[Follower]] = defaultdict(list)
        self._seen = 0
        self._files = 1
        """How many have been where the store is."""
        self._looking = self._again = self._stopped = False
        self._heard = self._asked = now()
        self._interval = LOOK_SECONDS[engine.url.get_backend_name()]
        self._commits = Commits(engine)
        self._mark: int | None = None
        """Of the last look, taken before it began; None: it has to be looked again."""
        self._problem = ""
        self._behind: dict[str, float] = {}
        self._refusal, self._tried = "", now()
        self._said: dict[str, float] = {}

    @property
    def age(self) -> float:
        """For how many seconds nothing has been heard of the store, or something of what was heard could not be read: what changed since is not known
        here."""
        return self.now() - (min(self._heard, *self._behind.values()) if self._behind else self._heard)

    @property
    def problem(self) -> str:
        """Why the store cannot be used, for /readyz; empty while it can."""
        silent = {"nothing was heard of it": self._heard, **{f"{what} could not be read": since for what, since in self._behind.items()}}
        late = (f"{text} for {age:.0f} s" for text, since in silent.items() if (age := self.now() - since) > SILENT_SECONDS)
        return self._problem or next(late, "")

    @property
    def refusal(self) -> str:
        """Why nothing can be written, for /readyz, though it is heard of; empty while it can."""
        if not self._refusal or self.problem:
            return ""
        return f"it takes nothing ({self._refusal}): until it does, nobody can sign in or out, be let out by a notice or the directory, or be granted anything"

    def is_behind(self, what: str, since: float | None) -> None:
        """See ``Feed``."""
        if since is None:
            self._behind.pop(what, None)
        else:
            self._behind[what] = since

    def follow(self, topic: str, follower: Follower) -> None:
        """Tell ``follower`` what changes; it is called on the reactor's thread, once with None at the start."""
        self._followers[topic].append(follower)

    def start(self) -> None:
        """Begin; everybody who follows something is told to read it."""
        for pool in self._pools:
            pool.start()
        if self._engine.url.get_backend_name() == "postgresql":
            from kgate.net.notifications import Listener

            Listener(self._engine.url, lambda: self._reactor.callFromThread(self._turn(self.look)), lambda: self._stopped).start()
        self._seen = -1
        self.look()

    def stop(self) -> None:
        """End, once what was begun is through."""
        self._stopped = True
        for pool in self._pools:
            pool.stop()
        self._commits.close()
        self._engine.dispose()

    def tick(self) -> None:
        """Called a few times a second: look whether there is news."""
        now = self.now()
        if self._refusal and now - self._tried >= TRIED_SECONDS:
            Deferred.fromCoroutine(self.write(changes.touch)).addErrback(lambda failure: failure.trap(StoreUnavailableError))
        if self._looking or now - self._asked < self._interval:
            return
        if self._mark is not None and self._commits.mark() == self._mark and self._commits.place is Place.SAME:
            self._heard = self._asked = now
        else:
            self.look()

    async def read(self, work: Work[T]) -> T:
        """Run ``work`` in a transaction that changes nothing. Raises StoreUnavailableError."""
        return await self._run(self._readers, work, reads=True)

    async def read_in_turn(self, work: Work[T]) -> T:
        """``read`` for whoever keeps what is found: it sees all that those asked for before it saw, and returns after them."""
        return await self._run(self._in_turn, work, reads=True)

    async def write(self, work: Work[T]) -> T:
        """Run ``work`` in a transaction; it is durable when this returns. Raises StoreUnavailableError."""
        self._tried = self.now()
        try:
            done = await self._run(self._writer, work, reads=False)
        except StoreUnavailableError as error:
            # What is wrong with the values of one transaction says nothing of the next.
            if isinstance(error.__cause__, OperationalError | InternalError):
                self._refusal = _words(error.__cause__)
            raise
        self._refusal = ""
        self.look()
        return done

    async def _run(self, pool: ThreadPool, work: Work[T], *, reads: bool) -> T:
        return await self._run_on(self._follow_file(), pool, work, reads=reads)

    async def _run_on(self, place: Place, pool: ThreadPool, work: Work[T], *, reads: bool) -> T:
        """In a thread of ``pool``. ``place`` is what was found where the store was."""
        if self._stopped:
            raise StoreUnavailableError("the gate is shutting down; try again")
        if place is Place.GONE:
            self._say(f"its file {self._engine.url.database} is gone; put it back")
            raise StoreUnavailableError(_SILENT)
        running: Deferred[T] = deferToThreadPool(self._reactor, pool, self._transaction, work, reads)
        try:
            return await running
        except DBAPIError as error:
            self._say(_words(error))
            raise StoreUnavailableError(_SILENT) from error

    def _follow_file(self) -> Place:
        """What is where the store was. Another file, as after a backup was put in its place, counts from here on, all of it."""
        place = self._commits.place
        if place is Place.ANOTHER:
            log.warn("the store {place} is another file now; all of it is read anew", place=self._engine.url.database)
            self._commits.close()
            self._engine.dispose()
            self._seen, self._mark, self._files = -1, None, self._files + 1
        return place

    def _say(self, text: str) -> None:
        now = self.now()
        self._said = {each: at for each, at in self._said.items() if now - at < SAID_SECONDS}
        if text not in self._said:
            self._said[text] = now
            log.error("the store cannot be used: {text}", text=text)

    def _transaction(self, work: Work[T], reads: bool) -> T:
        engine = self._engine.execution_options(**{READS: True}) if reads else self._engine
        with engine.begin() as connection:
            return work(connection)

    # --- news

    def look(self) -> None:
        """Read the feed now; while it is being read, once more after that."""
        if self._looking or self._stopped:
            self._again = True
            return
        self._looking, self._asked = True, self.now()
        place = self._follow_file()
        asked, seen, files = self._asked, self._seen, self._files
        self._mark = self._commits.mark()
        done = Deferred.fromCoroutine(self._run_on(place, self._feed, lambda connection: self._news(connection, seen), reads=True))
        done.addCallbacks(lambda news: self._arrived(news, asked, files), self._failed)
        done.addBoth(lambda _: self._looked())

    def _arrived(self, news: News, asked: float, files: int) -> None:
        if files != self._files:  # this says nothing of the one that is there now
            self._again = True
            return
        self._heard, self._seen, self._problem = asked, news.latest, ""
        if not news.complete:
            self._turn(lambda: self._tell(dict.fromkeys(self._followers)))()
        elif news.changes:
            keys: dict[str, Keys] = {}
            for topic, key in news.changes:
                keys.setdefault(topic, set()).add(key)  # type: ignore[union-attr]
            self._turn(lambda: self._tell(keys))()

    def _tell(self, keys: dict[str, Keys]) -> None:
        for topic, changed in keys.items():
            for follower in self._followers.get(topic, ()):
                follower(changed)

    def _failed(self, failure: Failure) -> None:
        self._mark = None
        if failure.check(StoreUnavailableError) is None:
            log.failure("reading the change feed failed", failure)
        self._problem = failure.getErrorMessage()

    def _looked(self) -> None:
        self._looking = False
        if self._again:
            self._again = False
            self.look()

    def _news(self, connection: Connection, seen: int) -> News:
        """What came after ``seen``; everything, where nothing was seen yet."""
        self._commits.open()
        return News(changes.latest(connection), (), False) if seen < 0 else changes.since(connection, seen)


def _words(error: DBAPIError) -> str:
    """Of the database itself."""
    return str(error.orig).splitlines()[0] if str(error.orig) else type(error.orig).__name__
