"""The audit file on a real disk: durable before anybody is told, whole after a crash, and honest when it cannot be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from reactors import dispose, make_reactor, turn_until
from running import a_full_disk
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from kgate.audit.chain import Broken, Flaw, Verified, verify
from kgate.errors import KgateError
from kgate.net.journal import CALM, HANGS, LARGE, MOST_QUEUED, PATIENCE, PROBE, Journal


class World:
    """A journal on a reactor of its own; both clocks stand still until the test moves them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.reactor = folder, make_reactor()
        self.clock = 1_800_000_000.0
        self.told: list[bool] = []

    def open(self, **options: Any) -> Journal:
        self.journal = Journal(self.reactor, self.folder, lambda: self.clock, lambda: self.clock, lambda: None, **options)
        self.left = self.journal.open()
        return self.journal

    def append(self, number: int = 1, *, wait: bool = True) -> None:
        self.journal.append({"event": "request", "id": f"{number}", "allowed": True}, self.told.append if wait else None)

    def passes(self, seconds: float) -> None:
        """Time, and a tick."""
        self.clock += seconds
        self.journal.tick()

    def until_told(self, count: int) -> None:
        turn_until(self.reactor, lambda: len(self.told) >= count)

    def stop(self) -> None:
        done: list[object] = []
        self.journal.stop().addCallback(done.append)
        turn_until(self.reactor, lambda: bool(done))

    def lines(self) -> list[bytes]:
        return [line for path in sorted(self.folder.glob("*.jsonl")) for line in path.read_bytes().splitlines(keepends=True)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "audit")
    yield made
    dispose(made.reactor)


def test_everybody_of_a_group_is_told_once_it_is_on_disk_and_the_chain_holds(world: World) -> None:
    world.open()
    for number in range(1000):
        world.append(number)
    world.until_told(1000)
    lines = world.lines()
    assert all(world.told) and len(lines) == 1000
    assert isinstance(verify(lines), Verified)
    assert oct((world.folder / "audit-20270115-0001.jsonl").stat().st_mode)[-3:] == "600"
    assert oct(world.folder.stat().st_mode)[-3:] == "700"
    world.stop()


def test_a_bug_in_what_one_goes_on_with_does_not_hold_up_the_others_of_its_group(world: World) -> None:
    def breaks(durable: bool) -> None:
        raise ValueError("a bug")

    world.open()
    world.append(1, wait=False)  # what follows is the next group
    for number, then in enumerate((world.told.append, breaks, world.told.append, breaks, world.told.append)):
        world.journal.append({"event": "request", "id": f"{number}", "allowed": True}, then)
    logged: list[LogEvent] = []
    globalLogPublisher.addObserver(logged.append)
    try:
        world.until_told(3)
    finally:
        globalLogPublisher.removeObserver(logged.append)
    assert world.told == [True, True, True]
    assert [event["log_failure"].getErrorMessage() for event in logged if "log_failure" in event] == ["a bug", "a bug"]
    world.stop()


def ended(world: World) -> None:
    world.journal.append({"event": "request-end", "id": "1"}, lingers=True)


def test_what_lingers_goes_with_the_next_record(world: World) -> None:
    world.open()
    ended(world)
    assert len(world.journal) == 1  # not on its way yet
    world.append(2)
    assert len(world.journal) == 0
    world.until_told(1)
    assert len(world.lines()) == 2
    world.stop()


def test_what_lingers_is_written_alone_a_moment_later_where_nothing_else_comes(world: World) -> None:
    world.open()
    ended(world)
    turn_until(world.reactor, lambda: len(world.lines()) == 1)
    world.stop()


def test_a_record_that_does_not_linger_is_not_held_up_by_one_that_came_while_a_group_was_written(world: World) -> None:
    world.open()
    world.append(1)
    ended(world)
    world.append(2, wait=False)
    world.until_told(1)
    assert len(world.journal) == 0  # both are on their way
    turn_until(world.reactor, lambda: len(world.lines()) == 3)
    world.stop()


def test_after_a_large_group_the_next_is_given_time_to_grow(world: World) -> None:
    world.open()
    world.append(0)
    for number in range(LARGE):
        world.append(number)
    world.until_told(1 + LARGE)
    world.append(1)
    world.append(2)
    assert len(world.journal) == 2  # not on their way yet
    world.until_told(3 + LARGE)
    assert isinstance(verify(world.lines()), Verified)
    world.stop()


def test_the_next_process_goes_on_in_the_chain_and_knows_what_was_left_open(world: World) -> None:
    world.open()
    world.append(1)
    world.append(2)
    world.journal.append({"event": "request-end", "id": "1"})
    world.stop()
    world.told.clear()
    world.open()
    assert world.left == ["2"]
    world.append(3)
    world.until_told(1)
    assert isinstance(verify(world.lines()), Verified)
    world.stop()


@pytest.mark.threat("25")
def test_threat_25_a_disk_that_is_full_says_no_and_the_chain_holds_when_there_is_room_again(world: World) -> None:
    world.open()
    world.append(1)
    world.until_told(1)
    with a_full_disk(room=len(b"".join(world.lines())) + 50):  # room for half a line
        world.append(2)
        world.until_told(2)
        assert world.journal.problem
    world.append(3)
    world.until_told(3)
    assert world.told == [True, False, True]
    assert [orjson.loads(line)["id"] for line in world.lines()] == ["1", "3"]
    assert isinstance(verify(world.lines()), Verified) and world.journal.problem == ""
    world.stop()


def test_what_nobody_waits_for_is_kept_until_there_is_room(world: World) -> None:
    world.open()
    with a_full_disk(room=10):
        world.append(1, wait=False)
        turn_until(world.reactor, lambda: bool(world.journal.problem))
    world.journal.tick()
    world.stop()
    assert [orjson.loads(line)["id"] for line in world.lines()] == ["1"]


def test_a_full_disk_is_tried_again_with_the_next_record_or_tick_and_not_in_between(world: World) -> None:
    world.open()
    with a_full_disk(room=10):
        world.append(1, wait=False)
        turn_until(world.reactor, lambda: bool(world.journal.problem))
        for _ in range(20):
            world.reactor.iterate(0.01)
        assert len(world.journal) == 1, "it waits: the disk is left alone"
        world.journal.tick()
        assert len(world.journal) == 0, "it is being written"
        turn_until(world.reactor, lambda: len(world.journal) == 1)
    world.stop()


@pytest.mark.threat("25")
def test_what_waits_for_room_costs_no_request_that_comes_meanwhile(world: World) -> None:
    """All of it was made lines of the chain again with each: refusals, which strangers can have as many of as they like, held up the cuts."""
    world.open()
    with a_full_disk(room=10):
        for number in range(2000):
            world.append(number, wait=False)
        turn_until(world.reactor, lambda: bool(world.journal.problem))
        for number in range(20):
            world.append(number)
            assert len(world.journal) == 2001 - PROBE, "the others wait, and are no lines yet"
            world.until_told(number + 1)
        assert not any(world.told), "those behind what is tried are told, too"
        assert len(world.journal) == 2000
    world.append(2000)
    world.until_told(21)
    turn_until(world.reactor, lambda: len(world.lines()) == 2001)
    assert isinstance(verify(world.lines()), Verified)
    world.stop()


@pytest.mark.threat("25")
def test_records_that_there_was_no_room_for_are_counted_and_said(world: World) -> None:
    logged: list[LogEvent] = []
    world.open()
    with a_full_disk(room=10):
        for number in range(MOST_QUEUED + 1):  # the first is on its way to the disk
            world.append(number, wait=False)
        globalLogPublisher.addObserver(logged.append)
        try:
            world.append(1, wait=False)
            world.append(2, wait=False)
            world.append(3)
            assert world.told == [False] and world.journal.lost == 2, "nothing is lost of what is refused because of it"
            world.stop()
        finally:
            globalLogPublisher.removeObserver(logged.append)
    assert [event["log_format"].partition(" ")[0] for event in logged if event["log_level"].name == "error"] == [
        "audit",
        "audit",
        "{count}",
    ]
    assert [event["count"] for event in logged if "count" in event] == [MOST_QUEUED, MOST_QUEUED + 3]


def test_a_gate_that_stops_does_not_wait_for_a_disk_that_is_full(world: World) -> None:
    world.open()
    world.append(1)
    world.until_told(1)
    with a_full_disk(room=len(b"".join(world.lines()))):
        world.append(2, wait=False)
        world.stop()
    assert [orjson.loads(line)["id"] for line in world.lines()] == ["1"]
    world.open()
    world.append(3)
    world.until_told(2)
    assert isinstance(verify(world.lines()), Verified)
    world.stop()


def test_whoever_waits_too_long_is_told_no(world: World) -> None:
    world.open()
    world.append(1)
    world.clock += PATIENCE + 0.1
    world.journal.tick()
    assert world.told == [False]
    world.stop()
    assert world.told == [False]


def test_a_disk_that_hangs_is_a_problem_until_it_goes_on(world: World) -> None:
    """Every request is refused meanwhile, so others must not be sent here."""
    logged = list[LogEvent]()
    world.open()
    world.append(1)
    globalLogPublisher.addObserver(logged.append)
    try:
        for _ in range(2):
            world.clock += PATIENCE + 0.1
            world.journal.tick()
            assert world.journal.problem == HANGS
        world.append(2)
        world.until_told(2)  # no for the first, yes for what follows
        world.passes(CALM)
        assert not world.journal.problem
    finally:
        globalLogPublisher.removeObserver(logged.append)
    assert [event["log_format"].partition(" {directory}")[0] for event in logged] == [
        "audit records cannot be written to",
        "audit records are written again",
    ]
    world.stop()


def test_a_disk_that_is_slow_with_each_group_is_a_problem_all_the_time(world: World) -> None:
    """/readyz was content after each group for as long as the next one was not late: a balancer sent requests that were refused."""
    world.open()
    seen = []
    for number in range(3):
        world.append(2 * number)
        for _ in range(3):
            world.passes(PATIENCE / 2 + 0.1)
            seen.append(world.journal.problem)
        world.append(2 * number + 1)  # one that is fast does not show that the next one will be
        world.until_told(2 * number + 2)
        world.passes(0.1)
        seen.append(world.journal.problem)
    assert seen == ["", *11 * [HANGS]]
    world.passes(CALM)
    assert world.journal.problem == ""
    world.stop()


def test_best_effort_waits_for_nothing(world: World) -> None:
    world.open(best_effort=True)
    with a_full_disk(room=10):
        world.append(1)
        assert world.told == [True]
        turn_until(world.reactor, lambda: bool(world.journal.problem))
    world.stop()


def test_a_new_day_begins_a_new_file_and_the_chain_goes_on(world: World) -> None:
    world.open()
    world.append(1)
    world.until_told(1)
    world.clock += 86400
    world.append(2)
    world.until_told(2)
    assert sorted(path.name for path in world.folder.glob("*.jsonl")) == ["audit-20270115-0001.jsonl", "audit-20270116-0001.jsonl"]
    assert isinstance(verify(world.lines()), Verified)
    world.stop()


def test_the_day_s_first_and_last_moment_are_its_own_and_a_clock_that_goes_back_over_midnight_is_followed(world: World) -> None:
    world.open()
    midnight = 1_800_057_600.0 // 86400 * 86400
    for number, moment in enumerate((midnight - 1e-3, midnight, midnight + 86400 - 1e-3, midnight + 86400, midnight + 86399)):
        world.clock = moment
        world.append(number)
        world.until_told(number + 1)
    assert [len(path.read_bytes().splitlines()) for path in sorted(world.folder.glob("*.jsonl"))] == [1, 2, 1, 1]
    assert [path.name[6:19] for path in sorted(world.folder.glob("*.jsonl"))] == [
        "20270115-0001",
        "20270116-0001",
        "20270117-0001",
        "20270117-0002",
    ]
    assert isinstance(verify(world.lines()), Verified), "the order of the names is the order of the chain"
    world.stop()


def test_a_clock_that_was_ahead_at_an_earlier_start_does_not_fork_the_chain(world: World) -> None:
    for number, moment in enumerate((1_800_000_000.0 + 30 * 86400, 1_800_000_000.0, 1_800_000_000.0 + 86400)):
        world.clock = moment
        world.open()
        world.append(number)
        world.until_told(number + 1)
        world.stop()
    assert [orjson.loads(line)["id"] for line in world.lines()] == ["0", "1", "2"]
    assert isinstance(verify(world.lines()), Verified)


def test_a_file_of_the_day_that_was_moved_away_stops_no_record(world: World) -> None:
    for number in (1, 2):
        world.open()
        world.append(number)
        world.until_told(number)
        world.stop()
    (world.folder / "audit-20270115-0001.jsonl").unlink()
    world.open()
    world.append(3)
    world.until_told(3)
    assert world.told == [True, True, True]
    assert (world.folder / "audit-20270115-0003.jsonl").exists()
    world.stop()


def test_more_files_than_four_digits_number_in_a_day_stay_in_the_order_of_their_names(world: World) -> None:
    """A gate that fails again and again begins one with each start, and whoever reads them, people too, goes by their names."""
    world.folder.mkdir()
    (world.folder / "audit-20270115-9998.jsonl").touch()
    for number in range(4):
        world.open()
        world.append(number)
        world.until_told(number + 1)
        world.stop()
    assert [orjson.loads(line)["id"] for line in world.lines()] == ["0", "1", "2", "3"]
    assert isinstance(verify(world.lines()), Verified)


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What the log says meanwhile."""
    lines: list[str] = []

    def observe(event: LogEvent) -> None:
        lines.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield lines
    globalLogPublisher.removeObserver(observe)


def moved(path: Path) -> None:
    path.rename(path.with_suffix(".old"))


def copied_and_truncated(path: Path) -> None:
    """logrotate's ``copytruncate``."""
    path.with_suffix(".old").write_bytes(path.read_bytes())
    os.truncate(path, 0)


@pytest.mark.threat("25")
@pytest.mark.parametrize("harm", [Path.unlink, moved, copied_and_truncated], ids=["removed", "moved", "truncated"])
def test_records_do_not_go_on_in_a_file_that_somebody_else_had_to_do_with(
    world: World, logged: list[str], harm: Callable[[Path], None]
) -> None:
    """They went on in the moved file until midnight. The name of the next one is behind it, though it is not there any more."""
    world.open()
    world.append(1)
    world.until_told(1)
    before = world.lines()
    harm(world.folder / "audit-20270115-0001.jsonl")
    for number in (2, 3):
        world.append(number)
        world.until_told(number)
    path = world.folder / "audit-20270115-0002.jsonl"
    assert isinstance(verify([*before, *path.read_bytes().splitlines(keepends=True)]), Verified)
    assert [line for line in logged if "somebody" in line] == [
        f"{world.folder}/audit-20270115-0001.jsonl: somebody moved, removed or changed it; records go on in {path.name}, with the same chain"
    ]
    assert world.told == [True, True, True] and not world.journal.problem
    world.stop()


@pytest.mark.threat("25")
def test_nothing_is_written_once_the_directory_is_away_until_it_is_back(world: World, logged: list[str]) -> None:
    """Also where there is another in its place: that one is not locked, and may be what lies below a mount that went away."""
    world.open()
    world.append(1)
    world.until_told(1)
    away = world.folder.rename(world.folder.with_name("away"))
    world.append(2)
    world.until_told(2)
    assert world.journal.problem == "No such file or directory"
    assert [line for line in logged if "cannot be written" in line]
    world.folder.mkdir()
    world.append(3)
    world.until_told(3)
    other = "another directory has the place of the one that the gate began in; put that back, or restart the gate"
    assert world.journal.problem == other and not list(world.folder.iterdir())
    world.folder.rmdir()
    away.rename(world.folder)
    world.append(4)
    world.until_told(4)
    assert world.told == [True, False, False, True] and not world.journal.problem
    assert isinstance(verify(world.lines()), Verified) and [orjson.loads(line)["id"] for line in world.lines()] == ["1", "4"]
    world.stop()


def test_two_gates_cannot_write_one_directory(world: World) -> None:
    world.open()
    with pytest.raises(KgateError, match="another gate writes here"):
        World(world.folder).open()
    world.stop()


def test_one_that_drains_holds_nobody_up_who_may_write_elsewhere_and_is_not_called_another_gate(world: World, tmp_path: Path) -> None:
    world.open()
    world.journal.drain()
    with pytest.raises(KgateError, match="audit: a gate that drains still writes here; wait until it has ended, or stop it"):
        World(world.folder).open()
    second = World(world.folder)
    second.open(spares=[tmp_path / "spare"])
    second.append()
    second.until_told(1)
    second.stop()
    assert len(list((tmp_path / "spare").glob("*.jsonl"))) == 1 and not world.lines()
    dispose(second.reactor)
    world.append()
    world.until_told(1)
    world.stop()
    world.open()
    with pytest.raises(KgateError, match="another gate writes here"):  # which does not drain
        World(world.folder).open()
    world.stop()


def torn(world: World) -> Path:
    """The file of a process that was killed while it wrote its second record."""
    world.open()
    world.append(1)
    world.stop()
    (path,) = world.folder.glob("*.jsonl")
    with path.open("ab") as file:
        file.write(b'{"event":"requ')
    return path


def test_a_torn_line_is_set_aside(world: World) -> None:
    path = torn(world)
    world.open()
    assert path.with_suffix(".torn").read_bytes() == b'{"event":"requ'
    world.append(2)
    world.until_told(2)
    assert isinstance(verify(world.lines()), Verified)
    world.stop()


def test_a_torn_line_that_cannot_be_set_aside_is_said(world: World) -> None:
    path = torn(world)
    with a_full_disk(room=0), pytest.raises(KgateError, match="the audit directory cannot be used: File too large"):
        world.open()
    assert path.read_bytes().endswith(b'\n{"event":"requ'), "it is there for the next start"


def test_what_a_power_cut_left_in_the_middle_of_a_file_stops_no_start(world: World) -> None:
    world.open()
    world.append(1)
    world.append(2)
    world.stop()
    (path,) = world.folder.glob("*.jsonl")
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(bytes(200) + first + second)
    world.open()
    assert world.left == ["2"]
    world.stop()


@pytest.mark.threat("25")
@pytest.mark.parametrize(
    ("harm", "flaw"),
    [
        (lambda lines: [lines[0], lines[1].replace(b'"id":"2"', b'"id":"9"'), lines[2]], Broken(2, Flaw.CHANGED)),
        (lambda lines: [lines[0], lines[2]], Broken(2, Flaw.MISPLACED)),
        (lambda lines: [lines[0], lines[2], lines[1]], Broken(2, Flaw.MISPLACED)),
        (lambda lines: [lines[0], b'{"event":"request"}\n', *lines[1:]], Broken(2, Flaw.NOT_A_RECORD)),
    ],
    ids=["changed", "dropped", "moved", "inserted"],
)
def test_threat_25_a_chain_that_was_tampered_with_does_not_verify(world: World, harm: Any, flaw: Broken) -> None:
    world.open()
    for number in (1, 2, 3):
        world.append(number)
    world.stop()
    assert verify(harm(world.lines())) == flaw


KILLED = """
import sys
sys.path[:0] = sys.argv[2:]
from pathlib import Path
from reactors import make_reactor
from kgate.net.journal import Journal
reactor = make_reactor()
journal = Journal(reactor, Path(sys.argv[1]), lambda: 0.0, lambda: 1.8e9, lambda: None)
journal.open()
number = 0
def told(durable):
    global number
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
    number += 1
    journal.append({"event": "request", "id": str(number), "allowed": True}, told)
journal.append({"event": "request", "id": "0", "allowed": True}, told)
while True:
    reactor.iterate(1)
"""


@pytest.mark.threat("25")
def test_threat_25_after_kill_9_every_acknowledged_record_is_there(tmp_path: Path) -> None:
    folder, root = tmp_path / "audit", Path(__file__).parent.parent
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder), str(root / "support"), str(root.parent)], stdout=subprocess.PIPE, env=os.environ
    )
    assert process.stdout is not None
    acknowledged = [process.stdout.readline() for _ in range(200)]
    process.send_signal(signal.SIGKILL)
    acknowledged += process.stdout.readlines()
    process.wait()
    process.stdout.close()
    world = World(folder)
    world.open()
    world.stop()
    lines = world.lines()
    assert isinstance(verify(lines), Verified)
    assert len(lines) >= len([line for line in acknowledged if line.endswith(b"\n")])
    dispose(world.reactor)
