"""Replays of small histories: what the gate wrote, and what another policy would have done."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve
from generated_cases import cases
from hypothesis import given, settings
from hypothesis import strategies as st

from kgate.audit.chain import Chain
from kgate.audit.record import Record, decision_record, end_record, facts_record
from kgate.authorizers.builtin import PolicyAuthorizer
from kgate.documents.values import instant
from kgate.exchange.admission import decide
from kgate.model import Action, Cause, Cluster, Context, Decision, Ending, Fact, Ground, Identity, Operation, Reason
from kgate.policy.evaluate import Policy
from kgate.policy.load import load_policy
from kgate.review.replay import Replay, Report, Skipped
from kgate.review.turns import Turn

SHELL = Action(
    Cluster("dev"), "", "create", "", "/x", "", "", "pods", "exec", "a", "web-0", Operation.EXEC, "app", ("sh",), follows=True
)  # fmt: skip
PODS = Action(Cluster("dev"), "", "get", "", "/api/v1/pods", resource="pods", namespace="a")
NINE = instant("2026-11-25T09:00:00Z")
HOUR = 3600.0
CALM, STORM = (Fact("incident", '{"open":false}'),), (Fact("incident", '{"open":true}'),)


def policy(when: str = "", groups: str = "developers", name: str = "all", as_: str = "") -> Policy:
    text = f"""
rules:
  - name: {name}
    who: {{groups: [{groups}]}}
    clusters: {{names: ["*"]}}
    allow: [{{verbs: ["*"], resources: ["*"]}}, {{actions: ["*"]}}]
"""
    return load_policy(text + (f"    when: {{{when}}}\n" if when else "") + (f"    as: {{{as_}}}\n" if as_ else ""), "p.yaml")


OFFICE = policy('time: {hours: "08:00-18:00", zone: UTC}')
CALM_ONLY = policy("facts: {incident: {open: false}}")
ANY = policy()


class Gate:
    """Does and writes what the gate does: decides, tells facts, decides what lives again, and cuts it."""

    def __init__(self, policy: Policy) -> None:
        self.policy, self.now, self.facts, self.number = policy, NINE, CALM, 0
        self.kept: dict[str, Policy] = {}
        self.lines: list[bytes] = []
        self.live: dict[str, tuple[Identity, Action, Decision]] = {}
        self._chain = Chain()
        self.use(policy)

    def use(self, policy: Policy) -> None:
        self.policy = policy
        self.kept[policy.revision] = policy
        self.look()

    def ask(self, action: Action, user: str = "alice", group: str = "developers") -> str:
        return self.asks(Identity(user, (group,)), action)

    def asks(self, identity: Identity, action: Action) -> str:
        self.number += 1
        id_ = f"ID{self.number}"
        decision = self._decide("stream-start" if action.follows else "request", id_, identity, action)
        if action.follows and decision.allowed:
            self.live[id_] = identity, action, decision
        return id_

    def passes(self, seconds: float) -> None:
        """Time, and at each edge the gate looks a quarter of a second later."""
        end = self.now + seconds
        while edges := [decision.until for _, _, decision in self.live.values() if decision.until and decision.until <= end]:
            self.now = min(edges) + 0.25
            self.look()
        self.now = end

    def learns(self, facts: tuple[Fact, ...]) -> None:
        self.facts = facts
        self._write(facts_record("F", "gate", self.now, facts))
        self.look()

    def look(self) -> None:
        for id_, (identity, action, before) in list(self.live.items()):
            decision = self.policy_says(identity, action)
            self.live[id_] = identity, action, decision
            if (decision.allowed, decision.rule) != (before.allowed, before.rule):
                self._decide("decision-change", id_, identity, action)
            if not decision.allowed:
                self.leaves(id_, Cause(Ending.POLICY, "kgate: closed by policy"))

    def leaves(self, id_: str, cause: Cause | None = None) -> None:
        del self.live[id_]
        self._write(end_record("stream-end", id_, "gate", self.now, "dev", "alice", 101, 1, 0, 0, cause))

    def policy_says(self, identity: Identity, action: Action) -> Decision:
        decision = decide(PolicyAuthorizer(self.policy), identity, action, self._context(), None)
        assert isinstance(decision, Decision)
        return decision

    def _context(self) -> Context:
        return Context(self.now, "10.0.0.1", facts=self.facts)

    def _decide(self, event: str, id_: str, identity: Identity, action: Action) -> Decision:
        decision = self.policy_says(identity, action)
        self._write(facts_record("F", "gate", self.now, self.facts))
        self._write(decision_record(event, id_, "gate", identity, action, self._context(), decision))
        return decision

    def _write(self, record: Record) -> None:
        self.lines.append(self._chain.seal(record))

    def replayed(self, other: Policy | None = None) -> Report:
        running = Replay(self.kept.get, other)
        for line in self.lines:
            running.line(line)
        return running.finish(self.now)


def turns(report: Report) -> dict[Turn, tuple[int, int]]:
    return {group.turn: (tally.requests, tally.streams) for group, tally in report.groups.items()}


def a_day(gate: Gate) -> None:
    """Requests and shells over a policy change, an edge of time and a fact that flips."""
    gate.ask(PODS)
    gate.ask(PODS, "mallory", "strangers")
    first = gate.ask(SHELL)
    gate.passes(HOUR)
    gate.learns(STORM)
    gate.ask(PODS)
    gate.learns(CALM)
    gate.ask(SHELL)
    gate.passes(10 * HOUR)
    gate.use(policy(groups="nobody"))
    gate.ask(PODS)
    if first in gate.live:
        gate.leaves(first)


@pytest.mark.parametrize("used", [ANY, OFFICE, CALM_ONLY])
def test_the_same_policy_says_the_same_over_a_policy_change_an_edge_of_time_and_a_fact(used: Policy) -> None:
    gate = Gate(used)
    a_day(gate)
    report = gate.replayed()
    assert (report.changed, report.groups, dict(report.skipped)) == (0, {}, {})
    assert report.requests + report.streams == 6


@pytest.mark.parametrize("used", [ANY, OFFICE, CALM_ONLY])
def test_nor_does_it_follow_a_stream_to_another_end(used: Policy) -> None:
    gate = Gate(used)
    gate.ask(SHELL)
    gate.passes(HOUR)
    gate.learns(STORM)
    gate.passes(12 * HOUR)
    assert gate.replayed(load_policy(used.source, "copy.yaml")).groups == {}


@settings(max_examples=25)
@given(cases(most=6), cases(most=1), st.lists(st.sampled_from(["hour", "day", "facts", "policy"]), min_size=6, max_size=6))
def test_any_history_under_any_policies_comes_out_the_same_again(case: Any, other: Any, between: list[str]) -> None:
    made, questions = case
    policies = [load_policy(json.dumps(each), "p.yaml") for each in (made, other[0])]
    gate = Gate(policies[0])
    gate.now = questions[0][2].now
    for (identity, action, _), event in zip(questions, between, strict=False):
        gate.asks(identity.but(expires=None), action.but(follows=action.operation is not None))
        if event == "policy":
            gate.use(policies[1])
        elif event == "facts":
            gate.learns(STORM if gate.facts == CALM else CALM)
        else:
            gate.passes(HOUR if event == "hour" else 26 * HOUR)
    assert gate.replayed().groups == {}
    if "policy" not in between:
        assert gate.replayed(load_policy(policies[0].source, "copy.yaml")).groups == {}


def test_what_would_be_denied_and_allowed_is_grouped_by_rule_and_person() -> None:
    gate = Gate(ANY)
    for _ in range(3):
        gate.ask(PODS)
    gate.ask(SHELL, "bob")
    gate.ask(PODS, "mallory", "strangers")
    report = gate.replayed(policy(groups="strangers", name="new"))
    found = [(group.turn, group.before, group.after, group.user, tally.requests, tally.streams) for group, tally in report.groups.items()]
    assert found == [
        (Turn.DENIED, "all", "", "alice", 3, 0),
        (Turn.DENIED, "all", "", "bob", 0, 1),
        (Turn.ALLOWED, "", "new", "mallory", 1, 0),
    ]
    assert report.changed == 5


def test_who_the_cluster_sees_matters_and_the_rules_name_alone_does_not() -> None:
    gate = Gate(ANY)
    gate.ask(PODS)
    assert turns(gate.replayed(policy(as_="groups: [view]"))) == {Turn.SEEN: (1, 0)}
    renamed = gate.replayed(policy(name="renamed"))
    assert turns(renamed) == {Turn.RULE: (1, 0)} and renamed.changed == 0


def test_a_window_of_the_new_policy_ends_a_shell_that_nobody_asked_about() -> None:
    gate = Gate(ANY)
    for hours in (8, 10):
        shell = gate.ask(SHELL)
        gate.passes(hours * HOUR)
        gate.leaves(shell)
        gate.now = NINE
    assert turns(gate.replayed(OFFICE)) == {Turn.ENDED: (0, 1)}


def test_so_does_a_fact_and_a_shell_that_is_still_open_counts() -> None:
    gate = Gate(ANY)
    gate.ask(SHELL)
    gate.passes(HOUR)
    gate.learns(STORM)
    assert turns(gate.replayed(CALM_ONLY)) == {Turn.ENDED: (0, 1)}


def test_a_shell_that_the_gate_cut_would_have_gone_on() -> None:
    gate = Gate(OFFICE)
    gate.ask(SHELL)
    gate.passes(10 * HOUR)
    assert turns(gate.replayed(ANY)) == {Turn.ALLOWED: (0, 1)}


def test_a_fact_that_is_told_anew_in_time_ends_nothing() -> None:
    gate = Gate(CALM_ONLY)
    gate.facts = (evolve(CALM[0], until=NINE + 30),)
    shell = gate.ask(SHELL)
    gate.now += 30.25
    gate.learns((evolve(CALM[0], until=NINE + 60),))
    gate.now += 10
    gate.leaves(shell)
    assert gate.replayed(load_policy(CALM_ONLY.source, "copy.yaml")).groups == {}


@pytest.mark.parametrize(
    ("change", "skipped"),
    [
        (lambda decision: decision.but(allowed=False, reasons=(Reason(Ground.AUTHORIZER, text="no"),)), Skipped.NOT_POLICY),
        (lambda decision: decision.but(revision="0" * 12), Skipped.NO_POLICY),
        (lambda decision: decision.but(revision=""), Skipped.NOT_POLICY),
    ],
)
def test_what_the_policy_did_not_say_is_counted_apart(change: Callable[[Decision], Decision], skipped: Skipped) -> None:
    gate = Gate(ANY)
    identity = Identity("alice", ("developers",))
    decision = change(gate.policy_says(identity, PODS))
    gate._write(decision_record("request", "1", "gate", identity, PODS, Context(NINE, ""), decision))
    report = gate.replayed()
    assert (dict(report.skipped), report.requests, report.groups) == ({skipped: 1}, 0, {})


def test_a_line_that_is_no_record_is_counted_and_passed_over() -> None:
    gate = Gate(ANY)
    gate.ask(PODS)
    gate.lines.insert(0, b'{"event":"requ\n')
    report = gate.replayed()
    assert (sum(report.skipped.values()), report.requests) == (1, 1)
