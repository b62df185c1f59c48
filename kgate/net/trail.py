"""Reading audit files, of a gate that runs or of a copy: nothing is locked, nothing is written.

Each directory that has files is one chain: a gate with several workers has one for each. Several chains are read as one, in the order of their times.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kgate.audit.search import Search, time_of
from kgate.errors import KgateError

LOOK_SECONDS = 0.25
_FILES = "audit-*.jsonl"


def chains(directory: Path) -> list[list[Path]]:
    """The files of each chain below ``directory``, in order. Raises KgateError where there are none."""
    if not directory.is_dir():
        raise KgateError(f"{directory}: there is no such directory; name the gate's with --directory, or its configuration with --config")
    folders = sorted({path.parent for path in directory.rglob(_FILES)})
    if not folders:
        raise KgateError(f"{directory}: there are no audit files here; name the gate's audit directory with --directory")
    return [sorted(folder.glob(_FILES)) for folder in folders]


def lines(directory: Path, search: Search) -> Iterator[bytes]:
    """The lines within the span of time, oldest first. What stands after the last line end is still being written."""
    streams = [_lines(_since(files, search), search) for files in chains(directory)]
    return streams[0] if len(streams) == 1 else heapq.merge(*streams, key=time_of)


def size(directory: Path, search: Search) -> int:
    """How many bytes ``lines`` looks at, for a progress bar."""
    return sum(path.stat().st_size for files in chains(directory) for path in _since(files, search))


def whole_lines(path: Path) -> Iterator[bytes]:
    """Every line of one file."""
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield line


def follow(directory: Path, sleep: Callable[[float], object] = time.sleep) -> Iterator[bytes]:
    """Lines that are written from now on, for ever; new files and new chains included."""
    places = {path: path.stat().st_size for files in chains(directory) for path in files}
    while True:
        fresh = []
        for files in chains(directory):
            for path in files[-2:]:
                fresh += _after(path, places)
        yield from sorted(fresh, key=time_of)
        if not fresh:
            sleep(LOOK_SECONDS)


def _after(path: Path, places: dict[Path, int]) -> list[bytes]:
    with path.open("rb") as file:
        file.seek(places.get(path, 0))
        data = file.read()
    end = data.rfind(b"\n") + 1
    places[path] = places.get(path, 0) + end
    return data[:end].splitlines(keepends=True)


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
