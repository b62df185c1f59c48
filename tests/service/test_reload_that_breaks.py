"""A reload in which the gate itself has a fault: it shows where an operator looks, and the next one is as good as any."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from reactors import reactor_with_threads, turn_until
from small_configuration import small_configuration
from twisted.logger import LogEvent, globalLogPublisher

from kgate.net.disk import Disk
from kgate.net.turn import Turn
from kgate.net.watching import FilesRead
from kgate.service.reloading import Reloads
from kgate.settings import Configuration, load_configuration


@pytest.fixture
def reactor() -> Iterator[Any]:
    with reactor_with_threads() as made:
        yield made


def shared_by(reactor: Any, file: Path) -> Any:
    """What a gate's parts share, as far as a reload asks it."""
    return SimpleNamespace(
        reactor=reactor,
        disk=Disk(reactor, Turn(), time.monotonic),
        now=time.monotonic,
        records=SimpleNamespace(keep=lambda *_: "", in_force=lambda *_: None),
        configuration=lambda: load_configuration(file, time.time()),
        decide_again=lambda since: None,
    )


def test_a_fault_of_the_gate_s_own_shows_and_the_next_reload_is_a_good_one(tmp_path: Path, reactor: Any) -> None:
    file = small_configuration(tmp_path)
    in_force, logged, faults = list[Configuration](), list[LogEvent](), [LookupError("a bug in a part")]

    def put_in_force(configuration: Configuration) -> None:
        if faults:
            raise faults.pop()
        in_force.append(configuration)

    reloads = Reloads(shared_by(reactor, file), file, FilesRead(), lambda read, _: partial(put_in_force, read), str)
    reloads.start()
    globalLogPublisher.addObserver(logged.append)
    try:
        reloads.reload()
        turn_until(reactor, lambda: any("log_failure" in event for event in logged))
    finally:
        globalLogPublisher.removeObserver(logged.append)
    fault = "reloading failed, which is a fault of the gate; its log says where, and a restart takes the files as they are"
    assert reloads.refused and reloads.problems() == {"configuration": fault}
    turn_until(reactor, lambda: not reloads._reloading)
    reloads.reload()
    turn_until(reactor, lambda: bool(in_force))
    assert not reloads.refused and reloads.problems() == {}


def test_names_that_nobody_answers_for_hold_up_no_reload(tmp_path: Path, reactor: Any) -> None:
    """Each lookup takes a thread of the reactor's for as long as its resolver tries: rights must end while a company's DNS is away."""
    file, in_force, answered = small_configuration(tmp_path), list[Configuration](), threading.Event()
    for _ in range(10):
        reactor.getThreadPool().callInThread(answered.wait, 20)
    reloads = Reloads(shared_by(reactor, file), file, FilesRead(), lambda read, _: partial(in_force.append, read), str)
    reloads.start()
    try:
        reloads.reload()
        turn_until(reactor, lambda: bool(in_force))
    finally:
        answered.set()
