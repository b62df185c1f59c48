"""A file system that hangs: a mount of FUSE whose server never answers, so that whoever asks for anything in it waits, as on an NFS server that is away.

It needs Linux, /dev/fuse and the right to mount (root); where there is none the test is skipped.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_LIBC = ctypes.CDLL(None, use_errno=True)
_DETACH = 2


@contextmanager
def hung(path: Path) -> Iterator[Path]:
    """While this lasts the file or folder at ``path`` does not answer. Gives where what it hides can be reached; at the end that is there again, and
    whoever waits is told that it is gone (ENOTCONN)."""
    mode = stat.S_IFMT(path.stat().st_mode)
    behind = os.open(path, os.O_PATH)
    try:
        server = os.open("/dev/fuse", os.O_RDWR)
    except OSError as error:
        os.close(behind)
        pytest.skip(f"there is no FUSE here: {error}")
    try:
        options = f"fd={server},rootmode={mode:o},user_id=0,group_id=0,allow_other"
        if _LIBC.mount(b"hung", os.fsencode(path), b"fuse", 0, options.encode()):
            pytest.skip(f"nothing can be mounted here: {os.strerror(ctypes.get_errno())}")
        try:
            yield Path(f"/proc/self/fd/{behind}")
        finally:
            _LIBC.umount2(os.fsencode(path), _DETACH)
    finally:
        os.close(server)
        os.close(behind)
