"""The file that records are appended to, where the disk or the process has no more to give."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from running import a_full_disk

from kgate.net.audit_file import AuditFile

MOMENT = 1_800_000_000.0


@pytest.fixture
def file(tmp_path: Path) -> Iterator[AuditFile]:
    made = AuditFile(tmp_path, lambda: MOMENT)
    yield made
    made.close()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@contextmanager
def room_for_one_more() -> Iterator[None]:
    """Descriptor of this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_file_that_cannot_be_begun_for_want_of_descriptors_takes_none_along(file: AuditFile, tmp_path: Path) -> None:
    """It is tried again a few times a second: each try kept one, so that there was never one again."""
    before = descriptors()
    with room_for_one_more():
        for _ in range(3):
            with pytest.raises(OSError, match="Too many open files"):
                file.commit(b"one\n")
    assert descriptors() == before and list(tmp_path.iterdir()) == []
    file.commit(b"one\n")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"one\n"]


def test_what_a_failed_write_left_is_cut_off_before_the_next_though_it_could_not_be_at_once(
    file: AuditFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_fd: int, _length: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    file.commit(b"one\n")
    with a_full_disk(room=6), monkeypatch.context() as failing:
        failing.setattr(os, "ftruncate", broken)
        for _ in range(2):
            with pytest.raises(OSError, match="Input/output error"):
                file.commit(b"two, which has no room\n")
    file.commit(b"three\n")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"one\nthree\n"]
