"""Puts tests/support on the path, so that its modules import by their own names."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parent
sys.path.insert(0, str(TESTS / "support"))

TOGETHER = frozenset({"api", "demo", "e2e", "net", "service", "signing_in", "threats"})
"""Folders whose tests wait for processes, sockets and clusters: one after the other, so that none of them waits for another's processor time."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What ``--dist loadgroup`` keeps in one process: the folders above, and every other file by itself."""
    for item in items:
        place = item.path.relative_to(TESTS)
        item.add_marker(pytest.mark.xdist_group("together" if place.parts[0] in TOGETHER else place.as_posix()))


@pytest.fixture(scope="session")
def global_reactor() -> Iterator[Any]:
    """The installed reactor, with its threads, for what Twisted gives no other to: the clock of its TLS. A test leaves nothing on it."""
    from twisted.internet import reactor as installed

    reactor: Any = installed
    reactor.startRunning(installSignalHandlers=False)
    yield reactor
    reactor.fireSystemEvent("shutdown")
