"""Reading files, and noticing that they changed: their identity, size, time and who may read them, looked at a few times a second.

Polling rather than inotify: configuration comes by editors that rename, by symlinks that Kubernetes swaps under a ConfigMap mount, and over network
file systems, and of these only a fresh ``stat`` of the path tells the truth. A handful of stats costs microseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Generic, TypeAlias, TypeVar

from twisted.logger import Logger
from twisted.python.failure import Failure

from kgate.net.beside import Beside
from kgate.net.disk import HUNG_SECONDS, Disk, Hangs
from kgate.net.files import Stamp, stamp
from kgate.settings.files import read_file

log = Logger()
T = TypeVar("T")
Look: TypeAlias = Future[dict[Path, Stamp]]
_LEAST_PATIENCE = 0.1
"""Seconds."""


class FilesRead:
    """One reading of files, and what each was like before it was read: a change that comes behind the reading is not missed, however long what is made of
    the files takes.

    Without a ``disk``, at a start, it takes as long as it takes. With one it is not to be done on the reactor's thread, and raises Hangs, which is an
    OSError, for what does not answer: after two seconds at first, sooner where much of it does not.
    """

    def __init__(self, disk: Disk | None = None) -> None:
        self.files: dict[Path, Stamp] = {}
        self._folders: dict[Path, Stamp] = {}
        self._disk, self._patience = disk, HUNG_SECONDS

    @property
    def stamps(self) -> dict[Path, Stamp]:
        """Of the files and of the folders that they are in: a policy may be one."""
        return {**self._folders, **self.files}

    def read(self, path: Path) -> bytes:
        """As ``read_file``."""
        before, folder, content = self.ask(path, lambda: (stamp(path), stamp(path.parent), _read_or_why_not(path)))
        self._folders.setdefault(path.parent, folder)
        self.files.setdefault(path, before)
        if isinstance(content, OSError):
            raise content
        return content

    def ask(self, path: Path, work: Callable[[], T], patience: float = 0.0) -> T:
        """What ``work`` gives or raises, which asks for ``path``; it may take ``patience`` seconds at least."""
        if self._disk is None:
            return work()
        try:
            return self._disk.wait(path, work, max(self._patience, patience))
        except Hangs:
            self.files.setdefault(path, None)  # so that its answer is a change
            self._patience = max(_LEAST_PATIENCE, self._patience / 2)
            raise


def _read_or_why_not(path: Path) -> bytes | OSError:
    try:
        return read_file(path)
    except OSError as error:
        return error


class FileWatch:
    """Has ``changed`` called when any of a set of files changed since it was last looked at, once each change has settled for one look.

    A file that is being written changes at each look; acting on it half written would only make noise, so a change is told at the first look
    that finds it unchanged since the look before. Looks are beside the reactor, one at a time; one that a file holds up is given up, and the next ones pass
    that file by until it answers. A look that found all as it was is heard of at the next tick: to wake the reactor for it would be half of what looking costs.
    """

    def __init__(self, disk: Disk, changed: Callable[[], None], stamps: Mapping[Path, Stamp] | None = None) -> None:
        self._disk, self._changed = disk, changed
        self._beside = disk.beside("watch")
        self._look: Look | None = None
        self._began = 0.0
        self._known: dict[Path, Stamp] = {}
        self.watch(stamps or (), stamps or {})

    def watch(self, paths: Iterable[Path], stamps: Mapping[Path, Stamp]) -> None:
        """From now on these. ``stamps`` are of the moments before they were read: what changed since then is a change. A file that has none keeps the one
        that it has; where it was not watched before, that is how the next look finds it."""
        known = {**self._known, **stamps}
        self._paths = frozenset(paths)
        self._known = {path: known[path] for path in self._paths if path in known}
        self._seen = dict(self._known)

    def tick(self) -> None:
        """Look, unless the last look has not come back."""
        self._take(self._look)
        now = self._disk.now()
        if self._look is not None and now - self._began >= HUNG_SECONDS and not self._disk.hung().keys().isdisjoint(self._paths):
            self._beside, self._look = self._disk.beside("watch"), None
        if self._look is None:
            self._began = now
            self._begin()

    def _begin(self) -> None:
        look = self._look = Look()
        look.add_done_callback(partial(self._came, self._beside, self._seen if self._seen == self._known else None))
        self._beside.give(partial(self._stamps, self._paths, self._seen), look)

    def _came(self, beside: Beside, expected: dict[Path, Stamp] | None, look: Look) -> None:
        """In a thread."""
        if look.exception() is not None or look.result() != expected:
            beside.tell(partial(self._take, look))

    def _stamps(self, paths: Iterable[Path], seen: Mapping[Path, Stamp]) -> dict[Path, Stamp]:
        """In a thread."""
        found: dict[Path, Stamp] = {}
        for path in paths:
            try:
                found[path] = self._disk.ask(path, partial(stamp, path))
            except Hangs:
                found[path] = seen.get(path)
        return found

    def _take(self, look: Look | None) -> None:
        if look is not None and look is self._look and look.done():
            self._look = None
            self._looked(look.result())

    def _looked(self, now: dict[Path, Stamp]) -> None:
        if now.keys() != self._paths:
            return  # others are watched by now
        settled, self._seen = now == self._seen, now
        self._known = {**now, **self._known}
        if settled and now != self._known:
            self._known = now
            self._changed()


class _Following(Enum):
    """RESTS ──change──▶ WANTED ──tick──▶ READS ──▶ RESTS, or WANTED again where a file hangs. STOPPED is for good."""

    RESTS = "rests"
    WANTED = "wanted"
    READS = "reads"
    STOPPED = "stopped"


class FilesFollowed(Generic[T]):
    """Files that are read again when they changed: ``read`` does it in a thread, ``take`` is given what it gave. ``read`` may raise Hangs where somebody waits
    for one of them already, and is called again then. While they are read they are not looked at: a change that comes meanwhile is found by the next look."""

    def __init__(self, disk: Disk, stamps: Mapping[Path, Stamp], read: Callable[[], T], take: Callable[[T], None]) -> None:
        self._read, self._take = read, take
        self._watch = FileWatch(disk, self._changed, stamps)
        self._beside = disk.beside("read")
        self._state = _Following.RESTS

    def tick(self) -> None:
        """Called a few times a second."""
        if self._state is _Following.RESTS:
            self._watch.tick()
        elif self._state is _Following.WANTED:
            self._state = _Following.READS
            reading = self._beside.do(self._read)
            reading.addCallbacks(self._taken, self._hangs)
            reading.addErrback(lambda failure: log.failure("taking a changed file over failed", failure))

    def stop(self) -> None:
        """What is being read is nobody's any more."""
        self._state = _Following.STOPPED

    def _changed(self) -> None:
        if self._becomes(_Following.WANTED):
            self.tick()

    def _taken(self, read: T) -> None:
        if self._becomes(_Following.RESTS):
            self._take(read)

    def _hangs(self, failure: Failure) -> None:
        self._becomes(_Following.RESTS)
        failure.trap(Hangs)
        self._becomes(_Following.WANTED)

    def _becomes(self, state: _Following) -> bool:
        """Whether it still does anything."""
        if self._state is _Following.STOPPED:
            return False
        self._state = state
        return True
