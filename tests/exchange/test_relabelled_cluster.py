"""A reload that changes what a cluster is to the policy decides what lives there again by what it is now."""

from __future__ import annotations

import pytest
from exchange_world import World
from test_exchange import STREAM, WATCH

from kgate.authorizers.builtin import PolicyAuthorizer
from kgate.exchange.admission import Admission
from kgate.exchange.routes import Routes
from kgate.model import Cluster
from kgate.policy.load import load_policy

POLICY = """
rules:
  - name: not-in-production
    who: {users: [alice]}
    clusters: {labels: {env: dev}}
    allow: [{verbs: ["*"], resources: ["*"]}]
"""


@pytest.fixture
def world() -> World:
    world = World()
    world.labels = (("env", "dev"),)
    world.use(POLICY)
    world.asks(WATCH)
    world.durable()
    world.dials()
    world.answers(STREAM)
    return world


def test_a_watch_at_a_cluster_that_is_production_now_is_cut(world: World) -> None:
    world.labels = (("env", "prod"),)
    world.use(POLICY)
    world.live.reevaluate(world.clock)
    assert world.exchange.closed_by is not None and "label" in world.exchange.closed_by.text
    assert world.changes[-1].asked.action.cluster == Cluster("lab", (("env", "prod"),))  # what is on record explains the decision


def test_a_watch_at_a_cluster_that_is_not_there_any_more_is_over(world: World) -> None:
    world.use(POLICY)
    world.admission = Admission(Routes({}, {}), world.people, PolicyAuthorizer(load_policy(POLICY, "policy.yaml")))
    world.live.reevaluate(world.clock)
    assert world.exchange.closed_by is not None and "no such cluster any more" in world.exchange.closed_by.text
