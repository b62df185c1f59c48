"""Recordings as files, for whoever reads them, of a gate that runs or of a copy: found by a request's id or a part of it, opened, listed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import BinaryIO

from kgate.audit.recording.cast import Event, Header, read_events, read_header
from kgate.audit.recording.names import SUFFIX
from kgate.errors import KgateError, UsageError, printable
from kgate.settings.files import unreadable

LONGEST_LINE = 16 * 1024 * 1024
"""Bytes: the gate writes lines of some hundred KiB at most."""
_MOST_NAMED = 5


def every(directory: Path) -> list[Path]:
    """All there are, the oldest first. Raises KgateError where there is no such folder, or one cannot be read: it would be an answer without it."""
    try:
        days = sorted(folder for folder in directory.iterdir() if folder.is_dir())
        return [day / name for day in days for name in sorted(_names(day)) if name.endswith(SUFFIX)]
    except PermissionError as error:
        raise refused(Path(error.filename or directory), error) from error
    except OSError as error:
        raise KgateError(
            f"{unreadable(directory, error)}; name the folder of the recordings with --recordings, or the audit's with --directory"
        ) from error


def _names(day: Path) -> list[str]:
    try:
        return os.listdir(day)
    except FileNotFoundError:
        return []  # it was removed meanwhile, as old days are


def find(directory: Path, text: str) -> Path:
    """The recording of the request whose id has ``text`` in it, or whose name it is. Raises KgateError for none, UsageError for several."""
    wanted = text.rpartition("/")[2].removesuffix(SUFFIX).upper()
    found = [path for path in every(directory) if wanted in path.name.removesuffix(SUFFIX)]
    exact = [path for path in found if path.name == wanted + SUFFIX]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if not found or not wanted:
        raise KgateError(
            f'{directory}: no recording has "{printable(text)}" in its name; kgate audit search recording!= lists what is recorded'
        )
    few = ", ".join(path.name.removesuffix(SUFFIX) for path in found[-_MOST_NAMED:])
    raise UsageError(
        f'{len(found):,} recordings have "{printable(text)}" in their name, the latest of them {few}; write more of the one that is meant'
    )


@contextmanager
def reading(path: Path) -> Iterator[tuple[Header, Iterator[Event]]]:
    """Its header, and its events as they are read. Raises KgateError where it cannot be read, or is none."""
    name = printable(str(path))
    try:
        file = path.open("rb")
    except OSError as error:
        raise refused(path, error) from error
    with file:
        lines = _lines(file, path)
        yield read_header(next(lines, b""), name), read_events(lines, name)


def refused(path: Path, error: OSError) -> KgateError:
    """In words."""
    return KgateError(f"{unreadable(path, error)}; run this as somebody who may read the gate's recordings")


def _lines(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """Those of one file. What goes wrong where they are used, such as a pipe that nobody reads, is none of its."""
    for number in count(1):
        try:
            line = file.readline(LONGEST_LINE)
        except OSError as error:
            raise refused(path, error) from error
        if not line:
            return
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            raise KgateError(
                f"{printable(str(path))}:{number}: this line is longer than any that a gate writes; kgate audit verify says whether somebody changed"
                " the file"
            )
        yield line
