"""Cores that stay awake while they are measured.

Between two messages a core has nothing to do and sleeps. In a virtual machine waking it costs 10 to 70 µs, by whether the hypervisor happens to
have waited for it, which depends on how long it slept the last times: a ping took 130 µs or 200 of any proxy, for minutes, and half of either was this.
While ``/dev/cpu_dma_latency`` is held open with a 0, cores wait without sleeping (Linux' PM QoS, Documentation/power/pm_qos_interface.rst).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

PATH = "/dev/cpu_dma_latency"


@contextlib.contextmanager
def awake() -> Iterator[str]:
    """For as long as this lasts, where the system lets us (as root, on Linux); gives what to say of it beside the figures."""
    try:
        held = os.open(PATH, os.O_WRONLY | os.O_CLOEXEC)
    except OSError as error:
        yield f"may sleep ({PATH}: {error.strerror})"
        return
    try:
        os.write(held, bytes(4))
        yield "kept awake"
    finally:
        os.close(held)
