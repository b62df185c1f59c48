"""What a process does with the roll calls of others: each counts once, whatever comes while its answer is being written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from attrs import asdict
from sqlalchemy import Engine
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from kgate.model import Present, RollCall
from kgate.net.database import Keys
from kgate.net.roll_call import RollCalls
from kgate.store.engine import open_engine
from kgate.store.migrate import migrate
from kgate.store.roll_calls import answered, call

NOW = 1_800_000_000.0


class SlowStore:
    """A database that reads at once and writes when it is told to."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine, self.clock = engine, clock
        self.writes: list[Callable[[], None]] = []
        self.hear: Callable[[Keys], None] = lambda keys: None

    def now(self) -> float:
        return self.clock.seconds()

    def follow(self, topic: str, follower: Callable[[Keys], None]) -> None:
        self.hear = follower

    def at_once(self, work: Callable[[Any], Any]) -> Any:
        with self.engine.begin() as connection:
            return work(connection)

    async def read(self, work: Callable[[Any], Any]) -> Any:
        return self.at_once(work)

    read_in_turn = read

    async def write(self, work: Callable[[Any], Any]) -> Any:
        waits: Deferred[None] = Deferred()
        self.writes.append(lambda: waits.callback(None))
        await waits
        return self.at_once(work)

    def calm(self) -> None:
        """Everything is written."""
        while self.writes:
            self.writes.pop(0)()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SlowStore]:
    engine = open_engine(f"sqlite:///{tmp_path}/state.db")
    migrate(engine)
    yield SlowStore(engine, Clock())
    engine.dispose()


def test_a_call_whose_answer_is_being_written_is_not_answered_again(store: SlowStore) -> None:
    lives = ["one"]

    def ends(wanted: RollCall, _heard_at: float) -> Present:
        found, lives[:] = len(lives), ()
        return Present("here", (), found)

    RollCalls(store.clock, store, "me", "here", lambda: NOW, lambda: "id", ends)  # type: ignore[arg-type]
    body = orjson.dumps(asdict(RollCall("bob", "", ends=True))).decode()
    store.at_once(lambda connection: call(connection, "c1", "other", body, NOW))
    store.hear({"asked c1"})
    store.at_once(lambda connection: call(connection, "c2", "other", body, NOW))
    store.hear({"asked c2"})
    store.calm()
    found = [orjson.loads(store.at_once(lambda connection, id_=id_: answered(connection, id_))["me"])["found"] for id_ in ("c1", "c2")]
    assert found == [1, 0]


def test_what_a_newer_release_asks_is_not_answered_and_keeps_nothing_else_from_it(store: SlowStore) -> None:
    RollCalls(store.clock, store, "me", "here", lambda: NOW, lambda: "id", lambda *_: Present("here", (), 0))  # type: ignore[arg-type]
    known = asdict(RollCall("bob", ""))
    for id_, asked in (("c1", known | {"only_weekdays": True}), ("c2", known)):
        store.at_once(lambda connection, id_=id_, asked=asked: call(connection, id_, "other", orjson.dumps(asked).decode(), NOW))
    store.hear(None)
    store.calm()
    came = {id_: store.at_once(lambda connection, id_=id_: answered(connection, id_)) for id_ in ("c1", "c2")}
    assert came["c1"] == {} and list(came["c2"]) == ["me"]
