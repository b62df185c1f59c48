"""The store's shell on a real reactor: transactions in threads, and news of this gate's own writes and of others'."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from reactors import dispose, make_reactor, turn_until
from sqlalchemy import Connection, Engine, event, insert, text
from sqlalchemy.exc import OperationalError
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import LogEvent, globalLogPublisher

from kgate.identity.directory import KnownAs
from kgate.net.database import READERS, SILENT_SECONDS, TRIED_SECONDS, Database, StoreUnavailableError
from kgate.net.directory import FollowedDirectory
from kgate.net.notices import NoticeBoard
from kgate.net.signed_in import SignedIn
from kgate.store.changes import publish
from kgate.store.commits import Commits, Place
from kgate.store.engine import open_engine
from kgate.store.migrate import migrate
from kgate.store.robots import Use, last_uses, record_uses, robot_uses
from kgate.store.sealing import Sealer

T = TypeVar("T")


class Gate:
    """One gate's view of the store."""

    def __init__(self, engine: Engine) -> None:
        self.reactor, self.engine, self.ahead = make_reactor(), engine, 0.0
        self.database = Database(self.reactor, engine, lambda: time.monotonic() + self.ahead, lambda work: work)
        self.told: list[Collection[str] | None] = []
        self.database.follow("sessions", self.told.append)
        self.database.start()
        turn_until(self.reactor, lambda: self.told == [None])

    def wait(self, coroutine: Any) -> Any:
        done: list[Any] = []
        Deferred.fromCoroutine(coroutine).addBoth(done.append)
        turn_until(self.reactor, lambda: bool(done))
        return done[0]

    def until_told(self, *keys: str) -> None:
        def heard() -> bool:
            self.database.tick()
            return {key for each in self.told for key in each or ()} >= set(keys)

        turn_until(self.reactor, heard)

    def stop(self) -> None:
        self.database.stop()
        dispose(self.reactor)


@pytest.fixture
def gates(engines: Callable[[], Engine], engine: Engine) -> Iterator[tuple[Gate, Gate]]:
    both = Gate(engine), Gate(engines())
    yield both
    for gate in both:
        gate.stop()


def say(key: str) -> Callable[[Connection], None]:
    return lambda connection: publish(connection, "sessions", key, time.time())


def test_both_gates_hear_of_what_one_wrote_each_thing_once(gates: tuple[Gate, Gate]) -> None:
    one, _ = gates
    one.wait(one.database.write(say("a")))
    one.wait(one.database.write(say("b")))
    for gate in gates:
        gate.until_told("a", "b")
        assert [key for keys in gate.told for key in keys or ()] in (["a", "b"], ["b", "a"])


@pytest.mark.threat("19")
def test_news_comes_however_many_wait_to_read(gates: tuple[Gate, Gate]) -> None:
    """A stranger may have as many read as they open streams, and a gate that hears nothing for 15 s cuts all that lives."""
    gate, other = gates
    held, waiting = threading.Event(), list[object]()
    for _ in range(3 * READERS):
        Deferred.fromCoroutine(gate.database.read(lambda _: held.wait(240))).addBoth(waiting.append)
    try:
        other.wait(other.database.write(say("a")))
        gate.until_told("a")
        assert gate.database.age < SILENT_SECONDS and not waiting
    finally:
        held.set()
    turn_until(gate.reactor, lambda: len(waiting) == 3 * READERS)


def knows_at_once(gate: Gate) -> bool:
    """Whether a second later one tick says how things stand, with no thread asked."""
    gate.ahead += 1.0
    gate.database.tick()
    return gate.database.age < 1.0


def test_a_store_in_which_nobody_wrote_is_not_read_where_it_can_say_so(gates: tuple[Gate, Gate]) -> None:
    gate, other = gates
    if gate.engine.dialect.name != "sqlite":
        assert not any(knows_at_once(gate) for _ in range(20))
        return
    turn_until(gate.reactor, lambda: knows_at_once(gate))
    asked: list[str] = []
    event.listen(gate.engine, "before_cursor_execute", lambda _connection, _cursor, statement, *_: asked.append(statement))
    assert all(knows_at_once(gate) for _ in range(20)) and asked == []
    other.wait(other.database.write(say("a")))
    assert not knows_at_once(gate)
    gate.until_told("a")


def test_after_a_look_that_failed_the_store_is_read_though_nobody_wrote(gates: tuple[Gate, Gate]) -> None:
    gate, _ = gates

    def fails(*_: object) -> None:
        raise OperationalError("SELECT", None, OSError("disk I/O error"))

    event.listen(gate.engine, "before_cursor_execute", fails)
    gate.database.look()
    turn_until(gate.reactor, lambda: bool(gate.database.problem))
    event.remove(gate.engine, "before_cursor_execute", fails)
    gate.ahead += 1.0
    turn_until(gate.reactor, lambda: gate.database.tick() is None and not gate.database.problem)


def test_a_write_that_raised_changed_nothing_and_the_bug_comes_out(gates: tuple[Gate, Gate]) -> None:
    gate, _ = gates

    def broken(connection: Connection) -> None:
        record_uses(connection, [Use("ci", 1.0, "192.0.2.1")])
        raise AssertionError("a bug")

    failure = gate.wait(gate.database.write(broken))
    assert failure.check(AssertionError) and gate.wait(gate.database.read(last_uses)) == ()


@pytest.mark.threat("14")
def test_threat_14_of_two_reads_the_older_one_does_not_end_later(gates: tuple[Gate, Gate]) -> None:
    gate, _ = gates
    newer_ended, told = threading.Event(), list[str]()

    def older(connection: Connection) -> str:
        newer_ended.wait(0.5)  # which is soon, where that does not wait for this one
        return "older"

    def tell(which: str) -> None:
        told.append(which)
        newer_ended.set()

    for work in (older, lambda connection: "newer"):
        Deferred.fromCoroutine(gate.database.read_in_turn(work)).addCallback(tell)
    turn_until(gate.reactor, lambda: len(told) == 2)
    assert told == ["older", "newer"]


def test_what_the_database_refuses_is_one_sentence(gates: tuple[Gate, Gate]) -> None:
    gate, _ = gates
    failure = gate.wait(gate.database.read(lambda connection: connection.execute(text("SELECT nothing FROM nowhere"))))
    assert failure.check(StoreUnavailableError) and "store does not answer" in failure.getErrorMessage()


def test_writes_go_one_after_the_other_and_a_thousand_at_once_are_all_done(gates: tuple[Gate, Gate]) -> None:
    gate, other = gates
    running = [Deferred.fromCoroutine(gate.database.write(say(str(number)))) for number in range(1000)]
    done: list[object] = []
    gatherResults(running).addBoth(done.append)
    turn_until(gate.reactor, lambda: bool(done), 240)
    other.until_told(*map(str, range(1000)))


def fails(engine: Engine, word: str) -> Callable[[], None]:
    """Statements with this word in them do; gives what ends that."""

    def execute(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if word in statement:
            raise OperationalError(statement, None, OSError("database disk image is malformed"))

    event.listen(engine, "before_cursor_execute", execute)
    return lambda: event.remove(engine, "before_cursor_execute", execute)


TOPICS = {"directory_entries": "directory"}


def followed(what: str, database: Database) -> Any:
    """Something that a gate keeps in memory of the store."""
    changed: Callable[..., None] = lambda *_: None  # noqa: E731
    if what == "directory_entries":
        return FollowedDirectory(database, KnownAs.USER_NAME, changed)
    if what == "sessions":
        return SignedIn(database, Sealer([b"k" * 32]), time.monotonic, time.time, changed, dict, lambda: 3600.0)
    return NoticeBoard(database, time.time, changed)


@pytest.mark.threat("14")
@pytest.mark.parametrize("what", ["directory_entries", "sessions", "notices"])
def test_threat_14_a_store_that_tells_of_changes_and_cannot_be_read_is_a_silent_one(gates: tuple[Gate, Gate], what: str) -> None:
    """One table that is broken, or one so large that to read it takes longer than a statement may."""
    gate, _ = gates
    mended, made, logged = fails(gate.engine, what), followed(what, gate.database), list[LogEvent]()

    def passes(until: Callable[[], bool]) -> bool:
        gate.ahead += 0.1
        gate.database.tick()
        made.tick()
        return until()

    globalLogPublisher.addObserver(logged.append)
    gate.wait(gate.database.write(lambda connection: publish(connection, TOPICS.get(what, what), "x", time.time())))
    turn_until(gate.reactor, lambda: passes(lambda: gate.database.age > 10))
    globalLogPublisher.removeObserver(logged.append)
    # Time passes with each turn here, and a look may take many: what nothing was heard of is heard of with the next one.
    turn_until(gate.reactor, lambda: gate.database.tick() is None and "could not be read for 1" in gate.database.problem)
    assert len([event for event in logged if "store cannot be used" in str(event["log_format"])]) == 1
    mended()
    turn_until(gate.reactor, lambda: passes(lambda: gate.database.age < 3))
    assert gate.database.problem == ""


def test_a_store_that_is_read_and_takes_nothing_says_so_until_it_does(gates: tuple[Gate, Gate]) -> None:
    """A standby, or a full disk: /readyz was content, while nobody could sign in or be put out."""
    gate, _ = gates
    standby, on_sqlite = [True], gate.engine.dialect.name == "sqlite"

    def begins(connection: Connection) -> None:
        if standby[0]:
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")

    def taken(connection: Any, *_: object) -> None:
        connection.execute(f"PRAGMA query_only={'ON' if standby[0] else 'OFF'}")

    event.listen(gate.engine, "checkout" if on_sqlite else "begin", taken if on_sqlite else begins)

    def tries() -> None:
        gate.ahead += TRIED_SECONDS
        turn_until(gate.reactor, lambda: gate.database.tick() is None and gate.database.age < 1)

    assert gate.database.refusal == ""
    gate.wait(gate.database.write(say("a")))
    tries()
    assert "readonly database" in gate.database.refusal or "read-only transaction" in gate.database.refusal
    standby[0] = False
    tries()
    turn_until(gate.reactor, lambda: gate.database.refusal == "")
    assert gate.told == [None]  # a try is no news


def test_a_transaction_that_is_wrong_by_itself_says_nothing_of_the_store(gates: tuple[Gate, Gate]) -> None:
    gate, _ = gates
    use = Use("ci", time.time(), "10.0.0.1")
    failed = gate.wait(gate.database.write(lambda connection: [connection.execute(insert(robot_uses).values(use._asdict())) for _ in "ab"]))
    assert failed.check(StoreUnavailableError) and gate.database.refusal == ""


def test_a_store_that_says_nothing_for_a_while_is_a_problem(gates: tuple[Gate, Gate]) -> None:
    gate, _ = gates
    turn_until(gate.reactor, lambda: gate.database.age < 0.2 or gate.database.look() is not None)
    assert gate.database.problem == ""
    gate.ahead += SILENT_SECONDS + 1
    assert gate.database.problem == "nothing was heard of it for 6 s"


def test_a_store_that_hangs_shows_in_the_age_of_what_is_known(gates: tuple[Gate, Gate]) -> None:
    gate, _ = gates
    hold, held = threading.Event(), []
    for _ in range(4):
        held.append(Deferred.fromCoroutine(gate.database.read(lambda connection: hold.wait(240))))
    gate.database.look()
    before = gate.database.age
    turn_until(gate.reactor, lambda: gate.database.age > before + 0.3)
    hold.set()
    turn_until(gate.reactor, lambda: gate.database.age < 0.2 or gate.database.look() is not None)


def test_threat_14_a_gate_whose_store_is_another_file_now_is_not_in_touch_with_the_former_one(tmp_path: Path) -> None:
    """A backup is put in its place, or somebody removes it: SQLite goes on with a file that has no name any more, and hears nobody else."""
    place, backup = tmp_path / "state.db", tmp_path / "backup.db"
    made = open_engine(f"sqlite:///{place}")
    migrate(made)
    made.dispose()
    backup.write_bytes(place.read_bytes())
    gate = Gate(open_engine(f"sqlite:///{place}"))
    gate.wait(gate.database.write(say("before")))
    gate.until_told("before")
    for each in tmp_path.glob("state.db*"):
        each.unlink()
    gate.ahead += 20
    for _ in range(3):
        gate.database.tick()
        gate.reactor.iterate(0.01)
    assert gate.database.age >= 20 and "does not answer" in gate.database.problem
    backup.rename(place)
    other = open_engine(f"sqlite:///{place}")
    with other.begin() as connection:
        say("another gate's")(connection)
    gate.told.clear()
    turn_until(gate.reactor, lambda: gate.database.tick() or None in gate.told)
    assert gate.database.age < 1 and gate.database.problem == ""
    with other.begin() as connection:
        say("and its next")(connection)
    gate.until_told("and its next")
    gate.stop()
    other.dispose()


@pytest.mark.threat("14")
def test_threat_14_a_look_asks_once_whose_file_it_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked twice, a file that came in between would be read from where the former one's news ended."""
    engine = open_engine(f"sqlite:///{tmp_path}/state.db")
    migrate(engine)
    gate = Gate(engine)
    try:
        asked: list[Place] = []
        place = Commits.place.fget
        assert place is not None
        monkeypatch.setattr(Commits, "place", property(lambda commits: asked.append(place(commits)) or asked[-1]))
        gate.database.look()
        assert asked == [Place.SAME]
    finally:
        gate.stop()


@pytest.mark.threat("14")
def test_threat_14_what_a_look_found_in_the_former_file_is_not_where_the_other_one_is_read_from(tmp_path: Path) -> None:
    """The other file has as many changes, and another last one."""
    place, backup = tmp_path / "state.db", tmp_path / "backup.db"
    made = open_engine(f"sqlite:///{place}")
    migrate(made)
    made.dispose()
    backup.write_bytes(place.read_bytes())
    other = open_engine(f"sqlite:///{backup}")
    with other.begin() as connection:
        say("only there")(connection)
    other.dispose()
    gate = Gate(open_engine(f"sqlite:///{place}"))
    try:
        gate.wait(gate.database.write(say("only here")))
        gate.until_told("only here")
        gate.told.clear()
        gate.database.look()
        for each in tmp_path.glob("state.db*"):
            each.unlink()
        backup.rename(place)
        gate.wait(gate.database.read(lambda connection: None))
        turn_until(gate.reactor, lambda: gate.database.tick() or None in gate.told)
    finally:
        gate.stop()
