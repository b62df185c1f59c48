"""The file of one recording: made durable with its header before anything passes, appended to, hashed as it grows. Used by the writer thread only.

What could not be written whole is taken off again, so that there is a valid beginning at any moment; the hash is of exactly that. Folders are for their
owner alone, one a day, and no link is followed into somebody else's.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from kgate.audit.recording.names import SUFFIX, day_ends
from kgate.net.audit_file import append_all, sync_data
from kgate.net.files import sync_directory

_BLOCK: Final = 1 << 20


class ReelFile:
    """One file. Every method but ``drop`` raises OSError."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory, self._path = directory, directory / name
        self._fd = -1
        self._hash = sha256()
        self._size = 0
        self._torn = False
        """Whether more may stand in it than was hashed."""

    def open(self, header: bytes) -> None:
        """Make it, durably. What could not be made is not there."""
        folder = self._path.parent
        _make(self._directory)
        _make(folder)
        self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            self.append(header)
            self.sync()
            sync_directory(folder)
        except OSError:
            self.drop()
            raise

    def append(self, data: bytes) -> None:
        """All of it, or nothing."""
        self._torn = True
        try:
            append_all(self._fd, data)
        except OSError:
            self._cut()
            raise
        self._torn = False
        self._size += len(data)
        self._hash.update(data)

    def sync(self) -> None:
        """Make what was appended durable. A file without a name is none: what is written to it is gone with this process. (Some file systems count no names,
        and one that was moved with its folder is whole there.)"""
        sync_data(self._fd)
        if os.fstat(self._fd).st_nlink == 0 and not os.path.lexists(self._path):
            raise FileNotFoundError(errno.ENOENT, "somebody removed its file")

    def finish(self) -> tuple[int, str]:
        """Nothing more comes: its size, and its SHA-256 in hex."""
        try:
            if self._torn:
                self._cut()
            os.fsync(self._fd)
        finally:
            self._close()
        return self._size, self._hash.hexdigest()

    def drop(self) -> None:
        """It is not to be there. A folder of others stays."""
        if self._fd >= 0:
            self._close()
            with suppress(OSError):
                self._path.unlink()

    def _cut(self) -> None:
        os.ftruncate(self._fd, self._size)
        self._torn = False

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        os.close(fd)


def _make(folder: Path) -> None:
    """A folder of our own, and its name durable."""
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_directory(folder.parent)


# --- the folder of all of them


def probed(directory: Path, *, by_writing: bool) -> str:
    """Why recordings cannot be made there; empty where they can. Nothing is left behind."""
    try:
        place = next(folder for folder in (directory, *directory.parents) if folder.exists())
        if not os.access(place, os.W_OK | os.X_OK):
            return f"{place} cannot be written to"
        if by_writing:
            _write_and_remove(place / f".probe-{os.getpid()}")
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _write_and_remove(path: Path) -> None:
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "wb", buffering=0) as file:
            append_all(file.fileno(), bytes(_BLOCK // 16))
    finally:
        path.unlink(missing_ok=True)


def hashed(path: Path) -> tuple[int, str] | None:
    """Size and SHA-256 of a recording as it stands; None where there is none. Raises OSError where it cannot be read."""
    found, size = sha256(), 0
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb", buffering=0) as file:
            while block := file.read(_BLOCK):
                size += len(block)
                found.update(block)
    except FileNotFoundError:
        return None
    return size, found.hexdigest()


def outlived(directory: Path, before: float) -> list[tuple[str, int]]:
    """The days that were over before that instant (Unix seconds), as were all of their recordings; and how many each has. Raises OSError."""
    try:
        names = sorted(os.listdir(directory))
    except FileNotFoundError:
        return []
    found = []
    for name in names:
        ended = day_ends(name)
        if ended is not None and ended <= before:
            changed = [path.stat().st_mtime for path in _casts(directory / name)]
            if changed and max(changed) <= before:
                found.append((name, len(changed)))
    return found


def remove(directory: Path, day: str) -> None:
    """Remove a day's recordings. Raises OSError."""
    for path in _casts(directory / day):
        path.unlink()
    with suppress(OSError):  # what else somebody put there is theirs
        (directory / day).rmdir()


def _casts(folder: Path) -> Iterator[Path]:
    return folder.glob(f"*{SUFFIX}")
