"""docs/policy.schema.json is the code's own, takes what the loader takes, and docs/policy.md names every key and every name of an expression."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import attrs
import pytest
import yaml
from jsonschema import Draft202012Validator

from kgate.errors import InvalidFileError
from kgate.policy.conditions import When
from kgate.policy.conditions.expression import NAMES
from kgate.policy.load import load_policy
from kgate.policy.rules import ACTIONS
from kgate.policy.schema import policy_schema
from kgate.policy.trial import failures

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "policy.md").read_text()
POLICIES = sorted((ROOT / "conf" / "policies").glob("*.yaml"))
VALIDATOR = Draft202012Validator(policy_schema())


def faults(text: str) -> list[str]:
    document: Any = yaml.safe_load(text)
    return [error.json_path for error in VALIDATOR.iter_errors(as_editors_read(document))]


def as_editors_read(value: Any) -> Any:
    """YAML 1.2 has no dates: what PyYAML reads as one is text."""
    if isinstance(value, dict):
        return {key: as_editors_read(each) for key, each in value.items()}
    if isinstance(value, list):
        return [as_editors_read(each) for each in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else value.isoformat()


def test_the_schema_is_one_and_the_file_is_it() -> None:
    Draft202012Validator.check_schema(policy_schema())
    assert json.loads((ROOT / "docs" / "policy.schema.json").read_text()) == policy_schema(), (
        "run: kgate policy schema > docs/policy.schema.json"
    )


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_the_worked_policies_are_valid_and_pass_their_own_tests(path: Path) -> None:
    text = path.read_text()
    policy = load_policy(text, path.name)
    assert len(policy.tests) >= 5 and failures(policy) == []
    assert faults(text) == []


def test_there_are_eight_of_them() -> None:
    assert {path.stem for path in POLICIES} >= {
        "read-only", "on-call", "break-glass", "ci", "contractors", "freeze", "databases", "auditors",
    }  # fmt: skip


def test_the_worked_policies_go_together_in_one_directory() -> None:
    from kgate.settings.policies import policy_text

    text = policy_text(ROOT / "conf" / "policies", Path.read_bytes)
    with pytest.raises(InvalidFileError) as caught:
        load_policy(text, "policies")
    assert all("is in policies/" in mistake.text and 'a rule "' in mistake.text for mistake in caught.value.mistakes), (
        "only names may collide"
    )


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("rules: [{name: r}]", "$.rules[0]"),
        ("ruels: []", "$"),
        ("rules: [{name: 'a b', who: {users: [a]}, clusters: {names: [c]}, allow: [{actions: [exec]}]}]", "$.rules[0].name"),
        ("rules: [{name: r, who: {group: [a]}, clusters: {names: [c]}, allow: [{actions: [exec]}]}]", "$.rules[0].who"),
        ("rules: [{name: r, who: {users: []}, clusters: {names: [c]}, allow: [{actions: [exec]}]}]", "$.rules[0].who.users"),
        ("rules: [{name: r, who: {users: [a]}, clusters: {names: [c]}, allow: [{actions: [shell]}]}]", "$.rules[0].allow[0].actions[0]"),
        (
            "rules: [{name: r, who: {users: [a]}, clusters: {names: [c]}, allow: [{actions: [exec]}], limits: {idle: 15}}]",
            "$.rules[0].limits.idle",
        ),
        ("rules: [{name: r, who: {users: [a]}, clusters: {names: [c]}, allow: [{actions: [exec]}], record: all}]", "$.rules[0].record"),
        ("tests: [{who: {user: a}, does: {cluster: c}, expect: maybe}]", "$.tests[0].expect"),
        ("people: {'a b': {users: [x]}}", "$.people"),
        ("clusters: {a: {name: [x]}}", "$.clusters.a"),
    ],
)
def test_editors_find_mistakes(text: str, where: str) -> None:
    assert where in faults(text)
    with pytest.raises(InvalidFileError):
        load_policy(text, "p")


def test_the_document_names_every_key_and_every_name() -> None:
    schema = policy_schema()
    keys = {key for definition in schema["$defs"].values() for key in definition["properties"]} | set(schema["properties"])
    written = set(re.findall(r"[`(, {]([a-z_]+)[`:,)]", DOCUMENT)) | set(re.findall(r"`([a-z_]+)`", DOCUMENT))
    assert keys - written == set()
    assert {each.name for each in attrs.fields(When)} <= set(re.findall(r"^\| (?:`\w+`, )?`(\w+)`", DOCUMENT, re.MULTILINE)) | {"country"}
    assert set(NAMES) <= set(re.findall(r"`([a-z_.]+)`", DOCUMENT))
    assert set(re.findall(r"`([a-z-]+)`", DOCUMENT)) >= ACTIONS


def test_the_documents_example_is_a_policy_that_passes_its_tests() -> None:
    example = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)[0]
    assert failures(load_policy(example, "docs/policy.md")) == []
    assert faults(example) == []
