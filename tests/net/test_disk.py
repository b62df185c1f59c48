"""Files that hang: nobody waits for one twice, what hangs is said by its name, and what is read elsewhere goes on."""

from __future__ import annotations

import gc
import os
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from disk_at_once import BusyDisk, DiskAtOnce, asked
from reactors import reactor_with_threads, turn_until
from twisted.internet.task import Clock
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from kgate.net.disk import HUNG_SECONDS, Disk, Hangs
from kgate.net.files import stamp
from kgate.net.turn import Turn
from kgate.net.watching import FilesFollowed, FilesRead

FILE = Path("/mnt/secrets/token")


def test_what_hangs_is_said_when_it_begins_and_when_it_is_over() -> None:
    clock, logged = Clock(), list[LogEvent]()
    disk = DiskAtOnce(clock)
    globalLogPublisher.addObserver(logged.append)
    try:
        with asked(disk, FILE):
            disk.tick()
            assert disk.problems() == {}
            for _ in range(5):
                clock.advance(HUNG_SECONDS)
                disk.tick()
            words = "what was read of it last counts until it does; look at the file system that it is on (findmnt -T shows which)"
            assert disk.problems() == {f"file {FILE}": f"has not answered for 10 s: {words}"}
        disk.tick()
        assert disk.problems() == {}
    finally:
        globalLogPublisher.removeObserver(logged.append)
    assert [formatEvent(event) for event in logged] == [
        f"{FILE} has not answered for 2 s: {words}",
        f"{FILE} answers again, after 10 s",
    ]


def test_nobody_waits_a_second_time_for_what_hangs() -> None:
    clock = Clock()
    disk = DiskAtOnce(clock)
    with asked(disk, FILE):
        assert disk.ask(FILE, lambda: "at once, as far as is known") != ""
        clock.advance(HUNG_SECONDS)
        with pytest.raises(Hangs, match="it has not answered for 2 s"):
            disk.ask(FILE, lambda: pytest.fail("it was asked"))
        assert disk.ask(FILE.with_name("another"), lambda: "there") == "there"
        failed: list[Any] = []
        disk.file(FILE).read().addErrback(lambda failure: failed.append(failure.value))
        assert isinstance(failed[0], Hangs)
    assert disk.ask(FILE, lambda: "there again") == "there again"


def test_a_pipe_in_a_file_s_place_is_none(tmp_path: Path) -> None:
    """To open one waits until somebody writes."""
    os.mkfifo(tmp_path / "token")
    failed: list[Any] = []
    DiskAtOnce().file(tmp_path / "token").read().addErrback(lambda failure: failed.append(failure.value))
    assert failed[0].strerror == "it is not a regular file"


def test_files_that_hang_while_others_are_followed_are_read_again_until_they_answer(tmp_path: Path) -> None:
    path, clock, taken = tmp_path / "facts", Clock(), list[str]()
    path.write_text("one")
    disk = BusyDisk(clock)
    followed = FilesFollowed(disk, {path: stamp(path)}, lambda: disk.ask(path, path.read_text), taken.append)
    path.write_text("two, longer")
    for _ in range(2):
        followed.tick()
        disk.answer()
    with asked(disk, path):  # a reload reads it
        clock.advance(HUNG_SECONDS)
        assert disk.answer() == 1 and taken == []
        followed.tick()
        assert disk.answer() == 1 and taken == []
    followed.tick()
    disk.answer()
    assert taken == ["two, longer"]


@pytest.fixture
def reactor() -> Iterator[Any]:
    with reactor_with_threads() as made:
        yield made


def test_a_reading_goes_on_behind_a_file_that_hangs_and_is_less_patient_with_the_next(tmp_path: Path, reactor: Any) -> None:
    disk, over = Disk(reactor, Turn(), time.monotonic), threading.Event()
    (tmp_path / "there").write_text("text")
    files = FilesRead(disk)
    began = time.monotonic()
    for name in ("one", "two", "three"):
        with pytest.raises(Hangs):
            files.ask(tmp_path / name, lambda: over.wait(120))
        assert files.read(tmp_path / "there") == b"text"
    over.set()
    assert time.monotonic() - began < 2 * HUNG_SECONDS + 1
    assert [files.stamps[tmp_path / name] for name in ("one", "two", "three")] == [None] * 3


def test_a_thread_is_there_while_there_is_work_and_tells_in_order_and_in_a_turn_of_its_own(reactor: Any) -> None:
    flushed, told, turn = list[int](), list[int](), Turn()

    class Connection:
        def flush(self) -> None:
            flushed.append(len(told))

    def take(number: int) -> None:
        told.append(number)
        turn.mark(Connection())

    beside = Disk(reactor, turn, time.monotonic).beside("test")
    assert not named("kgate-test")
    for number in range(20):
        beside.do(lambda number=number: number).addCallback(take)
    failed: list[str] = []
    beside.do(lambda: 1 // 0).addErrback(lambda failure: failed.append(failure.getErrorMessage()))
    turn_until(reactor, lambda: bool(failed))
    assert told == list(range(20)) and flushed == list(range(1, 21))
    (thread,) = named("kgate-test")
    assert thread.daemon
    turn_until(reactor, lambda: not named("kgate-test"))
    beside.do(lambda: 20).addCallback(take)
    turn_until(reactor, lambda: told[-1] == 20)


class Made:
    """What a thread made."""


def test_nothing_is_kept_of_what_was_told(reactor: Any) -> None:
    """Not even until the collector comes, which passes by whatever there was when a large policy was read."""
    beside, told = Disk(reactor, Turn(), time.monotonic).beside("test"), list[weakref.ref[Made]]()
    gc.collect()
    gc.disable()
    try:
        beside.do(Made).addCallback(lambda made: told.append(weakref.ref(made)))
        turn_until(reactor, lambda: bool(told))
        turn_until(reactor, lambda: told[0]() is None)  # once the thread, which told it, has come to wait for more
    finally:
        gc.enable()


def named(name: str) -> list[threading.Thread]:
    """The threads of that name."""
    return [thread for thread in threading.enumerate() if thread.name == name]
