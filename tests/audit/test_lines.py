"""A record that is put together from encoded pieces is to the byte what the plain way makes of it."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from recorded_values import ACTIONS, AS, CONTEXTS, IDENTITIES, SECONDS

from kgate.audit.chain import Chain
from kgate.audit.line import decision_line, end_line, kubectl_record
from kgate.audit.record import decision_record, end_record
from kgate.audit.text import encode
from kgate.model import Action, Cause, Cluster, Context, Decision, Ending, Ground, Identity, Impersonation, Reason

ANYTHING = st.text(max_size=12) | st.sampled_from(["\ud800", "\x9b31m", "\u202e", '"', "\\", "x" * 5000, "é" * 300, "\x00\n"])
ADDRESSES = st.ip_addresses().map(str)
REASONS = st.lists(st.builds(Reason, st.sampled_from(Ground), ANYTHING, ANYTHING), max_size=2).map(tuple)
DECISIONS = st.builds(
    Decision, st.booleans(), st.just("abc"), ANYTHING, REASONS, st.none() | st.builds(Impersonation, ANYTHING, st.just(("view",)))
)
KUBECTL = st.lists(st.tuples(st.sampled_from(["command", "session"]), ANYTHING), max_size=2, unique_by=lambda pair: pair[0]).map(tuple)
EVENTS = st.sampled_from(["request", "stream-start", "decision-change"])
PLAIN = st.builds(Context, SECONDS, ADDRESSES, ANYTHING)


@given(EVENTS, IDENTITIES, ACTIONS, PLAIN | CONTEXTS, ADDRESSES, ANYTHING, DECISIONS, KUBECTL, AS)
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
    line = decision_line(event, "01K", "gate", identity, action, context, decision, kubectl, asked_as)
    assert line.encode() == encode(plain)
    assert Chain().seal(line) == Chain().seal(plain)


ODD = st.sampled_from(["", "nginx-7", '"', "\\", "a b", "\x7f", "\x00", "é", "x" * 4096, "x" * 4097])


@given(ACTIONS, ODD, ODD, ODD)
@example(Action(Cluster("prod"), "GET", "get", "/", "/", resource="pods"), "a", "/a", "x" * 4097)
def test_a_decision_on_an_action_that_has_nothing_seldom(action: Action, name: str, path: str, resource: str) -> None:
    usual = action.but(container="", label_selector="", field_selector="", command=(), ports=(), name=name, path=path, resource=resource)
    identity, context, decision = Identity("alice"), Context(1_790_000_000.5, "10.1.2.3"), Decision(True, "abc", "view")
    plain = decision_record("request", "01K", "gate", identity, usual, context, decision)
    assert decision_line("request", "01K", "gate", identity, usual, context, decision).encode() == encode(plain)


COUNTS = st.integers(0, 2**50)


@given(
    SECONDS,
    ANYTHING,
    st.integers(0, 599),
    st.floats(0, 1e7),
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
    line = end_line("request-end", "01K", "gate", now, "dev", user, status, took, bytes_in, bytes_out, cause, revocation)
    assert line.encode() == encode(plain)
