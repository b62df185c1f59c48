"""Ports for servers that tests start."""

from __future__ import annotations

import os
import random
import socket

_RANGE = range(10_000, 32_768)
"""Below those that Linux gives to whoever connects (net.ipv4.ip_local_port_range): between the look here and the server's start, one of the many
connections of other tests could have it."""
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_MINE = _RANGE[int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % _WORKERS :: _WORKERS]
"""Of as many shares as pytest has workers: for as long as no server has it, another worker would be given the same port."""
_chosen = random.SystemRandom()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has at this moment."""
    while True:
        port = _chosen.choice(_MINE)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
