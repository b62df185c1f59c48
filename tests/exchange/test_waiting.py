"""A request whose decision has to fetch something first: nothing of it happens before the answer, and all of it after."""

from __future__ import annotations

import pytest
from exchange_world import World

from kgate.exchange.waiting import MOST_ROUNDS, PATIENCE

GET = b"GET /clusters/lab/api/v1/namespaces/a/pods HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer alice\r\n\r\n"
POST = b"POST /clusters/lab/api/v1/namespaces/a/pods HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer alice\r\nContent-Length: 10\r\n\r\n"


@pytest.fixture
def world() -> World:
    world = World()
    world.people.unsure = {"alice"}
    return world


def test_it_is_admitted_when_what_was_wanted_has_come(world: World) -> None:
    world.asks(GET)
    assert [wanted for wanted, _ in world.fetching] == ["who is alice?"]
    assert (len(world.live), world.records, world.pipe.take()) == (0, [], b"")
    world.people.unsure.clear()
    world.fetched()
    assert len(world.live) == 1 and [kind for kind, _ in world.records] == ["decision"]
    world.durable()
    world.dials()
    assert world.cluster_pipe.take().startswith(b"GET /api/v1/namespaces/a/pods HTTP/1.1\r\n")


def test_a_body_that_comes_meanwhile_goes_on_in_order(world: World) -> None:
    world.asks(POST + b"01234")
    world.asks(b"56")
    world.people.unsure.clear()
    world.fetched()
    world.asks(b"789")
    world.durable()
    world.dials()
    assert world.cluster_pipe.take().endswith(b"\r\n\r\n0123456789")


def test_a_body_that_came_whole_ends_the_request_upstream_too(world: World) -> None:
    world.asks(POST + b"0123456789")
    world.people.unsure.clear()
    world.fetched()
    world.durable()
    world.dials()
    world.answers(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
    assert world.pipe.take().startswith(b"HTTP/1.1 201 ")
    assert [kind for kind, _ in world.records] == ["decision", "end"]


def test_it_is_refused_by_what_holds_when_the_answer_comes(world: World) -> None:
    world.asks(POST + b"0123456789")
    world.people.unsure.clear()
    world.people.gone.add("alice")
    world.fetched()
    assert world.pipe.take().startswith(b"HTTP/1.1 401 ")
    assert (len(world.live), world.records, world.undecided) == (0, [], [])


@pytest.mark.threat("13")
def test_nobody_waits_for_ever(world: World) -> None:
    world.asks(GET)
    for waiting in world.undecided:
        waiting.look(world.clock + PATIENCE + 0.1)
    world.turn.flush()
    assert world.pipe.take().startswith(b"HTTP/1.1 503 ")
    world.people.unsure.clear()
    world.fetched()  # too late
    assert (len(world.live), world.records) == (0, [])


def test_a_question_that_is_never_settled_is_refused(world: World) -> None:
    world.asks(GET)
    for _ in range(MOST_ROUNDS):
        world.fetched()
    assert world.pipe.take().startswith(b"HTTP/1.1 503 ") and world.fetching == []


def test_a_client_that_goes_away_is_forgotten(world: World) -> None:
    world.asks(GET)
    world.client.lost("gone")
    assert world.undecided == []
    world.people.unsure.clear()
    world.fetched()
    assert (len(world.live), world.records) == (0, [])
