"""The grants in memory follow the store's news, and nothing that is not known is granted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from sqlalchemy import Engine
from twisted.internet.defer import Deferred

from kgate.model import Grant, Identity
from kgate.net.database import StoreUnavailableError
from kgate.net.grants import STALE_SECONDS, GrantBook
from kgate.net.seldom import SOON_SECONDS
from kgate.store.engine import open_engine
from kgate.store.migrate import migrate
from kgate.store.requests import KEPT_SECONDS, TOLD_SECONDS, AccessRequest, approve_request, find_request, open_request, revoke_request

NOW = 1_800_000_000.0
ALICE = Identity("alice")


class Base:
    """A database without threads: what it is asked is done at once, what is published a test tells."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.age, self.down = engine, 0.0, False
        self.follower: Callable[[Collection[str] | None], None] = lambda keys: None

    def now(self) -> float:
        return 0.0

    def is_behind(self, what: str, since: float | None) -> None:
        raise AssertionError("grants that cannot be read are none")

    def follow(self, topic: str, follower: Callable[[Collection[str] | None], None]) -> None:
        assert topic == "grants"
        self.follower = follower

    async def read(self, work: Callable[[Any], Any]) -> Any:
        if self.down:
            raise StoreUnavailableError("the store does not answer")
        with self.engine.begin() as connection:
            return work(connection)

    read_in_turn = write = read


class World:
    def __init__(self, engine: Engine) -> None:
        self.base, self.now, self.wall = Base(engine), 0.0, NOW
        self.changes: list[Collection[str] | None] = []
        self.book = GrantBook(self.base, lambda: self.wall, lambda: self.now, lambda users, at: self.changes.append(users))  # type: ignore[arg-type]

    def do(self, work: Callable[..., Any], *arguments: Any) -> None:
        with self.base.engine.begin() as connection:
            work(connection, *arguments)

    def held(self) -> tuple[Grant, ...]:
        return self.book.of(ALICE, NOW)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    engine = open_engine(f"sqlite:///{tmp_path}/state.db")
    migrate(engine)
    made = World(engine)
    made.do(open_request, AccessRequest("R1", "alice", "r", "lab", "", "why", 3600.0, 1, NOW))
    made.do(approve_request, "R1", "bob", "", 1, 3600.0, NOW)
    yield made
    engine.dispose()


def test_all_are_read_at_the_start_and_then_those_of_whom_the_news_name(world: World) -> None:
    assert world.held() == ()
    world.base.follower(None)
    assert [grant.id for grant in world.held()] == ["R1"]
    world.do(revoke_request, "R1", "bob", "", NOW)
    assert world.held()[0].revoked_by == ""
    world.base.follower({"alice"})
    assert world.held()[0].revoked_by == "bob"
    assert world.changes == [None, {"alice"}]
    assert world.book.of(Identity("mallory"), NOW) == ()


def test_what_was_written_here_is_in_force_before_the_news_of_it(world: World) -> None:
    Deferred.fromCoroutine(world.book.settle("alice"))
    assert [grant.id for grant in world.held()] == ["R1"]
    world.base.down = True
    Deferred.fromCoroutine(world.book.settle("alice"))
    assert [grant.id for grant in world.held()] == ["R1"] and world.changes == [{"alice"}]


@pytest.mark.threat("28")
@pytest.mark.parametrize("behind", [0.0, 5.0, 3600.0])
def test_what_another_gate_granted_begins_at_once_and_is_no_longer_here_where_this_clock_is_behind(world: World, behind: float) -> None:
    """R1 was granted for an hour at NOW by the clock of the gate that it was approved at."""
    world.wall = NOW - behind
    world.base.follower(None)
    (grant,) = world.held()
    assert (grant.begins, grant.until) == (NOW - behind, NOW - behind + 3600)
    world.wall += 600
    for news in ({"alice"}, None):
        world.base.follower(news)
        assert world.held() == (grant,)


@pytest.mark.threat("28")
def test_where_this_clock_is_ahead_a_grant_ends_when_it_says(world: World) -> None:
    world.wall = NOW + 5
    world.base.follower(None)
    assert [(grant.begins, grant.until) for grant in world.held()] == [(NOW, NOW + 3600)]


@pytest.mark.threat("14")
def test_threat_14_a_gate_that_hears_nothing_of_the_store_knows_of_no_grant(world: World) -> None:
    world.base.follower(None)
    world.base.age = STALE_SECONDS + 0.1
    assert world.held() == ()
    world.base.age = 0.0
    world.base.down = True
    world.base.follower({"alice"})
    assert world.held() == () and world.changes == [None, None]
    world.base.down = False
    world.book.tick()
    assert [grant.id for grant in world.held()] == ["R1"]


def test_what_is_over_for_long_is_forgotten(world: World) -> None:
    old = AccessRequest("R0", "alice", "r", "lab", "", "why", 60.0, 1, NOW - KEPT_SECONDS - 1)
    world.do(open_request, evolve(old))
    world.now = SOON_SECONDS
    world.book.tick()
    with world.base.engine.begin() as connection:
        assert find_request(connection, "R0") is None and find_request(connection, "R1") is not None


def test_what_is_told_no_more_leaves_the_memory_too(world: World) -> None:
    world.base.follower(None)
    world.wall, world.now = NOW + 3600.0 + TOLD_SECONDS + 1, SOON_SECONDS
    assert [grant.id for grant in world.held()] == ["R1"]
    world.book.tick()
    assert world.held() == ()
