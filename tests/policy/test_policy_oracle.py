"""The fast evaluator against the slow, obvious one, on generated policies and requests."""

from __future__ import annotations

import json
import os
from collections import Counter
from typing import Any

import policy_oracle as oracle
from generated_cases import Question, cases
from hypothesis import given, settings
from hypothesis import strategies as st

from kgate.model import Action, Ground, Identity
from kgate.policy.evaluate import Policy, evaluate, refused
from kgate.policy.load import load_policy

Case = tuple[dict[str, Any], list[Question]]


def policy_of(made: dict[str, Any]) -> Policy:
    return load_policy(json.dumps(made), "generated.yaml")


CASES = int(os.environ.get("KGATE_ORACLE_CASES", "1000"))
"""Decisions that are compared: a thousand in every run, 100,000 before a release (KGATE_ORACLE_CASES=100000, half an hour)."""
MANY = {"least": 50, "most": 100} if CASES > 10_000 else {}
"""Questions of one policy: a policy costs more to make than they do."""
compared: Counter[str] = Counter()


def test_both_evaluators_agree() -> None:
    while compared.total() < CASES:
        both_evaluators_agree()
    print(f"{compared.total()} decisions compared: {dict(compared)}")


@settings(max_examples=200, database=None)
@given(cases(**MANY))
def both_evaluators_agree(case: Case) -> None:
    made, questions = case
    policy = policy_of(made)
    for who, action, context in questions:
        decision = evaluate(policy, who, action, context)
        compared[decision.reasons[0].ground.value] += 1
        assert (decision.allowed, decision.rule, decision.impersonate) == oracle.decide(made["rules"], who, action, context, made)


@settings(max_examples=100)
@given(cases(most=4), st.lists(st.floats(0, 0.9999), min_size=4, max_size=4))
def test_a_decision_holds_until_it_says(case: Case, points: list[float]) -> None:
    made, questions = case
    policy = policy_of(made)
    for who, action, context in questions:
        decision = evaluate(policy, who, action, context)
        end = decision.until if decision.until is not None else context.now + 20 * 86400
        if end <= context.now:
            assert decision.reasons[0].ground is Ground.EXPIRED
            continue
        for point in points:
            later = context.but(now=context.now + point * (end - context.now))
            assert oracle.decide(made["rules"], who, action, later, made) == oracle.decide(made["rules"], who, action, context, made)


@settings(max_examples=100)
@given(cases(most=6))
def test_a_denial_says_why_and_names_no_rule_for_others(case: Case) -> None:
    made, questions = case
    policy = policy_of(made)
    for who, action, context in questions:
        decision = evaluate(policy, who, action, context)
        assert decision.reasons and all(reason.text and reason.text.isprintable() for reason in decision.reasons)
        named = {reason.rule for reason in decision.reasons if reason.rule}
        assert all(oracle.is_meant(rule, who, made) for rule in made["rules"] if rule["name"] in named)
        assert decision.allowed == ([reason.ground for reason in decision.reasons] == [Ground.ALLOWED])


NEARER = [Ground.NAME, Ground.NAMESPACE, Ground.ACTION, Ground.VERB, Ground.PATH, Ground.RESOURCE, Ground.CLUSTER]

ELSEWHERE = (Ground.WHO, Ground.IMPERSONATION)
"""No rule is for this caller, or it is discovery, which no rule allows."""


def nearest_rule(policy: Policy, who: Identity, action: Action) -> str:
    """The first that lacks nothing beside its context, else the first that lacks one thing alone, the narrowest there is; entry by entry."""
    index = policy.index
    concerned = index.person(who).standing & index.of_such_requests(action) & ~index.denying
    grounds = index.grounds(action)
    lacking = [
        (clause.rule.name, [ground for ground, entries in grounds if not entries >> number & 1])
        for number, clause in enumerate(index.clauses)
        if concerned >> number & 1
    ]
    return next((name for wanted in [[], *([ground] for ground in NEARER)] for name, lacks in lacking if lacks == wanted), "")


@settings(max_examples=80)
@given(cases(most=20, least=10))
def test_the_nearest_miss_is_nearest(case: Case) -> None:
    made, questions = case
    policy = policy_of(made)
    for who, action, context in questions:
        decision = evaluate(policy, who, action, context.but(grants=()))
        if decision.allowed or decision.rule or refused(who, action, context) or decision.reasons[0].ground in ELSEWHERE:
            continue
        assert decision.reasons[0].rule == nearest_rule(policy, who, action)


def test_generated_cases_are_not_vacuous() -> None:
    """Of the cases themselves, by the oracle alone: always the same hundred."""
    outcomes: Counter[str] = Counter()

    @settings(max_examples=100, derandomize=True, database=None)
    @given(cases())
    def look(case: Case) -> None:
        made, questions = case
        for question in questions:
            allowed, rule, _ = oracle.decide(made["rules"], *question, made)
            outcomes["allowed" if allowed and rule else "denied" if rule else "neither"] += 1

    look()
    assert outcomes["allowed"] > 0.15 * outcomes.total() and outcomes["denied"] > 0.05 * outcomes.total(), outcomes
