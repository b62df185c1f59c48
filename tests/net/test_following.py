"""What is kept in memory as the store has it: read with each news, and at the next tick what could not be read."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, globalLogPublisher

from kgate.net.database import Follower, Keys, StoreUnavailableError
from kgate.net.following import Following


class Base:
    """Only what is told of one topic, by the test."""

    def __init__(self) -> None:
        self.instant = 0.0
        self.since: float | None = None

    def now(self) -> float:
        return self.instant

    def is_behind(self, what: str, since: float | None) -> None:
        assert what == "people"
        self.since = since

    def follow(self, topic: str, follower: Follower) -> None:
        assert topic == "people"
        self.news = follower


class World:
    """Somebody who follows ``people``; ``fails`` is what the next read raises, ``waits`` what each read waits for."""

    def __init__(self, *, makes_up: bool = True) -> None:
        self.base, self.fails = Base(), list[Exception]()
        self.read: list[Keys] = []
        self.waits: list[Deferred[None]] = []
        self.missed = 0
        self.following = Following(self.base, "people", "people", self._read, self._miss if makes_up else None)

    async def _read(self, keys: Keys) -> None:
        self.read.append(keys)
        if self.fails:
            raise self.fails.pop()
        if self.waits:
            await self.waits.pop(0)

    def _miss(self) -> None:
        self.missed += 1


def test_news_is_read_and_a_tick_reads_nothing() -> None:
    world = World()
    world.base.news({"alice"})
    world.base.news(None)
    world.following.tick()
    assert world.read == [{"alice"}, None]


def test_what_a_silent_store_did_not_tell_is_read_whole_at_the_next_tick() -> None:
    world = World()
    world.fails = [StoreUnavailableError("the store does not answer")]
    world.base.news({"alice"})
    assert (world.read, world.missed) == ([{"alice"}], 1)
    world.following.tick()
    world.following.tick()
    assert (world.read, world.missed) == ([{"alice"}, None], 1)


def test_it_is_tried_again_at_each_tick_until_it_can_be_read() -> None:
    world = World()
    world.fails = [StoreUnavailableError("the store does not answer")] * 3
    world.base.news({"alice"})
    for _ in range(5):
        world.following.tick()
    assert (len(world.read), world.missed) == (4, 1)


SILENT = StoreUnavailableError("the store does not answer")


@pytest.mark.threat("14")
def test_threat_14_news_that_cannot_be_read_is_as_good_as_not_heard() -> None:
    world = World(makes_up=False)
    world.base.news({"alice"})
    assert world.base.since is None
    world.fails = [SILENT] * 3
    for world.base.instant in (1.0, 2.0, 3.0):
        world.base.news({"alice"})
        assert world.base.since == 1.0
    world.base.news({"bob"})
    assert world.base.since == 1.0  # that could be read, and what was missed was not
    world.following.tick()
    assert world.base.since is None


def test_news_is_not_there_before_it_is_read() -> None:
    world, first, second = World(makes_up=False), Deferred[None](), Deferred[None]()
    world.waits = [first, second]
    for world.base.instant in (1.0, 2.0):
        world.base.news({"alice"})
    assert world.base.since == 1.0
    first.callback(None)
    assert world.base.since == 2.0
    second.callback(None)
    assert world.base.since is None


def test_whoever_makes_up_for_what_was_missed_is_not_behind() -> None:
    world = World()
    world.fails = [SILENT]
    world.base.news({"alice"})
    assert (world.missed, world.base.since) == (1, None)


def test_a_bug_is_logged_and_does_not_end_the_following() -> None:
    world, logged = World(), list[LogEvent]()
    world.fails = [ZeroDivisionError("a bug")] * 2
    globalLogPublisher.addObserver(logged.append)
    try:
        world.base.news({"alice"})
        world.following.tick()
    finally:
        globalLogPublisher.removeObserver(logged.append)
    assert [event["log_format"].format(**event) == "people could not be read" for event in logged] == [True]
    world.following.tick()
    world.base.news({"bob"})
    assert world.read == [{"alice"}, None, None, {"bob"}]
