"""A change is told once, after it has settled; a look that does not come back is waited for, and no other begun."""

from __future__ import annotations

from pathlib import Path

from disk_at_once import BusyDisk, DiskAtOnce, asked
from twisted.internet.task import Clock

from kgate.net.disk import HUNG_SECONDS
from kgate.net.files import stamp
from kgate.net.watching import FileWatch


class Watched:
    """Files as they are now, looked at."""

    def __init__(self, *paths: Path) -> None:
        self.told = 0
        self.watch = FileWatch(DiskAtOnce(), self.changed, {path: stamp(path) for path in paths})

    def changed(self) -> None:
        self.told += 1

    def looks(self, times: int) -> list[bool]:
        """Which of so many looks told a change."""
        found = []
        for _ in range(times):
            before = self.told
            self.watch.tick()
            found.append(self.told > before)
        return found


def test_a_change_is_told_once_when_it_has_settled(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("one")
    watched = Watched(policy)
    assert watched.looks(1) == [False]
    policy.write_text("two, longer")
    assert watched.looks(3) == [False, True, False]


def test_a_file_that_is_replaced_removed_or_made_counts(tmp_path: Path) -> None:
    policy, other = tmp_path / "policy.yaml", tmp_path / "new.yaml"
    policy.write_text("same")
    other.write_text("same")
    watched = Watched(policy, tmp_path / "later.yaml")
    other.rename(policy)
    assert watched.looks(2) == [False, True]
    policy.unlink()
    assert watched.looks(2) == [False, True]
    (tmp_path / "later.yaml").write_text("here")
    assert watched.looks(2) == [False, True]


def test_a_file_that_may_be_read_again_counts(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("same")
    policy.chmod(0o000)
    watched = Watched(policy)
    policy.chmod(0o644)
    assert watched.looks(2) == [False, True]


def test_a_file_that_nobody_read_counts_from_the_first_look_on(tmp_path: Path) -> None:
    policy, folder = tmp_path / "policy.yaml", tmp_path / "policies"
    policy.write_text("one")
    watched = Watched(policy)
    watched.watch.watch((policy, folder), {})
    assert watched.looks(3) == [False, False, False]
    folder.mkdir()
    assert watched.looks(2) == [False, True]


def test_one_look_is_under_way_at_a_time_and_is_taken_whenever_it_comes(tmp_path: Path) -> None:
    policy, told, disk = tmp_path / "policy.yaml", list[str](), BusyDisk()
    policy.write_text("one")
    watch = FileWatch(disk, lambda: told.append(policy.read_text()), {policy: stamp(policy)})
    for _ in range(100):
        watch.tick()
    policy.write_text("two, longer")
    assert disk.answer() == 1 and told == []
    watch.tick()
    assert disk.answer() == 1 and told == ["two, longer"]


def test_the_reactor_is_woken_for_news_only(tmp_path: Path) -> None:
    policy, told, disk = tmp_path / "policy.yaml", list[int](), BusyDisk()
    policy.write_text("one")
    watch = FileWatch(disk, lambda: told.append(1), {policy: stamp(policy)})

    def woken() -> int:
        before = disk.woken
        watch.tick()
        assert disk.answer() == 1
        return disk.woken - before

    assert [woken() for _ in range(3)] == [0, 0, 0]
    policy.write_text("two, longer")
    assert [woken() for _ in range(4)] == [1, 1, 0, 0]
    assert told == [1]


def test_a_look_that_comes_when_others_are_watched_is_none(tmp_path: Path) -> None:
    one, two, told, disk = tmp_path / "one", tmp_path / "two", list[int](), BusyDisk()
    watch = FileWatch(disk, lambda: told.append(1), {one: None, two: None})
    watch.tick()
    watch.watch((one,), {})
    for _ in range(4):
        disk.answer()
        watch.tick()
    assert told == []


def test_a_look_that_a_file_holds_up_is_given_up_and_the_others_are_looked_at(tmp_path: Path) -> None:
    clock, told = Clock(), list[int]()
    one, silent, disk = tmp_path / "one", tmp_path / "silent", BusyDisk(clock)
    silent.write_text("as ever")
    watch = FileWatch(disk, lambda: told.append(1), {one: None, silent: stamp(silent)})
    watch.tick()
    held_up = disk.taken()
    with asked(disk, silent):
        watch.tick()
        assert disk.answer() == 0
        clock.advance(HUNG_SECONDS)
        one.write_text("new")
        for _ in range(3):
            watch.tick()
            assert disk.answer() == 1
        assert told == [1]
        silent.write_text("another")
    for work in held_up:
        work()
    for _ in range(3):
        watch.tick()
        disk.answer()
    assert told == [1, 1]
