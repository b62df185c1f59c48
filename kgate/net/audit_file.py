"""The file that audit records are appended to: one after the other, named by the day on which each was begun.

One that somebody moved, removed or changed (logrotate does each) is not gone on with: who reads the directory would not find what is written behind it. A
directory that has another's place is not written to: it may be the empty one below a mount that went away, or another gate's.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from kgate.net.files import sync_directory

ROTATE_BYTES: Final = 256 * 1024 * 1024


class AuditFile:
    """The current file, used by the writer thread only. ``size`` is its last durable length."""

    def __init__(self, directory: Path, wall: Callable[[], float]) -> None:
        self.directory, self._wall = directory, wall
        self._fd = -1
        self._size = 0
        self._torn = False
        """Whether more may stand in it than that."""
        self._begins = self._ends = 0.0
        """The day of the file, in Unix seconds."""
        self._path = directory
        self._home: tuple[int, int] | None = None
        """What the directory's inode was when the first file was begun."""
        self.missed: tuple[Path, Path] | None = None
        """A file that is not as it was left, and the one that records go on in."""
        self.begun = 0
        """How many files this process has begun."""

    def commit(self, lines: bytes) -> None:
        """Append and make durable, or raise OSError with the file as it was."""
        self._cut()
        self._choose()
        self._torn = True
        try:
            append_all(self._fd, lines)
            sync_data(self._fd)
        except OSError:
            self._cut()
            raise
        self._torn = False
        self._size += len(lines)

    def _cut(self) -> None:
        """Take off what a failed write left. A disk that fails may not let that be either: then nothing is written behind it."""
        if self._torn:
            os.ftruncate(self._fd, self._size)
            self._torn = False

    def close(self) -> None:
        """Nothing more is written."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _choose(self) -> None:
        """Go on in the current file, or begin one: the first, on another day, past its size, or where somebody else had to do with it."""
        now = self._wall()
        due = self._fd < 0 or not self._begins <= now < self._ends or self._size >= ROTATE_BYTES
        if not due and self._is_as_it_was_left():
            return
        found = os.stat(self.directory)
        home = found.st_dev, found.st_ino
        if self._home is not None and self._home != home:
            raise OSError(
                errno.ESTALE, "another directory has the place of the one that the gate began in; put that back, or restart the gate"
            )
        moment = datetime.fromtimestamp(now, UTC)
        begins = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        path = self.directory / _next_name(self.directory, moment.strftime("%Y%m%d"), self._path)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            sync_directory(self.directory)
        except OSError:
            os.close(fd)
            path.unlink(missing_ok=True)
            raise
        self.close()
        self.missed = None if due else (self._path, path)
        self._fd, self._size, self._path, self._home = fd, 0, path, home
        self.begun += 1
        self._begins, self._ends = begins.timestamp(), (begins + timedelta(days=1)).timestamp()

    def _is_as_it_was_left(self) -> bool:
        """Whether whoever reads the directory finds what was written here, and all of it."""
        try:
            found = os.stat(self._path, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return found.st_size == self._size and os.path.samestat(found, os.fstat(self._fd))


def _next_name(directory: Path, day: str, former: Path) -> str:
    """A name behind all that are there and the former one, for readers take the order of the names for the order of the chain: not a number that counts
    files, some of which may have been moved away, nor a day before that of a file from a time when the clock was ahead."""
    last, number = max(_name_of(path) for path in (former, *directory.glob("audit-*.jsonl")))
    if last >= day and number < MOST_OF_A_DAY:
        return f"audit-{last}-{number + 1:04d}.jsonl"
    return f"audit-{day if last < day else int(last) + 1}-0001.jsonl"


def _name_of(path: Path) -> tuple[str, int]:
    """Day and number; what somebody else put there comes before all."""
    name = _NAME.fullmatch(path.name)
    return (name[1], int(name[2])) if name is not None else ("", 0)


MOST_OF_A_DAY: Final = 9999
"""A number of more digits would stand before the others. Behind the last one comes the next day's first, and be it the 31st of November."""
_NAME: Final = re.compile(r"audit-([0-9]{8})-([0-9]+)\.jsonl")
sync_data: Final[Callable[[int], None]] = getattr(os, "fdatasync", os.fsync)
"""Makes what was written durable. Raises OSError."""


def append_all(fd: int, data: bytes) -> None:
    """Write all of it, or raise OSError with a part of it written."""
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, memoryview(data)[written:])
