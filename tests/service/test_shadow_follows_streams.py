"""What lives is followed along the candidate's own edges of time: where it would have ended is on record, and nothing is cut for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import orjson
import pytest
from exchange_world import Nobody, Pipe
from twisted.internet.task import Clock

from kgate.api.application import Application
from kgate.audit.ids import RequestIds
from kgate.authorizers.builtin import PolicyAuthorizer
from kgate.exchange.admission import Admission
from kgate.exchange.gate import OnRecord
from kgate.exchange.routes import Route, Routes
from kgate.exchange.upstream import Then
from kgate.identity.credentials import Credentials, Rejected
from kgate.metrics import Metrics
from kgate.model import Cluster, Identity, Pending
from kgate.net.turn import Turn
from kgate.policy.load import load_policy
from kgate.review.shadow import Shadow, succeeding
from kgate.service.gateway import Gateway
from kgate.service.recorder import Journal, Recorder
from kgate.sessions.registry import SLICE_SECONDS, Registry

RULE = 'rules:\n  - {{name: {0}, who: {{users: [alice]}}, clusters: {{names: ["*"]}}, allow: [{{verbs: ["*"], resources: [pods]}}]{1}}}\n'
ALWAYS = RULE.format("always", "")
UNTIL_SIX = RULE.format("daytime", ", when: {time: {hours: '08:00-18:00', zone: UTC}}")
GOES_ON = RULE.format("night", "") + UNTIL_SIX.removeprefix("rules:\n")
VIEWERS_AFTER = UNTIL_SIX + RULE.format("night", ", as: {groups: [view]}").removeprefix("rules:\n")
QUARTER_TO_SIX = datetime(2026, 11, 24, 17, 45, tzinfo=UTC).timestamp()
WATCH = b"GET /clusters/lab/api/v1/pods?watch=true HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer alice\r\n\r\n"


class Transport(Pipe):
    """A client's connection."""

    alpn = peer_certificate = None


class People(Nobody):
    """Asking who it is may take a while."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock, self.takes = clock, 0.0

    def authenticate(self, credentials: Credentials, now: float) -> Identity | Rejected | Pending:
        self.clock.advance(self.takes)
        return super().authenticate(credentials, now)


class World:
    """A gate whose cluster never answers and whose disk takes no time; alice may do everything with pods."""

    authority, base_path, bearer = b"cluster:6443", b"", b"gate"

    def __init__(self, candidate: str | None = None) -> None:
        self.clock, self.records = Clock(), list[dict[str, Any]]()
        self.people = People(self.clock)
        now, wall = self.clock.seconds, lambda: QUARTER_TO_SIX + self.clock.seconds()
        turn = Turn()
        live = Registry(now, wall, lambda _seconds, _work: None, lambda _wanted, _then: None)
        self.recorder = Recorder("gate", now, wall, RequestIds(wall, bytes), cast("Journal", self), Metrics())
        self.gate = Gateway(
            turn, now, wall, self.recorder, live, self.admission(ALWAYS), lambda _wanted, _then: None, Application(turn.flush, {})
        )
        if candidate is not None:
            self.recorder.shadow = Shadow(load_policy(candidate, "candidate.yaml"))

    def admission(self, policy: str) -> Admission:
        route = Route(Cluster("lab"), self)  # type: ignore[arg-type]
        return Admission(Routes({b"lab": route}, {}), self.people, PolicyAuthorizer(load_policy(policy, "policy.yaml")))

    # the journal and the cluster

    def append(self, record: dict[str, object] | str, then: Callable[[bool], None] | None = None, *, lingers: bool = False) -> None:
        self.records.append(orjson.loads(f"{{{record}}}") if isinstance(record, str) else record)

    def acquire(self, then: Then) -> None:
        """No connection comes."""

    # what a test says

    def follows_by(self, candidate: str) -> None:
        """A reload brings this candidate."""
        living = [cast("OnRecord", stream) for stream in self.gate.live.streams()]
        self.recorder.shadow = succeeding(self.recorder.shadow, load_policy(candidate, "candidate.yaml"), living)

    def watches(self) -> None:
        self.gate.serve(Transport(), "192.0.2.1").received(WATCH)

    def passes(self, minutes: float) -> None:
        self.clock.advance(minutes * 60)
        self.gate.tick()

    def said(self) -> list[tuple[str, bool, bool | None]]:
        """Event, what was decided, and what the candidate said otherwise."""
        return [(each["event"], each["allowed"], each.get("shadow", {}).get("allowed")) for each in self.records if "allowed" in each]

    def counted(self, answer: str) -> float:
        return self.recorder.metrics.registry.get_sample_value("kgate_shadow_decisions_total", {"answer": answer}) or 0.0


START = ("stream-start", True, None)


@pytest.mark.parametrize("candidate", [UNTIL_SIX, VIEWERS_AFTER])
def test_what_the_candidate_ends_at_its_own_edge_is_on_record_once(candidate: str) -> None:
    world = World(candidate)
    world.watches()
    world.passes(14)
    assert world.said() == [START]
    world.passes(2)
    assert world.said() == [START, ("decision-change", True, candidate == VIEWERS_AFTER)]
    assert world.records[1]["id"] == world.records[0]["id"] and world.records[1]["time"].startswith("2026-11-24T18:01")
    assert world.counted("ended") == 1
    assert len(world.gate.live) == 1, "it decides nothing"
    world.passes(24 * 60)
    assert len(world.said()) == 2


def test_what_the_candidate_goes_on_allowing_is_only_followed_further() -> None:
    world = World(GOES_ON)
    world.watches()
    world.passes(24 * 60)
    assert world.said() == [START] and world.counted("ended") == 0


def test_what_the_candidate_denied_at_the_start_has_no_edge() -> None:
    world = World(UNTIL_SIX.replace("pods", "secrets"))
    world.watches()
    world.passes(24 * 60)
    assert world.said() == [("stream-start", True, False)] and (world.counted("denied"), world.counted("ended")) == (1, 0)


def test_what_is_over_before_the_edge_is_not_asked_of() -> None:
    world = World(UNTIL_SIX)
    world.watches()
    for leg in list(world.gate.legs):
        leg.lost("")
    world.passes(16)
    assert len(world.gate.live) == 0 and world.counted("ended") == 0


def test_what_the_gate_itself_ends_at_that_edge_is_no_difference() -> None:
    world = World(UNTIL_SIX)
    world.gate.admission = world.admission(UNTIL_SIX)
    world.watches()
    world.passes(16)
    assert world.said()[1:] == [("decision-change", False, None)] and world.counted("ended") == 0


def test_a_candidate_that_comes_later_looks_at_what_lives_and_one_that_stays_goes_on() -> None:
    world = World()
    world.watches()
    world.passes(16)
    assert world.said() == [START]
    world.follows_by(UNTIL_SIX)
    world.passes(0)
    assert world.said()[1:] == [("decision-change", True, False)]
    world.follows_by(UNTIL_SIX)
    world.passes(0)
    assert world.counted("ended") == 1


def test_many_at_one_edge_do_not_hold_the_reactor() -> None:
    world = World(UNTIL_SIX)
    for _ in range(3):
        world.watches()
    world.people.takes = SLICE_SECONDS
    for ended in (1, 2, 3, 3):
        world.passes(16)
        assert world.counted("ended") == ended
