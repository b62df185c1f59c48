"""Noticing that files changed: their identity, size, time and who may read them, looked at a few times a second.

Polling rather than inotify: configuration comes by editors that rename, by symlinks that Kubernetes swaps under a ConfigMap mount, and over network
file systems, and of these only a fresh ``stat`` of the path tells the truth. A handful of stats costs microseconds.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

Stamp = tuple[int, ...] | None


def stamp(path: Path) -> Stamp:
    """What changes when the file behind ``path`` does; None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode, status.st_uid, status.st_gid


def sync_directory(directory: Path) -> None:
    """Make the names in ``directory`` durable. Raises OSError."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class FileWatch:
    """Tells whether any of a set of files changed since it was last asked, once each change has settled for one look.

    A file that is being written changes at each look; acting on it half written would only make noise, so a change is reported at the first look
    that finds it unchanged since the look before.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._known = {path: stamp(path) for path in paths}
        self._seen = dict(self._known)

    def changed(self) -> bool:
        """Look."""
        now = {path: stamp(path) for path in self._known}
        settled = now == self._seen
        self._seen = now
        if settled and now != self._known:
            self._known = now
            return True
        return False

    def watch(self, paths: Iterable[Path], stamps: Mapping[Path, Stamp]) -> None:
        """From now on these. ``stamps`` are of the moments before they were read: what changed since then is a change. A file that has none, and was
        watched already, keeps the one that it has."""
        known = {**self._known, **stamps}
        self._known = {path: known[path] if path in known else stamp(path) for path in paths}
        self._seen = dict(self._known)
