"""Recordings on a real disk: there before anybody is told, whole after whatever, and honest when they cannot be."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lab.waiting import eventually
from reactors import dispose, make_reactor, turn_until
from running import a_full_disk
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from kgate.exchange.tape import Written
from kgate.net import reels as module
from kgate.net.reel_file import hashed, outlived, probed
from kgate.net.reels import BEHIND, CLOSING_PATIENCE, MOST_BEHIND, PATIENCE, SYNC_SECONDS, Reel, Reels

pytestmark = pytest.mark.threat("25")
HEADER = b'{"version":2}\n'
NAME = "2026-12-01/01A.cast"


class World:
    """Reels on a reactor of their own; the clock stands still until the test moves it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.reactor, self.clock = folder, make_reactor(), 100.0
        self.flushed = 0
        self.opened: list[str] = []
        self.failed: list[str] = []
        self.written: list[Written] = []
        self.reels = Reels(self.reactor, folder, lambda: self.clock, self.flush)

    def flush(self) -> None:
        self.flushed += 1

    def begin(self, name: str = NAME) -> Reel:
        """One that is open, or is known not to be."""
        told = len(self.opened)
        reel = self.reels.open(name, HEADER, self.opened.append, self.failed.append)
        turn_until(self.reactor, lambda: len(self.opened) > told)
        return reel

    def settled(self) -> None:
        """The thread has done all that it was given."""
        done: list[object] = []
        self.reels.do(lambda: None, done.append)
        turn_until(self.reactor, lambda: bool(done))

    def ends(self, reel: Reel) -> Written:
        told = len(self.written)
        reel.close(self.written.append)
        turn_until(self.reactor, lambda: len(self.written) > told)
        return self.written[-1]

    def passes(self, seconds: float) -> None:
        self.clock += seconds
        self.reels.tick()

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """A disk that hangs."""
        goes_on = threading.Event()
        self.reels.do(lambda: goes_on.wait(120), lambda job: None)
        try:
            yield
        finally:
            goes_on.set()

    @property
    def path(self) -> Path:
        return self.folder / NAME


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "audit" / "recordings")
    yield made
    made.reels._finish() if made.reels._stopping else made.reels.stop()
    dispose(made.reactor)


def test_the_header_is_on_the_disk_before_anybody_is_told_and_the_hash_is_the_files(world: World) -> None:
    reel = world.begin()
    assert world.opened == [""] and world.path.read_bytes() == HEADER
    for number in range(500):
        reel.write(b"[%d]\n" % number)
    written = world.ends(reel)
    data = world.path.read_bytes()
    assert data == HEADER + b"".join(b"[%d]\n" % number for number in range(500))
    assert written == Written(len(data), hashlib.sha256(data).hexdigest(), "")
    assert hashed(world.path) == written[:2]
    assert (world.reels.made, world.reels.bytes, len(world.reels)) == (1, len(data) - len(HEADER), 0)
    assert world.flushed


def test_nobody_elses_file_is_written_over_and_no_link_followed(world: World, tmp_path: Path) -> None:
    world.path.parent.mkdir(parents=True)
    (tmp_path / "elsewhere").write_text("theirs")
    world.path.symlink_to(tmp_path / "elsewhere")
    reel = world.begin()
    assert world.opened == ["File exists"] and world.reels.problem == "File exists"
    assert world.ends(reel) == Written(problem="File exists")
    assert (tmp_path / "elsewhere").read_text() == "theirs" and world.path.is_symlink()


def test_a_full_disk_says_no_at_the_beginning_and_leaves_nothing(world: World) -> None:
    with a_full_disk(room=5):
        reel = world.begin()
    assert world.opened == ["File too large"] and not world.path.exists()
    assert world.ends(reel) == Written(problem="File too large")
    world.begin("2026-12-01/01B.cast")
    assert world.opened[1:] == [""] and world.reels.problem == ""


def test_a_disk_that_gets_full_is_told_once_and_what_was_whole_is_proved(world: World) -> None:
    reel = world.begin()
    reel.write(b"[1]\n")
    world.settled()
    with a_full_disk(room=len(HEADER) + 6):
        reel.write(b"[22222]\n")
        turn_until(world.reactor, lambda: bool(world.failed))
        reel.write(b"[3]\n")
        world.settled()
    assert world.failed == ["File too large"]
    assert world.path.read_bytes() == HEADER + b"[1]\n", "a gate that is killed now leaves a valid beginning"
    reel.write(b"[4]\n")
    written = world.ends(reel)
    assert world.path.read_bytes() == HEADER + b"[1]\n"
    assert written == Written(*(hashed(world.path) or ()), problem="File too large")


def test_what_is_not_wanted_is_not_there(world: World) -> None:
    world.begin().drop()
    world.settled()
    assert not world.path.exists() and len(world.reels) == 0
    reel = world.reels.open(NAME, HEADER, world.opened.append, world.failed.append)
    reel.drop()
    world.settled()
    world.settled()
    assert not world.path.exists() and len(world.reels) == 0 and world.opened == [""]


def test_a_disk_that_hangs_at_the_beginning_is_told_in_time_and_the_file_goes_when_it_comes(world: World) -> None:
    with world.hanging():
        reel = world.reels.open(NAME, HEADER, world.opened.append, world.failed.append)
        world.passes(PATIENCE)
        assert world.opened == []
        world.passes(0.1)
        assert world.opened == ["the disk takes more than 2 s"] == [world.reels.problem]
        world.passes(PATIENCE)
        reel.close(world.written.append)
        assert world.written == [Written(problem="the disk takes more than 2 s")]
    turn_until(world.reactor, lambda: len(world.reels) == 0)
    assert not world.path.exists() and len(world.opened) == 1


def test_a_disk_that_hangs_in_the_middle_ends_it_in_time_and_its_end_does_not_wait_for_ever(world: World) -> None:
    reel = world.begin()
    with world.hanging():
        reel.write(b"[1]\n")
        reel.write(b"[2]\n")
        world.passes(PATIENCE)
        assert world.failed == []
        world.passes(0.1)
        assert world.failed == ["the disk takes more than 2 s"]
        reel.close(world.written.append)
        world.passes(CLOSING_PATIENCE + 0.1)
        assert world.written == [Written(problem="the disk takes more than 2 s")]
    turn_until(world.reactor, lambda: len(world.reels) == 0)
    assert len(world.written) == 1 and world.path.read_bytes() == HEADER + b"[1]\n"


def test_a_reactor_that_stood_still_is_not_taken_for_a_disk_that_hangs(world: World) -> None:
    reel = world.begin()
    reel.write(b"[1]\n")
    eventually("the thread has written it", lambda: world.path.read_bytes().endswith(b"[1]\n") and bool(world.reels._done))
    world.passes(PATIENCE + 1)
    assert world.failed == [] and world.ends(reel).problem == ""


def test_who_is_too_far_behind_fails_at_once(world: World) -> None:
    reel = world.begin()
    with world.hanging():
        reel.write(bytes(MOST_BEHIND))
        assert world.failed == []
        reel.write(b"x")
        assert world.failed == ["the disk is behind by more than 16 MiB"]


def test_who_writes_faster_than_the_disk_is_asked_to_wait_and_told_when_to_go_on(world: World) -> None:
    told: list[bool] = []
    reel = world.begin()
    reel.caught_up = lambda: told.append(reel.is_behind)
    reel.write(bytes(BEHIND))
    assert not reel.is_behind
    reel.write(b"x")
    assert reel.is_behind and told == []
    turn_until(world.reactor, lambda: told == [False])


def test_what_was_written_is_made_durable_after_a_while_one_after_the_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(module.ReelFile, "sync", lambda file: synced.append(file._path.name))
    reels = [world.begin(f"2026-12-01/{number}.cast") for number in (1, 2, 3)]
    synced.clear()
    for reel in reels[:2]:
        reel.write(b"[1]\n")
    world.settled()
    world.passes(SYNC_SECONDS - 0.1)
    assert synced == []
    world.passes(0.1)
    turn_until(world.reactor, lambda: sorted(synced) == ["1.cast", "2.cast"])
    world.passes(SYNC_SECONDS)
    world.settled()
    assert len(synced) == 2


def test_a_look_at_the_folder_lets_no_second_flush_begin_beside_one_that_is_under_way(world: World) -> None:
    reels = [world.begin(f"2026-12-01/{number}.cast") for number in (1, 2)]
    for reel in reels:
        reel.write(b"[1]\n")
    world.settled()
    jobs: list[str] = []
    do = world.reels.do
    with world.hanging():
        world.reels.look()
        world.reels.do = lambda work, then: (jobs.append("flush"), do(work, then))[1]  # type: ignore[method-assign]
        world.passes(SYNC_SECONDS)
        assert jobs == ["flush"]
        world.reels._looked(module._Job(str, str))
        world.reels.tick()
        assert jobs == ["flush"]
    turn_until(world.reactor, lambda: jobs == ["flush", "flush"])


def test_what_is_written_without_a_pause_is_made_durable_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever somebody looks, something of it is on its way."""
    reel, synced = world.begin(), list[str]()
    monkeypatch.setattr(module.ReelFile, "sync", lambda file: synced.append(file._path.name))
    for _ in range(4):
        with world.hanging():
            reel.write(b"[1]\n")
            world.passes(SYNC_SECONDS / 3)
        world.settled()
    world.settled()
    assert synced == ["01A.cast"] and world.failed == []
    assert world.ends(reel).size == len(HEADER) + 16


def test_one_that_ends_before_its_turn_to_be_made_durable_keeps_no_other_from_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    synced, first = list[str](), world.begin()
    first.write(b"[1]\n")
    world.settled()
    world.clock += SYNC_SECONDS - 1
    with world.hanging():
        first.write(b"[2]\n")
        world.passes(1)
        first.close(world.written.append)
    turn_until(world.reactor, lambda: bool(world.written))
    second = world.begin("2026-12-01/01B.cast")
    monkeypatch.setattr(module.ReelFile, "sync", lambda file: synced.append(file._path.name))
    second.write(b"[1]\n")
    world.settled()
    world.passes(SYNC_SECONDS)
    turn_until(world.reactor, lambda: synced == ["01B.cast"])


def test_a_recording_that_somebody_removes_is_not_gone_on_with(world: World) -> None:
    """By a tidy-up of old folders: what passed from then on was recorded nowhere."""
    reel = world.begin()
    reel.write(b"[1]\n")
    world.settled()
    world.path.unlink()
    world.passes(SYNC_SECONDS)
    turn_until(world.reactor, lambda: world.failed == ["somebody removed its file"])
    assert world.ends(reel).problem == "somebody removed its file"


def test_a_disk_on_which_nothing_can_be_made_durable_ends_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reel = world.begin()
    reel.write(b"[1]\n")
    world.settled()

    def fails(_file: object) -> None:
        raise OSError(5, os.strerror(5))

    monkeypatch.setattr(module.ReelFile, "sync", fails)
    world.passes(SYNC_SECONDS)
    turn_until(world.reactor, lambda: world.failed == ["Input/output error"])


def test_a_gate_that_stops_waits_for_what_is_recorded(world: World) -> None:
    reel = world.begin()
    reel.write(b"[1]\n")
    reel.close(world.written.append)
    stopped: list[object] = []
    world.reels.stop().addCallback(stopped.append)
    assert stopped == []
    turn_until(world.reactor, lambda: bool(stopped))
    assert world.written[0].size == len(HEADER) + 4


def test_an_end_that_nobody_tells_is_told_where_the_gate_stops(world: World) -> None:
    reel = world.begin()
    stopped: list[object] = []
    with world.hanging():
        reel.close(world.written.append)
        world.reels.stop().addCallback(stopped.append)
        world.reels._finish()
    assert world.written == [Written(problem="the disk takes more than 2 s")] and stopped == [None]


def test_a_folder_that_cannot_be_written_is_noticed_and_so_is_its_end(world: World, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert probed(tmp_path / "file" / "below", by_writing=False) == f"{tmp_path / 'file'} cannot be written to"
    assert probed(tmp_path / "not" / "there", by_writing=True) == ""
    with a_full_disk(room=5):
        assert probed(tmp_path, by_writing=True) == "File too large"
        world.begin()
    assert world.reels.problem == "File too large"
    world.reels.look()
    turn_until(world.reactor, lambda: world.reels.problem == "")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["file"]


def test_days_that_are_over_go_with_all_that_was_recorded_on_them(world: World) -> None:
    days = ("2026-11-28", "2026-11-29", "2026-11-30", "policies")
    for day in days:
        for name in ("A.cast", "B.cast"):
            (world.folder / day).mkdir(parents=True, exist_ok=True)
            (world.folder / day / name).write_text("x")
            os.utime(world.folder / day / name, (1_795_824_000.0, 1_795_824_000.0))  # 2026-11-28
    os.utime(world.folder / "2026-11-29" / "B.cast", (1_796_100_000.0, 1_796_100_000.0))  # lived on into December
    before = 1_796_000_000.0  # 2026-11-30 00:53
    assert outlived(world.folder, before) == [("2026-11-28", 2)]
    found: list[list[tuple[str, int]]] = []
    world.reels.outlived(before, found.append)
    turn_until(world.reactor, lambda: found == [[("2026-11-28", 2)]])
    logged: list[LogEvent] = []
    globalLogPublisher.addObserver(logged.append)
    world.reels.remove("2026-11-28")
    (world.folder / "2026-11-27" / "A.cast").mkdir(parents=True)  # which no unlink removes
    world.reels.remove("2026-11-27")
    world.settled()
    globalLogPublisher.removeObserver(logged.append)
    (said,) = map(formatEvent, logged)
    assert said == f"{world.folder}/2026-11-27: these recordings are to be removed, which is on record, and cannot be: Is a directory"
    (world.folder / "2026-11-27" / "A.cast").rmdir()
    (world.folder / "2026-11-27").rmdir()
    assert sorted(path.name for path in world.folder.iterdir()) == sorted(days[1:])
    assert outlived(world.folder / "nowhere", before) == []
