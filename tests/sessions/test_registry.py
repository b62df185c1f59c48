"""What lives is decided again when something changed, and when its own decision ends; what is no longer allowed is cut with the reason."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import pytest
from attrs import define, field

from kgate.model import Action, Cause, Cluster, Decision, Ending, Ground, Identity, Impersonation, Limits, Pending, Reason
from kgate.sessions.causes import denied, draining
from kgate.sessions.registry import FULL_SWEEP_SECONDS, PATIENCE, SLICE_SECONDS, Registry

ALICE = Identity("alice")
WATCH = Action(Cluster("lab"), "GET", "watch", "/api/v1/pods?watch=true", "/api/v1/pods", follows=True)
AS_ALICE = Impersonation("alice")
YES = Decision(True, "r1", "reader", impersonate=AS_ALICE)
NO = Decision(False, "r2", reasons=(Reason(Ground.NO_RULE),))


@define(eq=False)
class Held:
    """A live stream whose next decision a test sets."""

    id: str = "ID"
    identity: Identity = ALICE
    action: Action = WATCH
    decision: Decision = YES
    started: float = 0.0
    touched: float = 0.0
    bytes_carried: int = 0
    next: Decision | Pending = YES
    cuts: list[Cause] = field(factory=list)
    asked: int = 0
    looks: int = 0
    costs: float = 0.0
    world: World | None = None

    def decide_again(self) -> Decision | Pending:
        self.asked += 1
        if self.world is not None:
            self.world.monotonic += self.costs
        return self.next

    def redecided(self, decision: Decision) -> None:
        self.decision = decision

    def look(self, now: float) -> None:
        self.looks += 1

    def cut(self, cause: Cause) -> None:
        self.cuts.append(cause)
        if self.world is not None:
            self.world.registry.remove(self)


class World:
    """Two clocks and whatever was put off."""

    def __init__(self) -> None:
        self.monotonic, self.wall = 1000.0, 1_800_000_000.0
        self.later: list[object] = []
        self.fetching: list[tuple[Hashable, Callable[[], None]]] = []
        self.registry = Registry(lambda: self.monotonic, lambda: self.wall, lambda _seconds, work: self.later.append(work), self.fetch)

    def fetch(self, wanted: Hashable, then: Callable[[], None]) -> None:
        self.fetching.append((wanted, then))

    def holds(self, **facts: object) -> Held:
        stream = Held(world=self, started=self.monotonic, touched=self.monotonic, **facts)  # type: ignore[arg-type]
        self.registry.add(stream)
        return stream


@pytest.fixture
def world() -> World:
    return World()


def test_a_change_cuts_what_is_denied_now_and_leaves_the_rest(world: World) -> None:
    gone, stays = world.holds(next=NO), world.holds()
    world.registry.reevaluate(world.monotonic)
    assert [cause.text for cause in gone.cuts] == ["kgate: closed by policy: no rule allows it any more (request ID)"]
    assert gone.cuts[0].ending is Ending.POLICY and gone.cuts[0].changed_at == 1000.0
    assert stays.cuts == []


def test_only_what_is_selected_is_asked(world: World) -> None:
    alice, bob = world.holds(), world.holds(identity=Identity("bob"))
    world.registry.reevaluate(world.monotonic, lambda stream: stream.identity.user == "bob")
    assert (alice.asked, bob.asked) == (0, 1)


def test_changes_that_concern_others_do_not_put_off_the_look_at_everything(world: World) -> None:
    """News of somebody come more often than that in a large company."""
    stream = world.holds(next=NO)
    for _ in range(4):
        world.monotonic += FULL_SWEEP_SECONDS / 3
        world.registry.reevaluate(world.monotonic, lambda _: False)
        world.registry.tick()
    assert len(stream.cuts) == 1


def test_allowed_under_another_rule_is_noted_and_not_cut(world: World) -> None:
    other = Decision(True, "r2", "other", impersonate=AS_ALICE)
    stream = world.holds(next=other)
    world.registry.reevaluate(world.monotonic)
    assert stream.decision is other and stream.cuts == []


def test_allowed_only_as_somebody_else_is_a_cut(world: World) -> None:
    """The cluster saw alice when the stream began: it cannot be turned into another's."""
    stream = world.holds(next=Decision(True, "r2", "other", impersonate=Impersonation("viewer")))
    world.registry.reevaluate(world.monotonic)
    assert [cause.text for cause in stream.cuts] == [
        'kgate: closed by policy: rule "other" allows it now under another name; run the command again (request ID)'
    ]


def test_a_decision_that_ends_is_asked_again_at_its_end_and_not_before(world: World) -> None:
    until = Decision(True, "r1", "reader", impersonate=AS_ALICE, until=world.wall + 60)
    after = Decision(False, "r1", reasons=(Reason(Ground.TIME, "reader", "time is outside 08:00-20:00 Europe/Berlin"),))
    stream = world.holds(decision=until, next=after)
    world.wall += 59
    world.registry.tick()
    assert stream.asked == 0
    world.wall += 1
    world.registry.tick()
    assert [(cause.ending, cause.text) for cause in stream.cuts] == [
        (
            Ending.TIME,
            'kgate: closed by policy: rule "reader" no longer allows it: time is outside 08:00-20:00 Europe/Berlin (request ID)',
        )
    ]


def a_minute_on_a_clock_set_back(world: World, meanwhile: Callable[[], None]) -> None:
    world.wall -= 3600
    for _ in range(240):
        world.monotonic += 0.25
        world.wall += 0.25
        meanwhile()
        world.registry.tick()


@pytest.mark.threat("28")
def test_threat_28_a_clock_set_back_an_hour_extends_nothing_by_more_than_a_minute(world: World) -> None:
    stream = world.holds(decision=Decision(True, "r1", "reader", impersonate=AS_ALICE, until=world.wall + 10), next=NO)
    a_minute_on_a_clock_set_back(world, lambda: None)
    assert FULL_SWEEP_SECONDS < 60 and len(stream.cuts) == 1


@pytest.mark.threat("28")
def test_threat_28_changes_that_concern_others_put_the_sweep_off_for_nobody(world: World) -> None:
    stream = world.holds(decision=Decision(True, "r1", "reader", impersonate=AS_ALICE, until=world.wall + 10), next=NO)
    a_minute_on_a_clock_set_back(world, lambda: world.registry.reevaluate(world.monotonic, lambda other: other.identity.user == "bob"))
    assert len(stream.cuts) == 1


@pytest.mark.parametrize(
    ("limits", "nearly", "reached", "words"),
    [
        (Limits(duration=3600), {"monotonic": 4599.9}, {"monotonic": 4600.0}, 'rule "reader" allows 1 h'),
        (Limits(duration=5400), {"monotonic": 6399.9}, {"monotonic": 6400.0}, 'rule "reader" allows 1 h 30 min'),
        (Limits(duration=90), {"monotonic": 1089.9}, {"monotonic": 1090.0}, 'rule "reader" allows 90 s'),
        (Limits(idle=900), {"touched": 1400.1, "monotonic": 2300.0}, {"touched": 1400.0}, "idle for 15 min, which"),
        (Limits(bytes=10), {"bytes_carried": 9}, {"bytes_carried": 10}, 'rule "reader" allows 10 bytes'),
        (Limits(3600, duration_by="sql"), {"monotonic": 4599.9}, {"monotonic": 4600.0}, 'rule "sql" allows 1 h'),
        (
            Limits(idle=900, idle_by="sql"),
            {"touched": 1400.1, "monotonic": 2300.0},
            {"touched": 1400.0},
            'idle for 15 min, which is all that rule "sql" allows',
        ),
        (Limits(3600, bytes=10, bytes_by="sql"), {"bytes_carried": 9}, {"bytes_carried": 10}, 'rule "sql" allows 10 bytes'),
    ],
)
def test_a_limit_ends_it_when_it_is_reached_and_not_before_with_the_limit_named(
    world: World, limits: Limits, nearly: dict[str, float], reached: dict[str, float], words: str
) -> None:
    allowed = Decision(True, "r1", "reader", impersonate=AS_ALICE, limits=limits)
    stream = world.holds(decision=allowed, next=allowed)
    for facts, cuts in ((nearly, 0), (reached, 1)):
        for name, value in facts.items():
            setattr(world if name == "monotonic" else stream, name, value)
        world.registry.tick()
        assert len(stream.cuts) == cuts
    assert (stream.cuts[0].ending, stream.cuts[0].changed_at) == (Ending.LIMIT, world.monotonic)
    assert f"kgate: closed by policy: {words}" in stream.cuts[0].text


def test_ten_thousand_are_decided_in_slices_that_let_the_reactor_breathe(world: World) -> None:
    streams = [world.holds(next=NO, costs=0.00002) for _ in range(10_000)]
    world.registry.reevaluate(world.monotonic)
    slices = 1
    while world.later:
        before = world.monotonic
        world.later.pop()()  # type: ignore[operator]
        slices += 1
        assert world.monotonic - before <= SLICE_SECONDS + 0.0001
    assert all(len(stream.cuts) == 1 for stream in streams) and slices > 30


def test_ten_thousand_whose_window_ends_at_once_are_decided_in_slices_too(world: World) -> None:
    until = Decision(True, "r1", "reader", impersonate=AS_ALICE, until=world.wall)
    streams = [world.holds(decision=until, next=NO, costs=0.00002) for _ in range(10_000)]
    world.later.append(world.registry.tick)
    while world.later:
        before = world.monotonic
        world.later.pop()()  # type: ignore[operator]
        assert world.monotonic - before <= SLICE_SECONDS + 0.0001
    assert all(len(stream.cuts) == 1 and stream.cuts[0].changed_at == 1000.0 for stream in streams)


@pytest.mark.threat("28")
def test_threat_28_a_timer_that_a_clock_holds_up_holds_up_no_decision(world: World) -> None:
    """Twisted's timers run on the wall clock: what is due at once is due in an hour if that is set back just then. The tick comes from a thread."""
    streams = [world.holds(next=NO, costs=0.002) for _ in range(30)]
    world.registry.reevaluate(world.monotonic)
    assert world.later and not all(stream.cuts for stream in streams)
    for _ in range(12):
        world.registry.tick()
    assert all(stream.cuts for stream in streams) and len(world.later) == 1


def test_ten_thousand_that_waited_for_one_answer_are_decided_in_slices_too(world: World) -> None:
    """One robot's token, or one authorizer's answer, may be what very many wait for."""
    streams = [world.holds(next=Pending("the robot's token"), costs=0.00002) for _ in range(10_000)]
    world.registry.reevaluate(world.monotonic)
    while world.later:
        world.later.pop()()  # type: ignore[operator]
    for stream in streams:
        stream.next = NO
    world.later.append(lambda: [then() for _, then in world.fetching])
    while world.later:
        assert len(world.later) == 1  # one round for all of them
        before = world.monotonic
        world.later.pop()()  # type: ignore[operator]
        assert world.monotonic - before <= SLICE_SECONDS + 0.0001
    assert all(len(stream.cuts) == 1 and stream.cuts[0].changed_at == 1000.0 for stream in streams)


def test_changes_that_follow_each_other_fast_hold_the_reactor_no_longer_than_one_and_leave_nobody_out(world: World) -> None:
    """Each began a round of its own, a slice of which came in each turn of the reactor beside those of all the others."""
    streams = [world.holds(costs=0.0001) for _ in range(2_000)]
    changes = [1000.0 + 0.05 * number for number in range(60)]
    late = 0.0
    while changes or world.later:
        before = world.monotonic
        if changes and changes[0] <= before:
            world.registry.reevaluate(changes.pop(0))
        later, world.later = world.later, []
        for work in later:
            work()  # type: ignore[operator]
        late = max(late, world.monotonic - before)
        world.monotonic += 0.0005
    assert late <= 2 * SLICE_SECONDS + 0.0002
    assert min(stream.asked for stream in streams) >= 10  # one round takes 0.2 s of the 3


def test_a_bug_in_one_decision_ends_that_stream_and_the_others_are_decided_in_the_same_turn(world: World) -> None:
    class Broken(Held):
        def decide_again(self) -> Decision:
            return [YES][1]

    broken = Broken(world=world)
    world.registry.add(broken)
    gone, stays = world.holds(next=NO), world.holds()
    world.registry.reevaluate(world.monotonic)
    assert (len(gone.cuts), stays.cuts, stays.asked) == (1, [], 1)
    assert [(cut.ending, cut.text) for cut in broken.cuts] == [
        (
            Ending.POLICY,
            "kgate: closed by policy: whether it is still allowed could not be decided, which is a fault of the gate (request ID)",
        )
    ]
    with pytest.raises(IndexError):  # which the reactor logs, with its traceback
        world.later.pop()()  # type: ignore[operator]
    assert world.registry.streams() == [stays]


def test_a_stream_that_ended_meanwhile_is_left_alone(world: World) -> None:
    streams = [world.holds(next=NO, costs=1.0) for _ in range(2)]
    world.registry.reevaluate(world.monotonic)
    world.registry.remove(streams[1])
    world.later.pop()()  # type: ignore[operator]
    assert [len(stream.cuts) for stream in streams] == [1, 0]


def test_a_gate_that_stops_says_so(world: World) -> None:
    stream = world.holds()
    world.registry.cut_all(draining)
    assert stream.cuts[0].ending is Ending.DRAIN and "shutting down" in stream.cuts[0].text


@define(eq=False)
class Uncut(Held):
    """A stream for which no last words can be found."""

    def cut(self, cause: Cause) -> None:
        super().cut(cause)
        raise ValueError("a bug")


@pytest.mark.threat("13")
def test_a_bug_in_one_cut_keeps_nobody_else(world: World) -> None:
    """Neither where all are cut (a gate that stops, or lost its store) nor at a limit; and the gate's own work of that tick is done."""
    for ends in (lambda: world.registry.cut_all(draining), world.registry.tick):
        streams = [kind(world=world, decision=YES.but(limits=Limits(duration=1.0))) for kind in (Held, Uncut, Held)]
        for stream in streams:
            world.registry.add(stream)
        world.monotonic += 2
        ends()
        assert [len(stream.cuts) for stream in streams] == [1, 1, 1]
        with pytest.raises(ValueError, match="a bug"):  # which the reactor logs, with its traceback
            world.later.pop()()  # type: ignore[operator]


def test_a_bug_in_one_stream_s_deadlines_keeps_nobody_else(world: World) -> None:
    class Blind(Held):
        def look(self, now: float) -> None:
            raise ValueError("a bug")

    world.registry.add(Blind(world=world))
    after = world.holds(decision=YES.but(limits=Limits(duration=1.0)))
    world.registry.tick()
    assert (after.looks, after.cuts) == (1, [])
    world.monotonic += 2
    world.registry.tick()
    assert len(after.cuts) == 1


@pytest.mark.threat("13")
def test_a_stream_goes_on_while_somebody_is_asked_and_ends_by_the_answer(world: World) -> None:
    asked = Pending("may alice watch?")
    gone, stays = world.holds(next=asked), world.holds(next=asked)
    world.registry.reevaluate(world.monotonic)
    assert [wanted for wanted, _ in world.fetching] == ["may alice watch?"] * 2
    assert gone.cuts == stays.cuts == []
    gone.next, stays.next = NO, YES
    for _, then in world.fetching:
        then()
    world.later.pop()()  # type: ignore[operator]
    assert [len(gone.cuts), len(stays.cuts)] == [1, 0]
    assert gone.cuts[0].changed_at == 1000.0  # the time of the change counts, not that of the answer
    world.monotonic += PATIENCE + 1
    world.registry.tick()
    assert stays.cuts == []


@pytest.mark.threat("13")
def test_a_stream_that_nobody_answers_for_in_time_is_cut(world: World) -> None:
    stream = world.holds(next=Pending("?"))
    world.registry.reevaluate(world.monotonic)
    world.monotonic += PATIENCE
    world.registry.tick()
    assert stream.cuts == []
    world.registry.reevaluate(world.monotonic)  # asking once more buys no more time
    world.monotonic += 0.25
    world.registry.tick()
    assert "could not be found out in time" in stream.cuts[0].text
    for _, then in world.fetching:
        then()  # an answer that comes too late changes nothing
    assert len(stream.cuts) == 1 and world.later == []


def test_what_one_waited_for_is_not_held_against_another_in_its_place(world: World) -> None:
    """The next stream may have the place in memory of one that ended while somebody was asked about it."""
    stream = world.holds(next=Pending("?"))
    world.registry.reevaluate(world.monotonic)
    world.registry.remove(stream)
    world.monotonic += 2 * PATIENCE
    stream.next = YES
    world.registry.add(stream)
    world.registry.tick()
    assert stream.cuts == []


@pytest.mark.parametrize(
    ("ground", "ending"),
    [
        (Ground.EXPIRED, Ending.EXPIRED),
        (Ground.LOGOUT, Ending.LOGOUT),
        (Ground.FACT, Ending.FACT),
        (Ground.DEVICE, Ending.DEVICE),
        (Ground.NETWORK, Ending.NETWORK),
        (Ground.COUNTRY, Ending.NETWORK),
        (Ground.AUTHENTICATION, Ending.AUTHENTICATION),
        (Ground.EXPRESSION, Ending.EXPRESSION),
        (Ground.GRANT, Ending.GRANT),
        (Ground.DENIED, Ending.POLICY),
        (Ground.AUTHORIZER, Ending.POLICY),
    ],
)
def test_what_is_on_record_as_the_end_is_what_was_lost(ground: Ground, ending: Ending) -> None:
    cause = denied(Decision(False, "r2", reasons=(Reason(ground, text="what is missing"),)), "ID", 7.0)
    assert cause == Cause(ending, "kgate: closed by policy: what is missing (request ID)", 7.0)


def test_the_sentence_names_the_rule_that_denies_once() -> None:
    refused = Decision(False, "r2", "incident", (Reason(Ground.DENIED, "incident", 'rule "incident" denies it'),))
    assert denied(refused, "ID", None).text == 'kgate: closed by policy: rule "incident" denies it (request ID)'


def test_very_many_are_cut_in_slices_and_who_left_meanwhile_is_not(world: World) -> None:
    streams = [Slow(world=world, id=str(number)) for number in range(5)]
    for each in streams:
        world.registry.add(each)
    world.registry.cut(streams, draining)
    assert [len(each.cuts) for each in streams] == [1, 0, 0, 0, 0]
    world.registry.remove(streams[2])
    while world.later:
        world.later.pop(0)()  # type: ignore[operator]
    assert [len(each.cuts) for each in streams] == [1, 1, 0, 1, 1] and streams[4].cuts[0].text.endswith("(request 4)")


def test_a_bug_in_one_cut_leaves_the_others_none(world: World) -> None:
    streams = [world.holds(), world.holds(), world.holds()]
    streams[1].cuts = None  # type: ignore[assignment]
    world.registry.cut(streams, draining)
    assert len(streams[0].cuts) == len(streams[2].cuts) == 1
    with pytest.raises(AttributeError):
        world.later.pop()()  # type: ignore[operator]


class Slow(Held):
    """Takes a slice to say farewell."""

    def cut(self, cause: Cause) -> None:
        assert self.world is not None
        self.world.monotonic += SLICE_SECONDS
        super().cut(cause)
