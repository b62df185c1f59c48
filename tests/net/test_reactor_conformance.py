"""Twisted's own tests of reactors, on the gate's: they are made for any reactor, by the class attribute ``reactorFactory``."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from twisted.internet.test.reactormixins import ReactorBuilder
from twisted.trial.unittest import SynchronousTestCase

from kgate.net.reactor import Reactor

pytestmark = pytest.mark.filterwarnings("ignore")  # of sockets left to the garbage collector, and of interfaces that are going away

_NOT_OURS = {
    "ReactorFDSetTestsBuilder": "test_lostFileDescriptor",  # epoll is not told of one that is closed under it; Twisted's epoll reactor is let off, too
    "ProcessTestsBuilder": "test_changeUID",  # asks whether it is root by what containers answer otherwise
}
_BUILDERS = {
    "core": ("SystemEventTestsBuilder",),
    "fdset": ("ReactorFDSetTestsBuilder",),
    "process": ("ProcessTestsBuilder",),
    "socket": (
        "AdoptStreamConnectionErrorsTestsBuilder",
        "AdoptStreamPortErrorsTestsBuilder",
        "IReactorSocketVerificationTestsBuilder",
    ),
    "tcp": (
        "AbortConnectionTests",
        "AdoptStreamConnectionTestsBuilder",
        "TCP4ClientTestsBuilder",
        "TCP4ConnectorTestsBuilder",
        "TCPConnectionTestsBuilder",
        "TCPFDPortTestsBuilder",
        "TCPPortTestsBuilder",
        "TCPTransportTestsBuilder",
    ),
    "threads": ("ThreadTestsBuilder",),
    "time": ("TimeTestsBuilder",),
    "unix": ("UNIXPortTestsBuilder", "UNIXTestsBuilder", "UnixClientTestsBuilder"),
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # they leave sockets in the folder they are run in


@pytest.fixture(autouse=True, scope="module")
def _swept() -> Iterator[None]:
    yield
    gc.collect()  # here, where what they left behind is let off, and not in somebody else's test


def _cases() -> dict[str, type]:
    found = {}
    for module, names in _BUILDERS.items():
        for name in names:
            builder = getattr(import_module(f"twisted.internet.test.test_{module}"), name)
            assert issubclass(builder, ReactorBuilder)
            own = {"reactorFactory": Reactor, "__module__": __name__, _NOT_OURS.get(name, ""): None}
            found[name] = type(name, (builder, SynchronousTestCase), own)
    return found


globals().update(_cases())
