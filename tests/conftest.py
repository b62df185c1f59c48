"""Puts tests/support on the path, so that its modules import by their own names."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))


@pytest.fixture(scope="session")
def global_reactor() -> Iterator[Any]:
    """The installed reactor, with its threads, for what Twisted gives no other to: the clock of its TLS. A test leaves nothing on it."""
    from twisted.internet import reactor as installed

    reactor: Any = installed
    reactor.startRunning(installSignalHandlers=False)
    yield reactor
    reactor.fireSystemEvent("shutdown")
