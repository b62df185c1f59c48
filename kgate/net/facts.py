"""The sources of facts that the gate itself looks at: files, and servers that it asks again and again.

A file's facts are as old as the file, a server's as its last good answer. What cannot be read is unknown at once where it is a file (somebody wrote
it so), and after ``max_age`` where it is a server (a network hiccup is no news).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from kgate.net.files import FileWatch
from kgate.net.web import Unreachable, Web
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


class FactFile:
    """A file."""

    def __init__(self, path: Path, settings: FactSource, wall: Callable[[], float], tell: Tell) -> None:
        self._path, self._settings, self._wall, self._tell = path, settings, wall, tell
        self._watch = FileWatch((path,))
        self.problem = ""

    def start(self) -> None:
        """See ``Source``."""
        self._read()

    def stop(self) -> None:
        """See ``Source``."""

    def tick(self) -> None:
        """See ``Source``."""
        if self._watch.changed():
            self._read()

    def _read(self) -> None:
        try:
            written = min(self._path.stat().st_mtime, self._wall())
            with self._path.open("rb") as file:
                found = told(file.read(MOST_BYTES + 1), self._settings.names)
        except OSError as error:
            found = Unreadable(f"cannot be read: {error.strerror}")
            written = 0.0
        if isinstance(found, Unreadable):
            self._told_nothing(found)
            return
        self.problem = ""
        age = self._settings.max_age
        self._tell(self._settings.source, found, written + age if age is not None else None)

    def _told_nothing(self, why: Unreadable) -> None:
        self.problem = f"{self._path} {why.text}; its facts are unknown"
        log.error("{problem}", problem=self.problem)
        self._tell(self._settings.source, {}, None)


class FactPoll:
    """A server that is asked every now and then."""

    def __init__(self, reactor: Any, web: Web, url: str, settings: FactSource, wall: Callable[[], float], tell: Tell) -> None:
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
        if token := self._token():
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

    def _token(self) -> str:
        """Read anew each time: whoever renews it need not tell us."""
        path = self._settings.token_file
        try:
            return path.read_text("ascii").strip() if path is not None else ""
        except (OSError, UnicodeDecodeError):
            return ""
