"""A record that is put together from encoded pieces is to the byte what the plain way makes of it."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime
from math import inf, nextafter
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from recorded_values import ACTIONS, AS, CONTEXTS, IDENTITIES, SECONDS

from kgate.audit.chain import Chain
from kgate.audit.line import Pieces, decision_line, end_line, kubectl_record, pieces_of
from kgate.audit.record import decision_record, end_record, timestamp
from kgate.audit.text import encode
from kgate.model import Action, Cause, Cluster, Context, Decision, Ending, Ground, Identity, Impersonation, Operation, Reason

ANYTHING = st.text(max_size=12) | st.sampled_from(["\ud800", "\x9b31m", "\u202e", '"', "\\", "x" * 5000, "é" * 300, "\x00\n"])
ADDRESSES = st.ip_addresses().map(str)
REASONS = st.lists(st.builds(Reason, st.sampled_from(Ground), ANYTHING, ANYTHING), max_size=2).map(tuple)
DECISIONS = st.builds(
    Decision, st.booleans(), st.just("abc"), ANYTHING, REASONS, st.none() | st.builds(Impersonation, ANYTHING, st.just(("view",)))
)
KUBECTL = st.lists(st.tuples(st.sampled_from(["command", "session"]), ANYTHING), max_size=2, unique_by=lambda pair: pair[0]).map(tuple)
USUAL_END = Decision(True, "abc", "view"), (), None
EVENTS = st.sampled_from(["request", "stream-start", "decision-change"])
PLAIN = st.builds(Context, SECONDS, ADDRESSES, ANYTHING)


@given(EVENTS, IDENTITIES, ACTIONS, PLAIN | CONTEXTS, ADDRESSES, ANYTHING, DECISIONS, KUBECTL, AS)
@example(
    "request", Identity("a"), Action(Cluster("prod"), "GET", "get", "/", "/" * 8193), Context(1.8e9, "", "x" * 1025), "", "a", *USUAL_END
)
def test_a_decision(
    event: str,
    identity: Identity,
    action: Action,
    context: Context,
    address: str,
    odd: str,
    decision: Decision,
    kubectl: tuple[tuple[str, str], ...],
    asked_as: Impersonation | None,
) -> None:
    identity, context = identity.but(user=odd), context.but(address=address)
    plain = decision_record(event, "01K", "gate", identity, action, context, decision, kubectl_record(kubectl), asked_as)
    line = decision_line(event, "01K", "gate", Pieces(identity), action, context, decision, kubectl, asked_as)
    assert line.encode() == encode(plain)
    assert Chain().seal(line) == Chain().seal(plain)


ODD = st.sampled_from(["", "nginx-7", '"', "\\", "a b", "\x7f", "\x00", "é", "x" * 4096, "x" * 4097])


@given(ACTIONS, ODD, ODD, ODD)
@example(Action(Cluster("prod"), "GET", "get", "/", "/", resource="pods"), "a", "/a", "x" * 4097)
def test_a_decision_on_an_action_that_has_nothing_seldom(action: Action, name: str, path: str, resource: str) -> None:
    usual = action.but(container="", label_selector="", field_selector="", command=(), ports=(), name=name, path=path, resource=resource)
    identity, context, decision = Identity("alice"), Context(1_790_000_000.5, "10.1.2.3"), Decision(True, "abc", "view")
    plain = decision_record("request", "01K", "gate", identity, usual, context, decision)
    assert decision_line("request", "01K", "gate", Pieces(identity), usual, context, decision).encode() == encode(plain)


COUNTS = st.integers(0, 2**50) | st.integers(0, 2000) | st.sampled_from([999, 1000, 999_999, 1_000_000])
DURATIONS = st.floats(0, 1e7) | st.integers(0, 10**10).map(lambda millionths: millionths / 1e6) | st.floats(0, 0.01)


@given(
    SECONDS,
    ANYTHING,
    st.integers(0, 599),
    DURATIONS,
    COUNTS,
    COUNTS,
    st.none() | st.sampled_from(Ending),
    st.none() | st.floats(0, 9),
)
def test_an_end(
    now: float, user: str, status: int, took: float, bytes_in: int, bytes_out: int, ending: Ending | None, revocation: float | None
) -> None:
    cause = Cause(ending, "kgate: it was cut") if ending is not None else None
    plain = end_record("request-end", "01K", "gate", now, "dev", user, status, took, bytes_in, bytes_out, cause, revocation)
    line = end_line("request-end", "01K", "gate", now, "dev", Pieces(Identity(user)), status, took, bytes_in, bytes_out, cause, revocation)
    assert line.encode() == encode(plain)


@given(st.integers(0, 10**9), st.integers(-8, 8))
def test_a_duration_beside_the_middle_between_two_is_rounded_as_python_does(thousandths: int, away: int) -> None:
    took = (thousandths + 0.5) / 1e6
    for _ in range(abs(away)):
        took = nextafter(took, 0.0 if away < 0 else inf)
    plain = end_record("request-end", "01K", "gate", 1.8e9, "dev", "alice", 200, took, 0, 0)
    assert end_line("request-end", "01K", "gate", 1.8e9, "dev", Pieces(Identity("alice")), 200, took, 0, 0).encode() == encode(plain)


@given(st.floats(0, 4e9))
def test_a_time_is_cut_to_millionths(now: float) -> None:
    second = int(now)
    millionths = int((now - second) * 1_000_000)
    assert timestamp(now) == f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{millionths:06d}Z"


USUAL: dict[str, Any] = {
    "event": "request",
    "action": Action(Cluster("prod"), "GET", "get", "/a", "/a", "apps", "v1", "pods", "log", "team-1", "nginx"),
    "context": Context(1_790_000_000.25, "10.1.2.3", "kubectl/v1.32"),
    "decision": Decision(True, "abc", "view"),
    "kubectl": (("command", "kubectl get"),),
    "status": 200,
}
LONG = ("path", "name", "namespace", "api_group", "resource", "subresource")
OTHERWISE: list[dict[str, Any]] = [
    *(
        {"action": USUAL["action"].but(**{part: "other"})}
        for part in ("verb", "path", "api_group", "resource", "subresource", "namespace", "name")
    ),
    *({"action": USUAL["action"].but(**{part: ""})} for part in ("api_group", "resource", "subresource", "namespace", "name")),
    *({"action": USUAL["action"].but(**{part: text})} for part in LONG for text in ("é", '"', "\x7f", "x" * 4097)),
    *({"action": USUAL["action"].but(cluster=cluster)} for cluster in (Cluster("dev"), Cluster("prod", (("env", "prod"),)))),
    {"action": USUAL["action"].but(operation=Operation.LOGS)},
    *({"context": USUAL["context"].but(**part)} for part in ({"now": 1.8e9}, {"address": "10.1.2.4"}, {"user_agent": ""})),
    *({"decision": decision} for decision in (Decision(True, "abd", "view"), Decision(False, "abc"))),
    *({"kubectl": kubectl} for kubectl in ((), (("session", "kubectl get"),))),
    {"event": "stream-start"},
    {"status": 404},
]


@pytest.mark.parametrize("otherwise", OTHERWISE)
def test_what_the_record_before_said_is_not_said_again_where_it_is_otherwise(otherwise: dict[str, Any]) -> None:
    alice = Identity("alice", ("dev",))
    pieces = Pieces(alice)
    for said in (USUAL, USUAL, {**USUAL, **otherwise}, USUAL):
        event, action, context, decision, kubectl, status = said.values()
        plain = decision_record(event, "01K", "gate", alice, action, context, decision, kubectl_record(kubectl))
        assert decision_line(event, "01K", "gate", pieces, action, context, decision, kubectl).encode() == encode(plain)
        ended, cluster = f"{event}-end", action.cluster.name
        plain = end_record(ended, "01K", "gate", 1.8e9, cluster, "alice", status, 0.1, 5, 12345)
        assert end_line(ended, "01K", "gate", 1.8e9, cluster, pieces, status, 0.1, 5, 12345).encode() == encode(plain)


def test_a_record_that_cannot_be_made_is_not_made_without_its_piece_the_next_time_either() -> None:
    pieces, said = Pieces(Identity("alice", expires=9e11)), dict(USUAL)  # the year 30489, which tokens may say and no record has
    event, action, context, decision, kubectl, _ = said.values()
    for _ in range(2):
        with pytest.raises(ValueError, match="out of range"):
            decision_line(event, "01K", "gate", pieces, action, context, decision, kubectl)


def test_what_callers_say_at_length_is_not_kept_for_each_of_them() -> None:
    """A token is a caller of its own: somebody who asks for many has as many."""
    action, context, decision, kubectl = (USUAL[name] for name in ("action", "context", "decision", "kubectl"))

    def say(number: int) -> None:
        long = f"{number}".rjust(20_000, "x")
        pieces = pieces_of(Identity("alice", expires=1.8e9 + number))
        for asked in (action.but(target=f"/a?{long}"), action):
            decision_line("request", "01K", "gate", pieces, asked, context, decision, kubectl)
        decision_line("request", "01K", "gate", pieces, action, context.but(user_agent=long), decision, (("command", long),))

    say(0)
    tracemalloc.start()
    for number in range(1, 101):
        say(number)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1_000_000


@pytest.mark.parametrize(("country", "first"), [("", 1.8e9), ("DE", 1.9e9)])  # put together, and the plain way
def test_when_a_decision_ends_is_on_no_record_and_costs_no_memory(country: str, first: float) -> None:
    """With another authorizer each request's decision ends at an instant of its own: each was kept, never to be found again, and took three times as
    long to be put on record."""
    action, context, decision = (USUAL[name] for name in ("action", "context", "decision"))
    pieces = pieces_of(Identity("alice"))

    def said(until: float | None) -> str:
        return decision_line("request", "01K", "gate", pieces, action, context.but(country=country), decision.but(until=until))

    assert said(first) == said(None)
    tracemalloc.start()
    for number in range(1000):
        said(first + number)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 100_000


def test_what_kubectl_says_of_itself_is_cut() -> None:
    assert kubectl_record((("command", "x" * 256),)) == {"command": "x" * 256}
    assert kubectl_record((("command", "x" * 257), ("session", "s"))) == {"command": "x" * 255 + "…", "session": "s"}
    assert kubectl_record(()) is None


def test_pieces_are_one_person_s() -> None:
    alice, other = Identity("alice", ("dev",)), Identity("alice", ("dev", "sre"))
    assert pieces_of(alice) is pieces_of(Identity("alice", ("dev",)))
    assert pieces_of(other) is not pieces_of(alice) and pieces_of(other).identity is other
