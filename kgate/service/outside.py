"""What the gate knows of the world, kept up to date: geo data, facts from files and servers, and facts that are told by signed messages.

Whatever changes here is recorded and has the live streams decided again, with the instant at which it was noticed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from attrs import define
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from kgate.api import facts
from kgate.api.application import Routes
from kgate.documents.values import Unacceptable
from kgate.errors import KgateError
from kgate.net.database import Database, StoreUnavailableError
from kgate.net.facts import FactFile, FactPoll, Source
from kgate.net.geo import GeoFiles, read_atlas
from kgate.net.web import Asking
from kgate.settings.shapes import FactSource, GeoSettings, Settings
from kgate.store import facts as stored
from kgate.surroundings.board import Board
from kgate.surroundings.document import Unreadable, Values, told
from kgate.surroundings.geo import Atlas
from kgate.surroundings.push import LEAST_KEY
from kgate.surroundings.world import World

log = Logger()

Changed = Callable[[str, Iterable[str]], None]
"""What changed, and the names of it: ``fact-change`` and which, or ``geo`` and nothing."""


@define
class _Push:
    """See ``PushSource``."""

    key: bytes
    names: tuple[str, ...]
    max_age: float
    latest: float = 0.0


@define
class Sight:
    """What is made of the settings before anything is exchanged."""

    atlas: Atlas | None
    keys: dict[str, bytes]


class Outside:
    """See the module. ``run`` wraps what ends in bytes to be sent, as ``Turn.wrap`` does."""

    def __init__(
        self, reactor: Any, wall: Callable[[], float], changed: Changed, run: Callable[[Callable[[], None]], Callable[[], None]]
    ) -> None:
        self.world = World()
        self._reactor, self._wall, self._changed, self._run = reactor, wall, changed, run
        self._geo: GeoFiles | None = None
        self._geo_settings: GeoSettings | None = None
        self._settings: tuple[FactSource, ...] = ()
        self._sources: list[Source] = []
        self._pushes: dict[str, _Push] = {}
        self._messages: dict[str, stored.Message] = {}
        self._behind: Database | None = None

    def prepare(self, settings: Settings) -> Sight:
        """Read what it takes. Raises KgateError where something cannot be had; nothing is exchanged yet."""
        geo = settings.geo
        try:
            atlas = read_atlas(geo.country, geo.asn) if geo is not None and geo != self._geo_settings else None
            keys = {str(each.source): each.key_file.read_bytes().strip() for each in settings.facts if each.key_file is not None}
        except OSError as error:
            raise KgateError(f"{error.filename}: cannot be read: {error.strerror}") from error
        except Unacceptable as error:
            raise KgateError(f"geo: {error.text}; {error.hint}") from error
        short = [name for name, key in keys.items() if len(key) < LEAST_KEY]
        if short:
            raise KgateError(f"facts: the key of {short[0]} is shorter than {LEAST_KEY} characters; make one with: openssl rand -hex 32")
        return Sight(atlas, keys)

    def exchange(self, settings: Settings, sight: Sight) -> None:
        """Look at these sources from now on. What a source told stays known over a reload that leaves it as it is."""
        if settings.geo != self._geo_settings:
            self._geo_settings = geo = settings.geo
            self._geo = GeoFiles(self._reactor, geo.country, geo.asn, self._new_atlas) if geo is not None else None
            self.world.atlas = sight.atlas or Atlas()
        former = {each.source: each for each in self._settings}
        kept = [each.source for each in settings.facts if former.get(each.source) == each]
        old = Board(kept, self.world.board)
        self.world.board = Board([each.source for each in settings.facts], old)
        if settings.facts != self._settings:
            self.stop()
            self._settings = settings.facts
            self._sources = [made for each in settings.facts if (made := self._source(each)) is not None]
            for source in self._sources:
                source.start()
        latest = {name: push.latest for name, push in self._pushes.items() if name in kept}
        self._pushes = {
            each.source: _Push(sight.keys[each.source], each.names, each.max_age or 0.0, latest.get(each.source, 0.0))
            for each in settings.facts
            if each.source in sight.keys
        }
        self._hear()

    def stop(self) -> None:
        """Look no more."""
        for source in self._sources:
            source.stop()

    def tick(self) -> None:
        """Called a few times a second."""
        if self._geo is not None:
            self._geo.tick()
        for source in self._sources:
            source.tick()
        behind, self._behind = self._behind, None
        if behind is not None:
            self._look(behind)

    def routes(self, database: Database) -> Routes:
        """Where signed messages are sent. Those of every gate that shares ``database`` are told here."""
        database.follow(stored.TOPIC, lambda _: self._look(database))
        return facts.routes(self._push, partial(self._keep, database), self._wall)

    def _look(self, database: Database) -> None:
        Deferred.fromCoroutine(self._read(database)).addErrback(self._missed, database)

    def _missed(self, failure: Failure, database: Database) -> None:
        """A store that does not answer shows in /readyz; what was missed is read at the next tick."""
        self._behind = database
        if failure.check(StoreUnavailableError) is None:
            log.failure("the messages that told facts could not be read", failure)

    async def _keep(self, database: Database, source: str, body: str, signed: float) -> bool:
        """Whoever sent it is answered when it is in force here; other gates follow."""
        now = self._wall()
        kept = await database.write(lambda connection: stored.keep_message(connection, stored.Message(source, signed, body), now))
        await self._read(database)
        return kept

    async def _read(self, database: Database) -> None:
        """What was told and is not known here yet: by another gate's message, or before this one started."""
        for message in await database.read(stored.last_messages):
            self._messages[message.source] = message
        self._hear()

    def _hear(self) -> None:
        for message in self._messages.values():
            push = self._pushes.get(message.source)
            values = told(message.body.encode(), push.names) if push is not None and push.latest < message.signed else None
            if push is not None and values is not None and not isinstance(values, Unreadable):
                push.latest = message.signed
                self._told(message.source, values, min(message.signed, self._wall()) + push.max_age)

    def problems(self) -> dict[str, str]:
        """What is not as it should be, for /readyz."""
        found = {f"facts {number}": source.problem for number, source in enumerate(self._sources, 1) if source.problem}
        if self._geo is not None and self._geo.problem:
            found["geo"] = self._geo.problem
        return found

    def _source(self, settings: FactSource) -> Source | None:
        if settings.file is not None:
            return FactFile(settings.file, settings, self._wall, self._told)
        if settings.url is not None:
            authority = settings.certificate_authority.read_text() if settings.certificate_authority is not None else None
            return FactPoll(self._reactor, Asking(self._reactor, authority), settings.url, settings, self._wall, self._told)
        return None

    def _push(self, name: str) -> _Push | None:
        return self._pushes.get(name)

    def _told(self, source: str, values: Values, until: float | None) -> None:
        names = self.world.board.tell(source, values, until)
        if names:
            self._run(lambda: self._changed("fact-change", names))()

    def _new_atlas(self, atlas: Atlas) -> None:
        self.world.atlas = atlas
        self._run(lambda: self._changed("geo", ()))()
