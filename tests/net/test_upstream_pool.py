"""Which connection a request gets, and when a new one is dialled."""

from __future__ import annotations

from typing import Any

import pytest

from kgate.net.dial import DialFailed
from kgate.net.upstream import IDLE_KEPT, STREAMS_UNTIL_TOLD, UpstreamPool


class Leg:
    """A connection with room for ``room`` requests at once."""

    def __init__(self, *, multiplexed: bool, room: int = 1) -> None:
        self.multiplexed, self.room = multiplexed, room
        self.closed = self.told_to_close = False
        self.requesters: dict[int, object] = {}
        self.wire = self.transport = self
        self.reusable = True

    @property
    def capacity(self) -> int:
        return self.room - len(self.requesters)

    def close(self) -> None:
        self.told_to_close = True


class World:
    """A pool whose dials are answered by hand; ``given`` is what requests got, in order. A leg that is given takes the request."""

    def __init__(self) -> None:
        self.clock = 50.0
        self.dials: list[Any] = []
        self.given: list[Any] = []
        self.pool = UpstreamPool(lambda own, then: self.dials.append(then), lambda: self.clock)

    def ask(self, times: int = 1) -> None:
        for _ in range(times):
            self.pool.acquire(self._take)

    def _take(self, got: Any) -> None:
        self.given.append(got)
        if isinstance(got, Leg):
            got.requesters[len(self.given)] = self

    def answer(self, result: Any) -> Any:
        self.dials.pop(0)(result)
        return result

    def done(self, leg: Leg) -> None:
        """One of the leg's requests has its answer."""
        leg.requesters.popitem()
        self.pool.spare(leg)  # type: ignore[arg-type]


@pytest.fixture
def world() -> World:
    return World()


def test_a_request_waits_for_the_dial_and_the_next_finds_it_open(world: World) -> None:
    world.ask()
    assert (world.given, len(world.dials)) == ([], 1)
    leg = world.answer(Leg(multiplexed=True, room=100))
    world.ask(5)
    assert world.given == [leg] * 6
    assert world.dials == [] and (world.pool.health.reachable, world.pool.health.at) == (True, 50.0)


def test_http2_takes_as_many_as_it_has_room_for_and_then_another_is_dialled(world: World) -> None:
    world.ask()
    first = world.answer(Leg(multiplexed=True, room=2))
    world.ask(2)
    assert world.given == [first, first] and len(world.dials) == 1
    second = world.answer(Leg(multiplexed=True, room=2))
    assert world.given == [first, first, second]


def test_a_stream_that_ended_goes_to_whoever_waits(world: World) -> None:
    world.ask()
    leg = world.answer(Leg(multiplexed=True, room=1))
    world.ask()
    world.done(leg)
    assert world.given == [leg, leg]


def test_http1_has_one_request_on_a_connection_and_the_latest_one_is_used_again(world: World) -> None:
    world.ask(2)
    first, second = world.answer(Leg(multiplexed=False)), world.answer(Leg(multiplexed=False))
    assert world.given == [first, second]
    world.done(first)
    world.done(second)
    world.ask()
    assert world.given[-1] is second and world.dials == []


def test_a_connection_that_may_not_be_used_again_is_closed(world: World) -> None:
    world.ask()
    leg = world.answer(Leg(multiplexed=False))
    leg.reusable = False
    world.done(leg)
    assert leg.told_to_close
    world.ask()
    assert len(world.dials) == 1


def test_one_that_was_lost_is_never_given(world: World) -> None:
    world.ask()
    leg = world.answer(Leg(multiplexed=False))
    world.done(leg)
    world.pool.gone(leg)
    world.ask()
    assert world.given == [leg] and len(world.dials) == 1


def test_only_so_many_idle_ones_are_kept(world: World) -> None:
    world.ask(IDLE_KEPT + 3)
    legs = [world.answer(Leg(multiplexed=False)) for _ in range(IDLE_KEPT + 3)]
    for leg in legs:
        world.done(leg)
    assert [leg.told_to_close for leg in legs] == [True] * 3 + [False] * IDLE_KEPT


def test_a_dial_that_fails_fails_all_that_wait_with_its_words_and_the_next_dials_again(world: World) -> None:
    world.ask(3)
    failed = world.answer(DialFailed("connection refused"))
    assert world.given == [failed] * 3
    assert (world.pool.health.reachable, world.pool.health.text) == (False, "connection refused")
    dialled = len(world.dials)
    world.ask()
    assert len(world.dials) == dialled + 1


def test_many_at_once_do_not_dial_one_each_where_the_cluster_speaks_http2(world: World) -> None:
    world.ask()
    world.answer(Leg(multiplexed=True, room=1))
    world.ask(STREAMS_UNTIL_TOLD + 1)
    assert len(world.dials) == 2


def test_a_cluster_that_is_removed_ends_what_is_idle_and_lets_the_rest_finish(world: World) -> None:
    world.ask(2)
    busy, idle = world.answer(Leg(multiplexed=False)), world.answer(Leg(multiplexed=False))
    world.done(idle)
    world.pool.close()
    assert (busy.told_to_close, idle.told_to_close) == (False, True)
    world.done(busy)
    assert busy.told_to_close
