"""What is kept in memory as the store has it: read with each news, and at the next tick what could not be read."""

from __future__ import annotations

from twisted.logger import LogEvent, globalLogPublisher

from kgate.net.database import Follower, Keys, StoreUnavailableError
from kgate.net.following import Following


class Base:
    """Only what is told of one topic, by the test."""

    def follow(self, topic: str, follower: Follower) -> None:
        assert topic == "people"
        self.news = follower


class World:
    """Somebody who follows ``people``; ``fails`` is what the next read raises."""

    def __init__(self) -> None:
        self.base, self.fails = Base(), list[Exception]()
        self.read: list[Keys] = []
        self.missed = 0
        self.following = Following(self.base, "people", "people", self._read, self._miss)

    async def _read(self, keys: Keys) -> None:
        self.read.append(keys)
        if self.fails:
            raise self.fails.pop()

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
    assert (len(world.read), world.missed) == (4, 3)


def test_a_bug_is_logged_and_does_not_end_the_following() -> None:
    world, logged = World(), list[LogEvent]()
    world.fails = [ZeroDivisionError("a bug")]
    globalLogPublisher.addObserver(logged.append)
    try:
        world.base.news({"alice"})
    finally:
        globalLogPublisher.removeObserver(logged.append)
    assert [event["log_format"].format(**event) == "people could not be read" for event in logged] == [True]
    world.following.tick()
    world.base.news({"bob"})
    assert world.read == [{"alice"}, None, {"bob"}]
