"""What a decision depended on goes into its record and comes out of it the same."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from attrs import evolve, fields
from hypothesis import given
from recorded_values import ACTIONS, AS, CONTEXTS, IDENTITIES

from kgate.audit.chain import Chain
from kgate.audit.read import Past, Rebuilding, Unusable, parsed
from kgate.audit.record import decision_record, facts_record, facts_revision, refusal_record
from kgate.model import (
    Action,
    Cluster,
    Context,
    Decision,
    Device,
    Fact,
    Grant,
    Ground,
    Identity,
    Impersonation,
    Reason,
)
from kgate.model.value import Value

DECISION = Decision(True, "abc", "r", (Reason(Ground.ALLOWED, "r", "it does"),))


def read_back(records: list[dict[str, object]]) -> Past | Unusable:
    """Through the file's own form."""
    chain, rebuilding = Chain(), Rebuilding()
    return [rebuilding.read(orjson.loads(chain.seal(record))) for record in records][-1]


def recorded(action: Action | None = None, context: Context | None = None) -> dict[str, Any]:
    action = action or Action(Cluster("dev"), "", "get", "", "/api/v1/pods", resource="pods")
    return decision_record("request", "1", "gate", Identity("alice"), action, context or Context(1.8e9, "10.0.0.1"), DECISION)


@given(IDENTITIES, ACTIONS, CONTEXTS, AS)
def test_everything_that_a_rule_can_ask_comes_back(
    identity: Identity, action: Action, context: Context, asked: Impersonation | None
) -> None:
    event = "stream-start" if action.follows else "request"
    past = read_back(
        [
            facts_record("0", "gate", context.now, context.facts),
            decision_record(event, "1", "gate", identity, action, context, DECISION, None, asked),
        ]
    )
    assert past == Past("1", event, identity, action, context, True, "r", Ground.ALLOWED, "abc", asked)


def names(text: str) -> set[str]:
    return set(text.split())


KEPT: dict[type[Any], set[str]] = {
    Identity: names("user groups uid extra issuer session expires authenticated_at acr amr device robot networks clusters"),
    Action: names(
        "cluster verb path api_group resource subresource namespace name operation container command ports field_selector label_selector follows"
    ),
    Context: names("now address user_agent country asn facts grants"),
    Cluster: names("name labels"),
    Device: names("name compliant posture"),
    Fact: names("name value until"),
    Grant: names("id user rule cluster namespace begins until reason approvers revoked_by"),
}
NO_MATTER_OF_RULES = names("subject issuer_session issued_at email group_sources method target api_version tty stdin")


@pytest.mark.parametrize("kind", KEPT)
def test_no_field_of_the_vocabulary_is_forgotten(kind: type[Any]) -> None:
    """A new field goes into the record and into the strategies above, or no rule can ask it."""
    parts = kind.PARTS.names if issubclass(kind, Value) else [each.name for each in fields(kind)]
    assert set(parts) - NO_MATTER_OF_RULES == KEPT[kind]


def test_what_is_not_there_takes_no_room() -> None:
    assert set(recorded()) == {
        "time", "id", "gate", "event", "user", "groups", "issuer", "source_ip", "cluster", "verb", "resource", "path", "allowed", "rule",
        "reasons", "policy_revision",
    }  # fmt: skip


def test_facts_are_named_by_their_content() -> None:
    open_, closed = (Fact("incident", '{"open":true}', 2e9),), (Fact("incident", '{"open":false}', 2e9),)
    assert facts_revision(open_) != facts_revision(closed)
    forged = facts_record("0", "gate", 1.8e9, open_) | {"values": facts_record("0", "gate", 1.8e9, closed)["values"]}
    assert read_back([forged, recorded(context=Context(1.8e9, "", facts=open_))]) is Unusable.NO_FACTS


PARTS = ("api_group", "resource", "subresource", "namespace", "name", "container", "label_selector", "field_selector")


@pytest.mark.threat("25")
@pytest.mark.parametrize(
    ("whole", "cut"),
    [
        *(({part: "x" * 4096}, {part: "x" * 4097}) for part in PARTS),
        ({"command": ("x" * 4096,)}, {"command": ("x" * 4097,)}),
        ({"command": ("x",) * 256}, {"command": ("x",) * 257}),
        ({"path": "/" + "x" * 8191}, {"path": "/" + "x" * 8192}),
    ],
)
def test_what_was_cut_says_so_and_is_not_asked_again(whole: dict[str, Any], cut: dict[str, Any]) -> None:
    usual = Action(Cluster("dev"), "", "create", "", "/", resource="pods")
    past = read_back([recorded(action=usual.but(**whole))])
    assert isinstance(past, Past) and past.action == usual.but(**whole)
    assert read_back([recorded(action=usual.but(**cut))]) is Unusable.CUT
    assert len(str(recorded(action=usual.but(**cut)))) < len(str(recorded(action=usual.but(**whole)))) + 15  # ', "cut": True'


def test_a_long_user_agent_is_cut_with_a_mark_and_not_asked_again() -> None:
    """A rule may be for ``*-batch``: by the rest of the name the answer would be another."""
    for said, kept in (("x" * 1024, "x" * 1024), ("x" * 1025, "x" * 1023 + "…")):
        record = recorded(context=Context(1.8e9, "10.0.0.1", said))
        assert (record["user_agent"], read_back([record]) is Unusable.CUT) == (kept, kept != said)


def test_other_lines_are_no_decisions() -> None:
    assert read_back([refusal_record("1", "gate", 1.8e9, "10.0.0.1", 401, "who?", None, None)]) is Unusable.NO_DECISION
    assert read_back([{"event": "config"}]) is Unusable.NO_DECISION
    assert read_back([{"event": "facts"}]) is Unusable.NO_DECISION
    assert read_back([{**recorded(), "event": ["request"]}]) is Unusable.NO_DECISION


@pytest.mark.parametrize(
    "change",
    [
        {"groups": None},
        {"user": 1},
        {"groups": [1]},
        {"name": {}},
        {"command": [None]},
        {"port": ["x"]},
        {"identity": []},
        {"time": "soon"},
        {"time": 5},
        {"action": "fly"},
        {"grants": [{}]},
        {"as": "root"},
        {"reasons": [7]},
        {"id": {}},
        {"rule": None},
        {"session": []},
        {"source_ip": 5},
        {"cluster_labels": {"env": []}},
        {"as": {"user": "root", "groups": [{}]}},
        {"identity": {"networks": ["nowhere"]}},
        {"identity": {"extra": {"team": [1]}}},
        {"device": "laptop", "identity": {"device": {"compliant": {}}}},
        {"device": "laptop", "identity": {"device": {"posture": {"os": []}}}},
    ],
)
def test_a_forged_line_is_told(change: dict[str, object]) -> None:
    assert read_back([{**recorded(), **change}]) is Unusable.MALFORMED


@pytest.mark.threat("25")
@pytest.mark.parametrize("beside", [b"", b',"b":[1,{}]', b',"b":"[{"'])
def test_a_line_that_is_nested_too_deep_is_no_record(beside: bytes) -> None:
    """Whoever looked into it would go as many calls deep; a record of the gate's own has four levels."""
    for opens, closes in ((b"[", b"]"), (b'{"x":', b"}")):
        for levels, read in ((100, True), (101, False), (200, False)):
            line = b'{"a":' + opens * (levels - 1) + b"1" + closes * (levels - 1) + beside + b"}"
            assert (parsed(line) is not None) is read
    for no_record in (b"", b"7", b"[]", b'{"a":', b'"x"'):
        assert parsed(no_record) is None


def test_facts_that_are_no_name_are_not_in_these_files() -> None:
    assert read_back([{**recorded(), "facts": [1]}]) is Unusable.NO_FACTS


def test_the_policy_is_not_asked_for_what_was_not_its_own() -> None:
    past = read_back([recorded()])
    assert isinstance(past, Past) and past.by_policy
    assert not evolve(past, ground=Ground.AUTHORIZER).by_policy
    assert not evolve(past, revision="").by_policy
