"""Reading audit files, of a gate that runs or of a copy: nothing is locked, nothing is written.

Each directory that has files is one chain: a gate with several workers has one for each. Several chains are read as one, in the order of their times.
What cannot be read raises KgateError: an answer that leaves something out is none.
"""

from __future__ import annotations

import heapq
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from fnmatch import filter as named
from pathlib import Path
from typing import BinaryIO, NoReturn

from kgate.audit.recording.names import FOLDER
from kgate.audit.search import Search, time_of
from kgate.errors import KgateError
from kgate.settings.files import unreadable

LOOK_SECONDS = 0.25
BLOCK = 256 * 1024
"""Bytes that are read at once on the way back."""
_FILES = "audit-*.jsonl"
Places = dict[Path, int]
"""Up to where each file was read: behind a line's end."""


def chains(directory: Path) -> list[list[Path]]:
    """The files of each chain below ``directory``, in order. Raises KgateError where there are none."""
    found = _chains(directory)
    if not found:
        raise KgateError(f"{directory}: there are no audit files here; name the gate's audit directory with --directory")
    return found


def _chains(directory: Path) -> list[list[Path]]:
    with _reading(directory):
        if not directory.is_dir():
            raise KgateError(
                f"{directory}: there is no such directory; name the gate's with --directory, or its configuration with --config"
            )
    found = sorted((Path(folder), sorted(named(names, _FILES))) for folder, names in _folders(directory))
    return [[folder / name for name in names] for folder, names in found if names]


def packed(directory: Path) -> list[str]:
    """The names of files of chains that are not read, for somebody compressed or renamed them (``audit-20261127-0001.jsonl.gz``)."""
    with _reading(directory):
        folders = _folders(directory) if directory.is_dir() else ()
    return sorted(name for _, names in folders for name in named(names, f"{_FILES}.*"))


def _folders(directory: Path) -> Iterator[tuple[str, list[str]]]:
    """Each folder and the names in it, but for recordings, which may be very many."""
    for folder, inside, files in os.walk(directory, onerror=_refuse):
        yield folder, [*inside, *files]
        if FOLDER in inside:
            inside.remove(FOLDER)


def lines(directory: Path, search: Search) -> Iterator[bytes]:
    """The lines within the span of time, oldest first. What stands after the last line end is still being written."""
    streams = [_lines(_since(files, search), search) for files in chains(directory)]
    return streams[0] if len(streams) == 1 else heapq.merge(*streams, key=time_of)


def size(directory: Path, search: Search) -> int:
    """How many bytes ``lines`` looks at, for a progress bar."""
    return sum(file_size(path) for files in chains(directory) for path in _since(files, search))


def whole_lines(path: Path) -> Iterator[bytes]:
    """Every line of one file."""
    with _reading(path), path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield line


def ends(directory: Path) -> Places:
    """Up to where there are lines now. A chain's last file may have half a line behind that."""
    places: Places = {}
    for *finished, last in chains(directory):
        places |= {path: file_size(path) for path in finished} | {last: _line_end(last)}
    return places


def latest(directory: Path, places: Places) -> Iterator[bytes]:
    """The lines before ``places``, the latest first; hardly more is read than is taken."""
    return heapq.merge(*(_backwards(files, places) for files in chains(directory)), key=time_of, reverse=True)


def follow(directory: Path, places: Places, sleep: Callable[[float], object] = time.sleep) -> Iterator[bytes]:
    """Lines that are written from ``places`` on, for ever; new files and new chains included, however many came since the last look. A file is kept open
    until the next one of its chain is there: what was written before somebody moved it away is in no file of the directory any more."""
    held: dict[Path, BinaryIO] = {}
    with ExitStack() as stack:
        while True:
            found = _chains(directory)
            for path in _unread(found, places):
                _hold(path, held, places, stack)
            fresh = [line for path, file in held.items() for line in _after(path, file, places)]
            for path in _finished(found, held):
                held.pop(path).close()
            yield from sorted(fresh, key=time_of)
            if not fresh:
                sleep(LOOK_SECONDS)


def _unread(found: list[list[Path]], places: Places) -> Iterator[Path]:
    """Of each chain the last file that was read of, and those behind it."""
    for files in found:
        known = [number for number, path in enumerate(files) if path in places]
        yield from files[known[-1] if known else 0 :]


def _finished(found: list[list[Path]], held: Iterable[Path]) -> list[Path]:
    """Those whose chain has gone on to another file."""
    last = {files[-1].parent: files[-1] for files in found}
    return [path for path in held if last.get(path.parent, path) != path]


def _hold(path: Path, held: dict[Path, BinaryIO], places: Places, stack: ExitStack) -> None:
    if path in held:
        return
    try:
        held[path] = stack.enter_context(path.open("rb"))
    except FileNotFoundError:
        return  # moved away since it was listed
    except OSError as error:
        _refuse(error, path)
    places.setdefault(path, 0)


def file_size(path: Path) -> int:
    """In bytes."""
    with _reading(path):
        return path.stat().st_size


def _after(path: Path, file: BinaryIO, places: Places) -> list[bytes]:
    with _reading(path):
        file.seek(places[path])
        data = file.read()
    end = data.rfind(b"\n") + 1
    places[path] += end
    return data[:end].splitlines(keepends=True)


def _backwards(files: list[Path], places: Places) -> Iterator[bytes]:
    for path in reversed(files):
        part = b""
        for block in _blocks_back(path, places.get(path, 0)):
            *lines, rest = (block + part).split(b"\n")  # what stands behind the last line end is no line
            if not lines:
                part = rest
                continue
            yield from (line + b"\n" for line in reversed(lines[1:]))
            part = lines[0] + b"\n"
        if part.endswith(b"\n"):
            yield part


def _blocks_back(path: Path, place: int) -> Iterator[bytes]:
    """What stands before ``place``, the last block first."""
    with _reading(path), path.open("rb") as file:
        while place > 0:
            size = min(place, BLOCK)
            place -= size
            file.seek(place)
            yield file.read(size)


def _line_end(path: Path) -> int:
    place = file_size(path)
    for block in _blocks_back(path, place):
        end = block.rfind(b"\n")
        if end >= 0:
            return place - len(block) + end + 1
        place -= len(block)
    return 0


def _lines(files: list[Path], search: Search) -> Iterator[bytes]:
    first, last = search.first, search.last
    for path in files:
        for line in whole_lines(path):
            if first <= time_of(line) < last:
                yield line


def _since(files: list[Path], search: Search) -> list[Path]:
    """Without those that were finished before the span began: a file bears the day on which it was begun or, after
    a clock that was ahead, a later one, and none lasts longer."""
    if search.since is None:
        return files
    day = (datetime.fromtimestamp(search.since, UTC) - timedelta(days=1)).strftime("%Y%m%d")
    return [path for path in files if path.name.split("-")[1] >= day]


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        _refuse(error, path)


def _refuse(error: OSError, path: Path | None = None) -> NoReturn:
    denied = isinstance(error, PermissionError)
    what_to_do = "run this as somebody who may read the gate's audit" if denied else "name another directory, or a copy of this one"
    raise KgateError(f"{unreadable(path or Path(error.filename), error)}; {what_to_do}") from error
