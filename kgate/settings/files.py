"""Reading what the configuration names, with a sentence for everything that can go wrong."""

from __future__ import annotations

import errno
import stat
from collections.abc import Callable
from pathlib import Path

from kgate.documents.reading import MAX_BYTES

Read = Callable[[Path], bytes]
"""Gives a file's bytes or raises OSError."""
FilesOf = Callable[[Path], tuple[Path, ...]]
"""The policy files of a folder; of a file itself. Raises OSError."""


def read_file(path: Path) -> bytes:
    """The bytes of a regular file, at most one more than ``MAX_BYTES``: never a device or a pipe, which might not end."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a directory")
    if not stat.S_ISREG(mode):
        raise OSError(0, "it is not a regular file")
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def unreadable(path: Path, error: OSError) -> str:
    """Why ``path`` could not be read."""
    if isinstance(error, FileNotFoundError):
        return f"{path} does not exist"
    return f"{path} cannot be read: {(error.strerror or str(error)).lower()}"
