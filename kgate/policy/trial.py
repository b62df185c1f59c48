"""Trying a policy on its own tests: the very ``evaluate`` that decides requests, held against what the file expects."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from kgate.errors import Mistake
from kgate.model import Decision
from kgate.policy.cases import Case, Expectation, Placed
from kgate.policy.evaluate import Policy, evaluate

Labels = Mapping[str, Mapping[str, str]]
"""Labels of the clusters of a configuration, by the clusters' names."""


@frozen
class Outcome:
    """What became of one test; ``fault`` is empty where it came out as expected."""

    placed: Placed
    decision: Decision
    fault: str = ""


def outcomes(policy: Policy, clusters: Labels | None = None) -> tuple[Outcome, ...]:
    """Every test of the policy's file, tried on the policy."""
    return tuple(attempt(policy, placed, clusters or {}) for placed in policy.tests)


def failures(policy: Policy, clusters: Labels | None = None) -> list[Mistake]:
    """What keeps a policy from being loaded: each of its own tests that fails."""
    return [
        Mistake(
            each.placed.file or policy.file,
            each.placed.line,
            f"the test fails: {each.fault}",
            "mend the rule or the test: kgate policy test shows all of it",
        )
        for each in outcomes(policy, clusters)
        if each.fault
    ]


def attempt(policy: Policy, placed: Placed, clusters: Labels) -> Outcome:
    """One test, tried."""
    case = placed.case
    decision = evaluate(policy, *case.question(clusters.get(case.does.cluster)))
    return Outcome(placed, decision, _fault(case, decision))


def _fault(case: Case, decision: Decision) -> str:
    said = " and ".join(reason.text for reason in decision.reasons)
    if decision.allowed is not (case.expect is Expectation.ALLOW):
        return f"expected {case.expect.value}, but it is {'allowed' if decision.allowed else 'denied'}: {said}"
    if case.because and not any(case.because in f"{reason.ground.value} {reason.text}" for reason in decision.reasons):
        return f'expected it because of "{case.because}", but it is because: {said}'
    if case.rule is not None and decision.rule != case.rule:
        return (
            f'expected it by rule "{case.rule}", but it is by {f"rule {chr(34)}{decision.rule}{chr(34)}" if decision.rule else "no rule"}'
        )
    return _seen_fault(case, decision)


def _seen_fault(case: Case, decision: Decision) -> str:
    seen, wanted = decision.impersonate, case.as_
    if wanted is None or seen is None:
        return ""
    if wanted.user is not None and seen.user != wanted.user:
        return f"expected the cluster to see {wanted.user}, but it sees {seen.user}"
    if wanted.groups is not None and set(seen.groups) != set(wanted.groups):
        return (
            f"expected the cluster to see the groups {', '.join(wanted.groups) or 'none'}, but it sees {', '.join(seen.groups) or 'none'}"
        )
    return ""
