"""What the gate knows of the world, kept up to date: geo data, facts from files and servers, and facts that are told by signed messages.

Whatever changes here is recorded and has the live streams decided again, with the instant at which it was noticed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from attrs import define, evolve

from kgate.api import facts
from kgate.api.application import Routes
from kgate.documents.values import Unacceptable
from kgate.errors import KgateError
from kgate.net.database import Keys
from kgate.net.disk import Hangs
from kgate.net.facts import FactFile, FactPoll, FactsRead, Source, read_facts
from kgate.net.files import Stamp, stamp
from kgate.net.following import Following
from kgate.net.geo import GeoFiles, read_atlas
from kgate.net.watching import FilesRead
from kgate.service.part import Part, Prepare, Shared
from kgate.settings import Configuration
from kgate.settings.shapes import Settings
from kgate.settings.surroundings import FactSource, GeoSettings
from kgate.store import facts as stored
from kgate.surroundings.board import Board
from kgate.surroundings.document import Unreadable, Values, told
from kgate.surroundings.geo import Atlas
from kgate.surroundings.push import LEAST_KEY
from kgate.surroundings.world import World

GEO_SECONDS = 30.0
"""For one of the geo data's files at a reload: they are large."""


@define
class _Push:
    """See ``PushSource``."""

    key: bytes
    names: tuple[str, ...]
    max_age: float
    latest: float = 0.0


@define
class _Sight:
    """What is made of the settings before anything is exchanged."""

    atlas: Atlas | None
    geo_stamps: Mapping[Path, Stamp]
    """Of its files, before they were read."""
    facts: dict[str, FactsRead]
    """What files told, by source: of sources that were not known, and that answer. What the others told since is newer than this could be."""
    keys: dict[str, bytes]
    authorities: dict[str, str]
    """Whom to trust for a source's server, PEM."""


class Outside(Part):
    """See the module."""

    def __init__(self, shared: Shared) -> None:
        self.world = World()
        self._shared, self._wall = shared, shared.wall
        self._started = False
        self._geo: GeoFiles | None = None
        self._geo_settings: GeoSettings | None = None
        self._settings: tuple[FactSource, ...] = ()
        self._authorities: dict[str, str] = {}
        self._sources: list[Source] = []
        self._pushes: dict[str, _Push] = {}
        self._messages: dict[str, stored.Message] = {}
        self._following = Following(shared.database, stored.TOPIC, "the messages that told facts", self._read)

    def routes(self) -> Sequence[Routes]:
        """Where signed messages are sent. Those of every gate that shares the database are told here."""
        return (facts.routes(self._push, self._keep, self._wall),)

    def read(self, configuration: Configuration, files: FilesRead) -> Prepare:
        """Geo data, what files tell, and the keys of those who send messages."""
        sight = self._see(configuration.settings, files)
        return lambda: partial(self._exchange, configuration.settings, sight)

    def start(self) -> None:
        """Look from now on."""
        self._started = True
        self._start_sources()

    def _see(self, settings: Settings, files: FilesRead) -> _Sight:
        geo = settings.geo if settings.geo != self._geo_settings else None
        stamps: dict[Path, Stamp] = {}

        def geo_file(path: Path, read: Callable[[], bytes]) -> bytes:
            stamps[path], raw = files.ask(path, lambda: (stamp(path), read()), GEO_SECONDS)
            return raw

        try:
            atlas = read_atlas(geo.country, geo.asn, geo_file) if geo is not None else None
            keys = {str(each.source): files.read(each.key_file).strip() for each in settings.facts if each.key_file is not None}
            authorities = {
                str(each.source): files.read(file).decode("utf-8", "replace")
                for each in settings.facts
                if (file := each.certificate_authority) is not None
            }
        except OSError as error:
            raise KgateError(f"{error.filename}: cannot be read: {error.strerror}") from error
        except Unacceptable as error:
            raise KgateError(f"geo: {error.text}; {error.hint}") from error
        short = [name for name, key in keys.items() if len(key) < LEAST_KEY]
        if short:
            raise KgateError(f"facts: the key of {short[0]} is shorter than {LEAST_KEY} characters; make one with: openssl rand -hex 32")
        kept = self._kept(settings)
        return _Sight(atlas, stamps, _facts_of((each for each in settings.facts if each.source not in kept), files), keys, authorities)

    def _kept(self, settings: Settings) -> list[str]:
        """The sources that tell the same as before."""
        former = {each.source: each for each in self._settings}
        return [each.source for each in settings.facts if _tells_as_before(former.get(each.source), each)]

    def _exchange(self, settings: Settings, sight: _Sight) -> None:
        """Look at these sources from now on. What a source told stays known over a reload that leaves what it tells as it is."""
        if settings.geo != self._geo_settings:
            if self._geo is not None:
                self._geo.stop()
            self._geo_settings = geo = settings.geo
            self._geo = GeoFiles(self._shared.disk, geo.country, geo.asn, sight.geo_stamps, self._new_atlas) if geo is not None else None
            self.world.atlas = sight.atlas or Atlas()
        kept = self._kept(settings)
        old = Board(kept, self.world.board)
        self.world.board = Board([each.source for each in settings.facts], old)
        if (settings.facts, sight.authorities) != (self._settings, self._authorities):
            self._stop_sources()
            self._settings, self._authorities = settings.facts, sight.authorities
            self._sources = [made for each in settings.facts if (made := self._source(each, sight.facts.get(each.source))) is not None]
            if self._started:
                self._start_sources()
        latest = {name: push.latest for name, push in self._pushes.items() if name in kept}
        self._pushes = {
            each.source: _Push(sight.keys[each.source], each.names, each.max_age or 0.0, latest.get(each.source, 0.0))
            for each in settings.facts
            if each.source in sight.keys
        }
        self._hear()

    def stop(self) -> None:
        """Look no more."""
        self._stop_sources()

    def _start_sources(self) -> None:
        for source in self._sources:
            source.start()

    def _stop_sources(self) -> None:
        for source in self._sources:
            source.stop()

    def tick(self) -> None:
        """Called a few times a second."""
        if self._geo is not None:
            self._geo.tick()
        for source in self._sources:
            source.tick()
        self._following.tick()

    async def _keep(self, source: str, body: str, signed: float) -> bool:
        """Whoever sent it is answered when it is in force here; other gates follow."""
        now = self._wall()
        message = stored.Message(source, signed, body)
        kept = await self._shared.database.write(lambda connection: stored.keep_message(connection, message, now))
        await self._read(None)
        return kept

    async def _read(self, _: Keys) -> None:
        """What was told and is not known here yet: by another gate's message, or before this one started."""
        for message in await self._shared.database.read_in_turn(stored.last_messages):
            self._messages[message.source] = message
        self._hear()

    def _hear(self) -> None:
        for message in self._messages.values():
            push = self._pushes.get(message.source)
            values = told(message.body.encode(), push.names) if push is not None and push.latest < message.signed else None
            if push is not None and values is not None and not isinstance(values, Unreadable):
                push.latest = message.signed
                self._told(message.source, values, min(message.signed, self._wall()) + push.max_age)

    def problems(self) -> Mapping[str, str]:
        """Sources and files that cannot be read."""
        found = {f"facts {number}": source.problem for number, source in enumerate(self._sources, 1) if source.problem}
        if self._geo is not None and self._geo.problem:
            found["geo"] = self._geo.problem
        return found

    def _source(self, settings: FactSource, read: FactsRead | None) -> Source | None:
        disk = self._shared.disk
        if settings.file is not None:
            return FactFile(disk, settings.file, settings, self._wall, self._told, read)
        if settings.url is not None:
            web = self._shared.web_for(self._authorities.get(settings.source))
            return FactPoll(self._shared.reactor, disk, web, settings.url, settings, self._wall, self._told)
        return None

    def _push(self, name: str) -> _Push | None:
        return self._pushes.get(name)

    def _told(self, source: str, values: Values, until: float | None) -> None:
        names = self.world.board.tell(source, values, until)
        if names:
            self._changed("fact-change", names)

    def _new_atlas(self, atlas: Atlas) -> None:
        self.world.atlas = atlas
        self._changed("geo", ())

    def _changed(self, what: str, names: Iterable[str]) -> None:
        """The world is another one: on record, and every live stream is decided again."""
        since = self._shared.now()
        known = {fact.name: fact.value for fact in self.world.board.known(self._wall())}
        self._shared.records.event(what, {"changes": {name: known.get(name, "unknown") for name in names}})
        self._shared.decide_again(since=since)


def _facts_of(sources: Iterable[FactSource], files: FilesRead) -> dict[str, FactsRead]:
    found: dict[str, FactsRead] = {}
    for each in sources:
        if (path := each.file) is not None:
            with suppress(Hangs):  # what it told holds for as long as it may; a policy does not wait for it
                found[each.source] = files.ask(path, partial(read_facts, path, each))
    return found


def _tells_as_before(former: FactSource | None, source: FactSource) -> bool:
    """Whether it is the same but for how often, and with which token, it is asked."""
    return former is not None and evolve(former, every=source.every, token_file=source.token_file) == source
