"""What one durable write takes on this disk, with no gate around it: the least that waiting for an audit record can cost."""

from __future__ import annotations

import os
import time
from pathlib import Path

from bench.ground import Ground

RECORDS = b"x" * 1023 + b"\n"
"""As long as the end of one request and the beginning of the next."""
PAUSE = 0.002
"""Seconds, as between requests at 500 a second: a disk and a core that rest in between take longer."""


def durable_writes_ms(ground: Ground, times: int) -> list[float]:
    """So many of ``write`` and ``fdatasync`` at the end of a file where the gate's audit is, on the gate's core: milliseconds of each."""
    path, before = ground.folder / "durable", os.sched_getaffinity(0)
    if ground.cores.proxy is not None:
        os.sched_setaffinity(0, {ground.cores.proxy})
    try:
        return [took * 1e3 for took in _writes(path, times)]
    finally:
        os.sched_setaffinity(0, before)
        path.unlink()


def _writes(path: Path, times: int) -> list[float]:
    took: list[float] = []
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        for _ in range(times):
            time.sleep(PAUSE)
            began = time.perf_counter()
            os.write(file, RECORDS)
            os.fdatasync(file)
            took.append(time.perf_counter() - began)
    finally:
        os.close(file)
    return took
