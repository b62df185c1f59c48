"""The sources of facts that the gate itself looks at: files, and servers that it asks again and again.

A file's facts are as old as the file, a server's as its last good answer. What cannot be read is unknown at once where it is a file (somebody wrote
it so), and after ``max_age`` where it is a server (a network hiccup is no news), or a file that does not answer.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from kgate.net.disk import Disk
from kgate.net.files import Stamp, stamp
from kgate.net.watching import FilesFollowed
from kgate.net.web import Unreachable, Web
from kgate.settings.files import read_file
from kgate.settings.surroundings import FactSource
from kgate.surroundings.document import MOST_BYTES, Unreadable, Values, told

log = Logger()

Tell = Callable[[str, Values, "float | None"], None]
"""Source, all its facts, until when they are known."""


class Source(Protocol):
    """One source that the gate looks at."""

    problem: str
    """What is wrong with it, for /readyz; empty where nothing is."""

    def start(self) -> None:
        """Look from now on."""

    def stop(self) -> None:
        """Look no more."""

    def tick(self) -> None:
        """Called a few times a second."""


@frozen
class FactsRead:
    """What a file told. ``stamp`` and ``written`` (Unix seconds) are of the moment before it was read."""

    found: Values | Unreadable
    stamp: Stamp
    written: float


def read_facts(path: Path, settings: FactSource) -> FactsRead:
    """In a thread."""
    before = stamp(path)
    try:
        written, found = path.stat().st_mtime, told(read_file(path), settings.names)
    except OSError as error:
        written, found = 0.0, Unreadable(f"cannot be read: {error.strerror}")
    return FactsRead(found, before, written)


class FactFile:
    """A file. ``read`` is what it told to whoever made this; None: it is to be read."""

    def __init__(self, disk: Disk, path: Path, settings: FactSource, wall: Callable[[], float], tell: Tell, read: FactsRead | None) -> None:
        self._path, self._settings, self._wall, self._tell, self._first = path, settings, wall, tell, read
        stamps = {path: read.stamp if read is not None else None}
        self._followed = FilesFollowed(disk, stamps, lambda: disk.ask(path, lambda: read_facts(path, settings)), self._take)
        self.problem = ""

    def start(self) -> None:
        """See ``Source``."""
        if self._first is not None:
            self._take(self._first)

    def stop(self) -> None:
        """See ``Source``."""
        self._followed.stop()

    def tick(self) -> None:
        """See ``Source``."""
        self._followed.tick()

    def _take(self, read: FactsRead) -> None:
        if isinstance(read.found, Unreadable):
            self.problem = f"{self._path} {read.found.text}; its facts are unknown"
            log.error("{problem}", problem=self.problem)
            self._tell(self._settings.source, {}, None)
            return
        self.problem = ""
        age = self._settings.max_age
        self._tell(self._settings.source, read.found, min(read.written, self._wall()) + age if age is not None else None)


class FactPoll:
    """A server that is asked every now and then."""

    def __init__(self, reactor: Any, disk: Disk, web: Web, url: str, settings: FactSource, wall: Callable[[], float], tell: Tell) -> None:
        self._token_file = disk.file(settings.token_file) if settings.token_file is not None else None
        self._web, self._url, self._settings, self._wall, self._tell = web, url, settings, wall, tell
        self._every = LoopingCall(self._ask)
        self._every.clock = reactor
        self._stopped = False
        self.problem = ""

    def start(self) -> None:
        """See ``Source``."""
        self._every.start(self._settings.every)

    def stop(self) -> None:
        """See ``Source``."""
        self._stopped = True
        if self._every.running:
            self._every.stop()

    def tick(self) -> None:
        """See ``Source``."""

    def _ask(self) -> Deferred[None]:
        asked = Deferred.fromCoroutine(self._answer())
        return asked.addErrback(lambda failure: log.failure("asking {url} for facts failed", failure, url=self._url))

    async def _answer(self) -> None:
        asked_at = self._wall()
        headers = [("accept", "application/json")]
        if token := await self._token():
            headers.append(("authorization", f"Bearer {token}"))
        reply = await self._web.ask("GET", self._url, headers, limit=MOST_BYTES)
        if self._stopped:
            return
        found: Values | Unreadable
        if isinstance(reply, Unreachable):
            found = Unreadable(reply.text)
        elif reply.status != 200:
            found = Unreadable(f"answered {reply.status}")
        else:
            found = told(reply.body, self._settings.names)
        if isinstance(found, Unreadable):
            problem = f"{self._url} {found.text}; its facts grow old"
            if problem != self.problem:
                log.error("{problem}", problem=problem)
            self.problem = problem
            return
        self.problem = ""
        self._tell(self._settings.source, found, asked_at + (self._settings.max_age or 0.0))

    async def _token(self) -> str:
        """Read anew each time: whoever renews it need not tell us."""
        try:
            return (await self._token_file.read()).decode("ascii").strip() if self._token_file is not None else ""
        except (OSError, UnicodeDecodeError):
            return ""
