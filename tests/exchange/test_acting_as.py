"""``kubectl --as``: what somebody does as another lives by both rights, and ends with the first of them."""

from __future__ import annotations

import pytest
from exchange_world import World
from test_exchange import STREAM, WATCH

from kgate.exchange.admission import Asked
from kgate.model import Impersonation

POLICY = """
rules:
  - name: be
    who: {users: [alice]}
    clusters: {names: ["*"]}
    allow: [{actions: [impersonate], resources: [users, groups], names: [deployer, deployers]}]
    when: {time: {hours: "00:00-00:02", zone: UTC}}
  - name: deploy
    who: {groups: [deployers]}
    clusters: {names: ["*"]}
    allow: [{verbs: ["*"], resources: ["*"]}]
    when: {time: {hours: "00:00-00:03", zone: UTC}}
"""
AS_DEPLOYER = WATCH.replace(b"\r\n\r\n", b"\r\nImpersonate-User: deployer\r\nImpersonate-Group: deployers\r\n\r\n")


@pytest.fixture
def world() -> World:
    world = World()
    world.use(POLICY)
    world.asks(AS_DEPLOYER)
    world.durable()
    world.dials()
    world.answers(STREAM)
    return world


def test_the_window_in_which_somebody_may_be_another_ends_what_they_do_as_them_at_its_edge(world: World) -> None:
    assert world.exchange.decision.until == 120.0 and b"impersonate-user: deployer\r\n" in world.cluster_pipe.take()
    world.clock = 119.9
    world.live.tick()
    assert world.exchange.closed_by is None
    world.clock = 120.0
    world.live.tick()
    assert world.exchange.closed_by is not None and 'rule "be" no longer allows it: time is outside' in world.exchange.closed_by.text


def test_the_right_of_whom_they_became_ends_it_too(world: World) -> None:
    world.use(POLICY.replace("00:00-00:02", "00:00-00:04"))
    world.live.reevaluate(world.clock)
    assert world.exchange.decision.until == 180.0
    world.use(POLICY.replace("groups: [deployers]", "groups: [others]"))
    world.live.reevaluate(world.clock)
    assert world.exchange.closed_by is not None


def test_what_may_be_listed_is_what_they_may_whom_they_became(world: World) -> None:
    asked, alice = world.exchange.admitted.asked, world.exchange.identity
    faces = world.admission.overview(asked, alice, world.clock).faces
    assert [face.impersonate for face in faces] == [Impersonation("deployer", ("deployers",))]
    own = Asked(asked.shown, asked.since, asked.action, asked.user_agent, None, asked.kubectl)
    assert [face.impersonate for face in world.admission.overview(own, alice, world.clock).faces] == [Impersonation("alice")]
