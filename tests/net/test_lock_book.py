"""The locks in memory follow the store's news: of some names just those are read, without a word of which all are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from twisted.internet.defer import Deferred

from kgate.model import Identity, Lock
from kgate.net.locks import MOST_NAMED, LockBook
from kgate.store.engine import open_engine
from kgate.store.locks import add_lock, remove_lock
from kgate.store.migrate import migrate

NOW = 1_800_000_000.0


class Base:
    """A database without threads, which counts the rows that it gives of locks; what is published a test tells."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.rows = 0
        self.follower: Callable[[Collection[str] | None], None] = lambda keys: None

    def now(self) -> float:
        return 0.0

    def is_behind(self, what: str, since: float | None) -> None:
        """Nothing is."""

    def follow(self, topic: str, follower: Callable[[Collection[str] | None], None]) -> None:
        assert topic == "locks"
        self.follower = follower

    async def read_in_turn(self, work: Callable[[Any], Any]) -> Any:
        with self.engine.begin() as connection:
            found = work(connection)
        self.rows += len(found)
        return found


class World:
    def __init__(self, engine: Engine) -> None:
        self.base, self.wall = Base(engine), NOW
        self.changed: list[float] = []
        self.book = LockBook(self.base, lambda: self.wall, self.changed.append)  # type: ignore[arg-type]

    def add(self, name: str, user: str, seconds: float | None = None) -> None:
        with self.base.engine.begin() as connection:
            lock = Lock(name, user=user, by="bob", begins=self.wall, until=None if seconds is None else self.wall + seconds)
            assert add_lock(connection, lock, self.wall) == ""

    def remove(self, name: str) -> None:
        with self.base.engine.begin() as connection:
            remove_lock(connection, name, self.wall)

    def out(self, *users: str) -> list[str]:
        return [user for user in users if self.book.locks.on(Identity(user), "prod", self.wall) is not None]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    engine = open_engine(f"sqlite:///{tmp_path}/state.db")
    migrate(engine)
    yield World(engine)
    engine.dispose()


def test_news_of_one_lock_reads_that_one(world: World) -> None:
    for number in range(50):
        world.add(f"l{number}", f"user{number}")
    world.base.follower(None)
    assert (world.base.rows, world.book.locks.count) == (50, 50)
    world.add("one-more", "alice")
    world.base.follower({"one-more"})
    assert (world.base.rows, world.out("alice", "user7", "bob")) == (51, ["alice", "user7"])
    world.remove("l7")
    world.base.follower({"l7"})
    assert (world.base.rows, world.out("alice", "user7")) == (51, ["alice"])
    assert len(world.changed) == 2  # a lock that is gone ends nothing


def test_news_of_very_many_reads_all_at_once(world: World) -> None:
    world.add("l", "alice")
    world.base.follower({f"l{number}" for number in range(MOST_NAMED + 1)})
    assert world.out("alice") == ["alice"]


def test_what_is_over_is_forgotten_with_the_next_news(world: World) -> None:
    world.add("short", "alice", 60)
    world.base.follower({"short"})
    world.wall += 60
    assert world.out("alice") == [] and world.book.locks.count == 1
    world.add("other", "carol")
    world.base.follower({"other"})
    assert world.book.locks.count == 1


def test_whoever_made_a_lock_has_it_in_force_when_they_are_told(world: World) -> None:
    world.add("l", "alice")
    done: list[object] = []
    Deferred.fromCoroutine(world.book.settle("l")).addBoth(done.append)
    assert done == [None] and world.out("alice") == ["alice"]


def test_the_same_lock_told_twice_is_one(world: World) -> None:
    world.add("l", "alice")
    for _ in range(2):
        world.base.follower({"l"})
    world.remove("l")
    with world.base.engine.begin() as connection:
        add_lock(connection, Lock("l", user="carol", by="bob", begins=NOW), NOW)
    world.base.follower({"l"})
    assert (world.out("alice", "carol"), world.book.locks.count) == (["carol"], 1)
