"""decisions.yaml: what the documentation promises, a line each; the slow oracle must say the same."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import policy_oracle as oracle
import pytest

from kgate.documents.reading import read_mapping
from kgate.model import GRANTED_BY_NAME, Decision, Operation
from kgate.policy.cases import Case
from kgate.policy.evaluate import evaluate
from kgate.policy.explain import Verdict, explain
from kgate.policy.load import load_policy
from kgate.policy.notation import policy_converter

TABLE: dict[str, Any] = read_mapping((Path(__file__).parent / "decisions.yaml").read_text(), "decisions.yaml", [])
CONVERTER = policy_converter()
FLAGS = {"-n": "namespace", "-c": "container", "-l": "label_selector", "-f": "field_selector", "--name": "name", "--sub": "subresource"}


class Line(NamedTuple):
    """One decision of the table."""

    topic: str
    text: str
    case: Case
    expected: list[str]


def read(topic: str, text: str) -> Line:
    """The line as a case; the grammar stands at the head of the table."""
    asked, _, expected = text.partition(" => ")
    asked, _, circumstances = asked.partition(" | ")
    asked, _, argv = asked.partition(" -- ")
    words = shlex.split(asked)
    context: dict[str, Any] = {}
    for name in filter(None, circumstances.split(", ")):
        context |= TABLE["contexts"][name]
    person, verb, thing, *flags = [*words, ""] if len(words) < 3 else words
    does: dict[str, Any] = {"cluster": "dev", "command": shlex.split(argv)}
    for flag, value in zip(flags[::2], flags[1::2], strict=True):
        if flag == "on":
            does["cluster"] = value
        elif flag == "at":
            context["time"] = value
        elif flag == "-p":
            does["ports"] = list(map(int, value.split(",")))
        else:
            does[FLAGS[flag]] = value
    does |= named(verb, thing, does.pop("subresource", ""))
    does["labels"] = TABLE["clusters"].get(does["cluster"], {})
    made = {"who": TABLE["people"][person], "does": does, "context": context, "expect": expected.split()[0]}
    return Line(topic, text, CONVERTER.structure(made, Case), expected.split()[1:])


def named(verb: str, thing: str, subresource: str) -> dict[str, str]:
    if thing.startswith("/"):
        return {"verb": verb, "path": thing}
    resource, slash, name = thing.partition("/")
    operation = next((each for each in Operation if each.value == verb), None)
    if operation is None:
        return {"verb": verb, "resource": resource + (f"/{subresource}" if subresource else ""), **({"name": name} if name else {})}
    found = {"resource": resource, "name": name} if slash else {"name": thing}
    return {"action": verb, **found}


LINES = [read(topic["topic"], text) for topic in TABLE["topics"] for text in topic["decisions"]]
POLICIES = {
    topic["topic"]: load_policy(json.dumps({"rules": topic["rules"], **topic.get("sets", {})}), topic["topic"]) for topic in TABLE["topics"]
}
TOPICS = {topic["topic"]: topic for topic in TABLE["topics"]}


def test_the_table_is_long_and_each_line_stands_once() -> None:
    assert len(LINES) >= 300
    assert len({(line.topic, line.text) for line in LINES}) == len(LINES)


@pytest.mark.parametrize("topic", TOPICS)
def test_decisions(topic: str) -> None:
    wrong = [f"{line.text}: {shown(decision)}" for line in LINES if line.topic == topic and not agrees(line, decision := decided(line))]
    assert wrong == []


@pytest.mark.parametrize("topic", TOPICS)
def test_the_oracle_says_the_same(topic: str) -> None:
    made = TOPICS[topic]
    wrong = []
    for line in (line for line in LINES if line.topic == topic):
        decision = decided(line)
        told = oracle.decide(made["rules"], *line.case.question(), made.get("sets"))
        if told != (decision.allowed, decision.rule, decision.impersonate):
            wrong.append(f"{line.text}: {shown(decision)}, the oracle says {told}")
    assert wrong == []


@pytest.mark.parametrize("topic", TOPICS)
def test_explain_names_the_rule_that_decided(topic: str) -> None:
    for line in (line for line in LINES if line.topic == topic):
        found = explain(POLICIES[topic], *line.case.question())
        deciding = [rule.name for rule in found.rules if rule.verdict is Verdict.DECIDED]
        assert found.decision == decided(line)
        assert deciding == ([found.decision.rule] if found.decision.rule else []), line.text


def test_every_action_and_every_kind_of_rule_is_in_the_table() -> None:
    assert {line.case.does.action for line in LINES} >= {*GRANTED_BY_NAME, Operation.LOGS, Operation.DEBUG}
    written = json.dumps(TABLE["topics"])
    for key in (
        "unless",
        "label_selector",
        "field_selector",
        "people",
        "sets",
        "devices",
        "request",
        "expression",
        "authentication",
        "posture",
    ):
        assert f'"{key}"' in written


def decided(line: Line) -> Decision:
    return evaluate(POLICIES[line.topic], *line.case.question())


def agrees(line: Line, decision: Decision) -> bool:
    allow = line.case.expect.value == "allow"
    if decision.allowed is not allow:
        return False
    if not line.expected:
        return True
    if not allow:
        return any(line.expected[0] in f"{reason.ground.value} {reason.text}" for reason in decision.reasons)
    if decision.rule != line.expected[0]:
        return False
    _, *seen = line.expected
    if not seen:
        return True
    as_whom = decision.impersonate
    return as_whom is not None and (as_whom.user, ",".join(as_whom.groups)) == (seen[1], "".join(seen[2:]))


def shown(decision: Decision) -> str:
    return f"{'allowed' if decision.allowed else 'denied'} {decision.rule} {[reason.text for reason in decision.reasons]} {decision.impersonate}"
