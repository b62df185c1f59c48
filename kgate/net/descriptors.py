"""How many files and connections this process may have open, and for whom the last of them are kept.

Systems start a process with 1,024 that may be raised, which a few hundred clients and their clusters' connections are: then nothing can be opened any more, no
connection to a cluster, no audit file of the next day, no file of the policy that is to take somebody's rights away, and a stranger who only
connects brings that about (security.md class 19). So the limit is raised to what the configured connections need, as far as the system lets it; and a new
descriptor is the lowest that is free, so one with a high number is among the last: clients are turned away there, then clusters.
"""

from __future__ import annotations

import resource
import sys
from contextlib import suppress
from typing import Final

OWN: Final = 64
"""For the gate's own files: configuration, policy, audit, store, and those who are asked about tokens and facts."""


def most() -> int:
    """How many there may be."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def raise_most(clients: int) -> None:
    """Have what ``clients`` connections at once, each with one to a cluster, and the gate itself need; what the system does not let be is left as it is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 3 * clients + 2 * OWN
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def is_for_clients(descriptor: int) -> bool:
    """Whether a client may have it: a quarter of all is kept for clusters, besides the gate's own."""
    there = most()
    return descriptor < there - there // 4 - OWN


def is_for_clusters(descriptor: int) -> bool:
    """Whether a connection to a cluster may have it."""
    return descriptor < most() - OWN
