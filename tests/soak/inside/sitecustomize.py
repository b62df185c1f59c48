"""In each process that the soak starts: another wall clock, and on SIGUSR2 a count of what the garbage collector knows, by type, into a file.

A gate that is not soaked has nothing of this.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path

AHEAD = float(os.environ.get("KGATE_SOAK_AHEAD", "0"))
OBJECTS = os.environ.get("KGATE_SOAK_OBJECTS", "")
MOST = 400


class Mallinfo(ctypes.Structure):
    """``struct mallinfo2`` of glibc."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    ]


def malloc() -> dict[str, int]:
    """What glibc's allocator has from the kernel (``arena``, ``hblkhd``), and of that in use and free."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallinfo2"):
        return {}
    libc.mallinfo2.restype = Mallinfo
    found = libc.mallinfo2()
    return {name: getattr(found, name) for name in ("arena", "hblkhd", "uordblks", "fordblks")}


def by_type() -> Counter[str]:
    """How many there are of each."""
    return Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())


def count(*_: object) -> None:
    """Write it, replacing the last one. Where a file ``collect`` or ``collect-PID`` lies there: what a whole collection finds too, and free memory is given
    back."""
    kinds = by_type()
    garbage: Counter[str] = Counter()
    if any((Path(OBJECTS) / name).exists() for name in ("collect", f"collect-{os.getpid()}")):
        gc.collect()
        garbage = kinds - by_type()
        ctypes.CDLL(None).malloc_trim(0)
    found = {
        "types": dict(kinds.most_common(MOST)),
        "garbage": dict(garbage.most_common(MOST)),
        "objects": sum(kinds.values()),
        "blocks": sys.getallocatedblocks(),
        "malloc": malloc(),
        "collections": [each["collections"] for each in gc.get_stats()],
    }
    path = Path(OBJECTS) / f"{os.getpid()}.json"
    path.with_suffix(".new").write_text(json.dumps(found))
    path.with_suffix(".new").rename(path)


if AHEAD:
    _time = time.time
    time.time = lambda: _time() + AHEAD
if OBJECTS:
    signal.signal(signal.SIGUSR2, count)
