"""Puts tests/support on the path, so that its modules import by their own names."""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from twisted.logger import FilteringLogObserver, LogLevel, LogLevelFilterPredicate, globalLogBeginner, textFileLogObserver

sys.path.insert(0, str(Path(__file__).parent / "support"))

# How long an example takes is the machine's matter, and the bench's; so is how long it takes to make one up.
settings.register_profile("kgate", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kgate")


def pytest_configure() -> None:
    """Until a program begins to log, Twisted keeps the last 200 events, and the frames and sockets of a test's failures with them. And Ctrl-C is a signal."""
    critical = FilteringLogObserver(textFileLogObserver(sys.stderr), [LogLevelFilterPredicate(LogLevel.critical)])
    globalLogBeginner.beginLoggingTo([critical], discardBuffer=True, redirectStandardIO=False)
    if (
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):  # as a shell without job control starts what it is to run behind it; children have that too
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Modules and tests stay for the whole run: the collector need not walk over them, neither while they come nor later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


ORDER = ("tests/wire/", "tests/e2e/", "tests/test_packaging.py", "tests/signing_in/", "tests/service/")
"""What computes comes first, while scripts/test still compiles; then what takes longest, or one worker would have it left when the others are done."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """See ``ORDER``."""
    items.sort(key=lambda item: next((rank for rank, begin in enumerate(ORDER) if item.nodeid.startswith(begin)), len(ORDER)))


@pytest.fixture(scope="session")
def global_reactor() -> Iterator[Any]:
    """The installed reactor, with its threads, for what Twisted gives no other to: the clock of its TLS. A test leaves nothing on it."""
    from twisted.internet import reactor as installed

    reactor: Any = installed
    reactor.startRunning(installSignalHandlers=False)
    yield reactor
    reactor.fireSystemEvent("shutdown")
