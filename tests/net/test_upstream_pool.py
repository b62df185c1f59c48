"""Which connection a request gets, and when a new one is dialled."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.logger import LogEvent, globalLogPublisher

from kgate.exchange.legs import UpstreamLeg
from kgate.net.dial import DialFailed
from kgate.net.turn import Turn
from kgate.net.upstream_pool import IDLE_KEPT, STREAMS_UNTIL_TOLD, UpstreamPool


class Connection:
    """A leg with room for ``room`` requests at once, over a wire and a transport that are this object."""

    congested = closing = False

    def __init__(self, *, multiplexed: bool, room: int = 1) -> None:
        self.room, self.reusable, self.told_to_close = room, True, False
        wire: Any = self
        self.leg = UpstreamLeg(wire, wire, Turn(), lambda: 50.0, lambda leg: None, lambda leg: None, multiplexed=multiplexed)

    @property
    def capacity(self) -> int:
        return self.room - len(self.leg.requesters)

    def close(self) -> None:
        self.told_to_close = True


class World:
    """A pool whose dials are answered by hand; ``given`` is what requests got, in order. A connection that is given takes the request."""

    def __init__(self) -> None:
        self.clock = 50.0
        self.dials: list[Any] = []
        self.given: list[Any] = []
        self.pool = UpstreamPool(lambda pool, own, then: self.dials.append(then), lambda: self.clock)

    def ask(self, times: int = 1) -> None:
        for _ in range(times):
            self.pool.acquire(self._take)

    def _take(self, got: Any) -> None:
        if isinstance(got, UpstreamLeg):
            request: Any = self
            got.requesters[len(self.given)] = request
            self.given.append(got.wire)
        else:
            self.given.append(got)

    def answer(self, result: Connection | DialFailed) -> Any:
        self.dials.pop(0)(result.leg if isinstance(result, Connection) else result)
        return result

    def done(self, connection: Connection) -> None:
        """One of the connection's requests has its answer."""
        connection.leg.requesters.popitem()
        self.pool.spare(connection.leg)


@pytest.fixture
def world() -> World:
    return World()


def test_a_request_waits_for_the_dial_and_the_next_finds_it_open(world: World) -> None:
    world.ask()
    assert (world.given, len(world.dials)) == ([], 1)
    connection = world.answer(Connection(multiplexed=True, room=100))
    world.ask(5)
    assert world.given == [connection] * 6
    assert world.dials == [] and (world.pool.health.reachable, world.pool.health.at) == (True, 50.0)


def test_http2_takes_as_many_as_it_has_room_for_and_then_another_is_dialled(world: World) -> None:
    world.ask()
    first = world.answer(Connection(multiplexed=True, room=2))
    world.ask(2)
    assert world.given == [first, first] and len(world.dials) == 1
    second = world.answer(Connection(multiplexed=True, room=2))
    assert world.given == [first, first, second]


def test_a_stream_that_ended_goes_to_whoever_waits(world: World) -> None:
    world.ask()
    connection = world.answer(Connection(multiplexed=True, room=1))
    world.ask()
    world.done(connection)
    assert world.given == [connection, connection]


def test_http1_has_one_request_on_a_connection_and_the_latest_one_is_used_again(world: World) -> None:
    world.ask(2)
    first, second = world.answer(Connection(multiplexed=False)), world.answer(Connection(multiplexed=False))
    assert world.given == [first, second]
    world.done(first)
    world.done(second)
    world.ask()
    assert world.given[-1] is second and world.dials == []


@pytest.mark.threat("08")
def test_an_http2_connection_that_takes_no_request_any_more_is_closed_once_it_has_none(world: World) -> None:
    """Its stream numbers are used up, or the cluster says that it takes none: each request would leave one more behind."""
    world.ask(2)
    connection = world.answer(Connection(multiplexed=True, room=2))
    connection.room = 0
    world.done(connection)
    assert not connection.told_to_close
    world.done(connection)
    assert connection.told_to_close


def test_a_connection_that_may_not_be_used_again_is_closed(world: World) -> None:
    world.ask()
    connection = world.answer(Connection(multiplexed=False))
    connection.reusable = False
    world.done(connection)
    assert connection.told_to_close
    world.ask()
    assert len(world.dials) == 1


def test_one_that_was_lost_is_never_given(world: World) -> None:
    world.ask()
    connection = world.answer(Connection(multiplexed=False))
    world.done(connection)
    world.pool.gone(connection.leg)
    world.ask()
    assert world.given == [connection] and len(world.dials) == 1


def test_only_so_many_idle_ones_are_kept(world: World) -> None:
    world.ask(IDLE_KEPT + 3)
    connections = [world.answer(Connection(multiplexed=False)) for _ in range(IDLE_KEPT + 3)]
    for connection in connections:
        world.done(connection)
    assert [connection.told_to_close for connection in connections] == [True] * 3 + [False] * IDLE_KEPT


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
    world.answer(Connection(multiplexed=True, room=1))
    world.ask(STREAMS_UNTIL_TOLD + 1)
    assert len(world.dials) == 2


def test_a_cluster_that_is_removed_ends_what_is_idle_and_lets_the_rest_finish(world: World) -> None:
    world.ask(2)
    busy, idle = world.answer(Connection(multiplexed=False)), world.answer(Connection(multiplexed=False))
    world.done(idle)
    world.pool.close()
    assert (busy.told_to_close, idle.told_to_close) == (False, True)
    world.done(busy)
    assert busy.told_to_close


def test_requests_that_went_away_while_they_waited_are_passed_over_however_many(world: World) -> None:
    gone = 5000
    for _ in range(gone):
        world.pool.acquire(lambda got: world.pool.spare(got) if isinstance(got, UpstreamLeg) else None)
    world.ask()
    connection = world.answer(Connection(multiplexed=True, room=100))
    assert world.given == [connection]


def test_a_connection_that_comes_after_its_cluster_was_removed_is_closed_where_nobody_needs_it(world: World) -> None:
    world.pool.acquire(lambda got: world.pool.spare(got) if isinstance(got, UpstreamLeg) else None)
    world.ask()
    world.pool.close()
    needed = world.answer(Connection(multiplexed=True, room=1))
    unneeded = world.answer(Connection(multiplexed=True, room=1))
    assert not needed.told_to_close and unneeded.told_to_close


@pytest.mark.parametrize("multiplexed", [True, False])
def test_a_request_that_was_admitted_before_its_cluster_was_removed_gets_none_that_is_being_closed(world: World, multiplexed: bool) -> None:
    """It waits for its audit record while a reload exchanges the connections: what is written to a closing one goes nowhere."""
    world.ask()
    former = world.answer(Connection(multiplexed=multiplexed, room=100 if multiplexed else 1))
    world.done(former)
    world.pool.close()
    assert former.told_to_close
    world.ask()
    assert world.given == [former]
    again = world.answer(Connection(multiplexed=multiplexed, room=100))
    assert world.given == [former, again]
    world.done(again)
    assert again.told_to_close
    world.ask()
    assert len(world.dials) == 1


def broken(_: Any) -> None:
    raise LookupError("a bug in what a request goes on with")


@pytest.mark.parametrize("multiplexed", [True, False])
def test_a_bug_in_what_one_request_goes_on_with_does_not_hold_up_the_others(world: World, multiplexed: bool) -> None:
    logged = list[LogEvent]()
    globalLogPublisher.addObserver(logged.append)
    try:
        world.pool.acquire(broken)
        world.ask()
        connection = world.answer(Connection(multiplexed=multiplexed, room=1))
        world.pool.acquire(broken)
        world.ask()
        failed = world.answer(DialFailed("nobody is there"))
    finally:
        globalLogPublisher.removeObserver(logged.append)
    assert world.given == [connection, failed]
    assert [event["log_failure"].type for event in logged] == [LookupError] * 2


def test_an_unshared_connection_is_an_idle_one_or_a_new_one_and_never_one_of_several_streams(world: World) -> None:
    world.ask()
    shared = world.answer(Connection(multiplexed=True, room=100))
    world.pool.acquire_unshared(world._take)
    own = world.answer(Connection(multiplexed=False))
    assert world.given == [shared, own] and world.dials == []
    world.done(own)
    world.pool.acquire_unshared(world._take)
    assert world.given == [shared, own, own] and world.dials == []
    world.pool.acquire_unshared(world._take)
    assert len(world.dials) == 1
    own.reusable = False
    world.done(own)
    assert own.told_to_close
