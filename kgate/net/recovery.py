"""What a start finds in an audit directory: whether somebody writes there, where the chain goes on, and what a crash left open."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from twisted.logger import Logger

from kgate.audit.chain import GENESIS, Chain, open_records, sealed_hash
from kgate.errors import KgateError
from kgate.net.audit_file import AuditFile

log = Logger(__name__)

_LOCK: Final = ".lock"
_DRAINS: Final = b"drains\n"


def take_first(directories: Sequence[Path]) -> tuple[Path, int]:
    """The first of ``directories`` in which no process that drains still writes, and the descriptor that holds its lock. Raises KgateError, OSError."""
    for directory in directories:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            lock = take_lock(directory)
        except BlockingIOError as error:
            if (directory / _LOCK).read_bytes() != _DRAINS:
                raise KgateError(f"{directory}: another gate writes here; give each gate an audit directory of its own") from error
            continue
        if directory != directories[0]:
            log.info(
                "{busy}: a process that drains still writes here; this one writes {free}", busy=str(directories[0]), free=str(directory)
            )
        return directory, lock
    raise KgateError(f"{directories[0]}: a gate that drains still writes here; wait until it has ended, or stop it")


def close_abandoned(directory: Path, wall: Callable[[], float], ending: Callable[[str], dict[str, object]]) -> None:
    """End what a crash left open in a chain that nobody goes on with, each id by the record that ``ending`` makes. Raises KgateError where it cannot be
    used; one in which somebody writes is left alone."""
    file = AuditFile(directory, wall)
    lock = -1
    try:
        lock = take_lock(directory)
        head, left = left_behind(directory)
        chain = Chain(head)
        if left:
            file.commit(b"".join([chain.seal(ending(id_)) for id_ in left]))
    except BlockingIOError:
        return
    except OSError as error:
        raise unusable(directory, error) from error
    finally:
        file.close()
        if lock >= 0:
            os.close(lock)


def take_lock(directory: Path) -> int:
    """The descriptor that holds it. Raises BlockingIOError where another process has it, OSError."""
    lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    os.ftruncate(lock, 0)
    return lock


def say_it_drains(lock: int) -> None:
    """For whoever finds the directory locked: by a process that takes nothing new, and ends."""
    with suppress(OSError):  # where the disk takes nothing, whoever finds it reads that another gate writes, and waits too
        os.pwrite(lock, _DRAINS, 0)


def left_behind(directory: Path) -> tuple[str, list[str]]:
    """The head of the chain, and the ids that are open in it. Raises OSError."""
    files = sorted(directory.glob("audit-*.jsonl"))
    head = next((head for path in reversed(files) if (head := _last_hash(path))), GENESIS)
    return head, list(open_records(_lines(files[-2:])))


def unusable(directory: Path, error: OSError) -> KgateError:
    """In words."""
    return KgateError(f"{directory}: the audit directory cannot be used: {error.strerror}; check audit.directory")


def _last_hash(path: Path) -> str:
    """The hash of the last whole line; what stands behind it (a torn write) is moved to a file of its own."""
    data = path.read_bytes()
    end = data.rfind(b"\n") + 1
    if end < len(data):
        path.with_suffix(".torn").write_bytes(data[end:])
        os.truncate(path, end)
        data = data[:end]
    last = data[data.rfind(b"\n", 0, max(len(data) - 1, 0)) + 1 :]
    return sealed_hash(last) or "" if last else ""


def _lines(paths: list[Path]) -> Iterator[bytes]:
    for path in paths:
        with path.open("rb") as file:
            yield from file
