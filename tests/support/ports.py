"""Ports for servers that tests start."""

from __future__ import annotations

import fcntl
import os
import random
import socket
from collections.abc import Iterator
from functools import cache
from itertools import cycle
from pathlib import Path
from tempfile import gettempdir

_RANGE = range(10_000, 32_768)
"""Below those that Linux gives to whoever connects (net.ipv4.ip_local_port_range): between the look here and the server's start, one of the many
connections of other tests could have it."""
_EACH = 256


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has at this moment, and no other process will be given here: a gate that is stopped and started finds it again."""
    while True:
        port = next(_of_this_process())
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port


@cache
def _of_this_process() -> Iterator[int]:
    """Ports of its own for as long as it lives, among all processes of tests on this machine: it has their file locked."""
    folder = Path(gettempdir(), f"kgate-test-ports-{os.getuid()}")
    folder.mkdir(exist_ok=True)
    ports = [_RANGE[begin : begin + _EACH] for begin in range(0, len(_RANGE), _EACH)]
    for mine in random.SystemRandom().sample(ports, len(ports)):
        held = os.open(folder / str(mine.start), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(held)
        else:
            return cycle(mine)
    raise AssertionError(f"all ports of {_RANGE} are other tests': see {folder}")
