"""The file systems that the gate's files are on. One that hangs (NFS, a mount of secrets, a pipe in a file's place) stops whoever asks it, for as long as it
likes. So while a gate runs nothing is asked of a file on the reactor's thread, and what is being waited for is known by its name: ``problems`` is for
/readyz, ``tick`` for the log. Nobody asks a second time for a file that hangs: there are never more threads in it than there are purposes to read it for.

The audit, the recordings and the store have their own ways, with deadlines of their own.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger
from twisted.python.failure import Failure

from kgate.net.beside import Beside
from kgate.net.turn import Turn
from kgate.settings.files import read_file

log = Logger()
T = TypeVar("T")
HUNG_SECONDS: Final = 2.0
"""A file that did not answer for so long is said to hang, and whoever cannot go on without it waits no longer."""
_COUNTS: Final = "what was read of it last counts until it does; look at the file system that it is on (findmnt -T shows which)"


class Hangs(TimeoutError):
    """A file that does not answer."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__(errno.ETIMEDOUT, f"it {_silent(seconds)}", str(path))


class Disk:
    """See the module. ``now`` is monotonic."""

    def __init__(self, reactor: Any, turn: Turn, now: Callable[[], float]) -> None:
        self._reactor, self._turn, self.now = reactor, turn, now
        self._asked: dict[object, tuple[Path, float]] = {}
        """What is being waited for, and since when, by a key of each question's own. Threads write it."""
        self._said: Mapping[Path, float] = {}
        self._reader = self.beside("read")

    def beside(self, name: str) -> Beside:
        """A thread to ask in, for one purpose."""
        return Beside(self._reactor, self._turn, name)

    def file(self, path: Path) -> NeededFile:
        """One that is read whenever it is needed."""
        return NeededFile(self._reactor, self, path)

    def ask(self, path: Path, work: Callable[[], T]) -> T:
        """In a thread: what ``work`` gives or raises, which asks for ``path``. Raises Hangs where somebody has been waiting for it too long."""
        self.check(path)
        key = object()
        self._asked[key] = path, self.now()
        try:
            return work()
        finally:
            del self._asked[key]

    def wait(self, path: Path, work: Callable[[], T], seconds: float) -> T:
        """As ``ask``, in another thread than this one, which waits for so long. For whoever reloads, and not on the reactor's thread."""
        try:
            return self._reader.wait(lambda: self.ask(path, work), seconds)
        except Hangs:
            raise
        except TimeoutError:
            self._reader = self.beside("read")  # the former is held up
            raise Hangs(path, seconds) from None

    def check(self, path: Path) -> None:
        """Raises Hangs where ``path`` does."""
        seconds = self.hung().get(path)
        if seconds is not None:
            raise Hangs(path, seconds)

    def hung(self) -> Mapping[Path, float]:
        """The files that do not answer, and since how many seconds."""
        now = self.now()
        return {path: now - since for path, since in reversed(list(self._asked.values())) if now - since >= HUNG_SECONDS}

    def tick(self) -> None:
        """Called a few times a second: say which hang, and which answer again."""
        hung = self.hung()
        for path in hung.keys() - self._said.keys():
            log.error("{path} {hangs}: {counts}", path=str(path), hangs=_silent(hung[path]), counts=_COUNTS)
        for path in self._said.keys() - hung.keys():
            log.info("{path} answers again, after {seconds:.0f} s", path=str(path), seconds=self._said[path])
        self._said = hung

    def problems(self) -> Mapping[str, str]:
        """For /readyz."""
        return {f"file {path}": f"{_silent(seconds)}: {_COUNTS}" for path, seconds in self.hung().items()}


class NeededFile:
    """One file that is read whenever somebody needs what is in it now: a token, mostly."""

    def __init__(self, reactor: Any, disk: Disk, path: Path) -> None:
        self._reactor, self._disk, self.path = reactor, disk, path
        self._beside = disk.beside("file")

    def read(self, seconds: float = HUNG_SECONDS) -> Deferred[bytes]:
        """As ``read_file``; fails with Hangs, too, after so many seconds."""
        try:
            self._disk.check(self.path)
        except Hangs as hangs:
            return fail(hangs)
        reading = self._beside.do(lambda: self._disk.ask(self.path, lambda: read_file(self.path)))
        return reading.addTimeout(seconds, self._reactor, lambda *_: Failure(Hangs(self.path, seconds)))


def _silent(seconds: float) -> str:
    return f"has not answered for {seconds:.{0 if seconds >= 1 else 1}f} s"
