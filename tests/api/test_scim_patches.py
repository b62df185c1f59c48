"""What a PATCH may cost: who comes into a group and who leaves it are read and written without the others, and a person has so many values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scim2_models import SCIMException
from scim2_server.handler import ScimHandler
from scim2_server.requests import ScimRequest
from scim2_server.service import ScimService
from sqlalchemy import create_engine

from kgate.api.scim_patches import AT_ONCE, MOST_HELD, MOST_NAMED, is_endless, parts
from kgate.store.metadata import metadata
from kgate.store.scim import PROVIDER, DirectoryStorage

GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
HEADERS = (("content-type", "application/scim+json"), ("If-Match", 'W/"1"'))
PATH = "/Groups/g"


def request(*operations: object, path: str = PATH, **query: str) -> ScimRequest:
    body = json.dumps({"schemas": [PATCH], "Operations": operations}).encode()
    return ScimRequest("PATCH", "https://gate/scim/v2", path, query, HEADERS, body)


def add(*ids: object) -> dict[str, Any]:
    return {"op": "Add", "path": "members", "value": [{"value": each} for each in ids]}


def remove(id_: str) -> dict[str, Any]:
    return {"op": "remove", "path": f'members[value eq "{id_}"]'}


def named(asked: ScimRequest) -> list[frozenset[str] | None]:
    return [each for _, each in parts(asked)]


def test_whom_each_operation_names_is_all_that_is_read() -> None:
    assert named(request(add("a", "b"), remove("c"), {**remove("d"), "path": f'{GROUP}:Members[value EQ "d"]'})) == [frozenset("abcd")]
    assert named(request({"op": "replace", "path": "displayName", "value": "new"}, remove("a"))) == [frozenset("a")]
    assert named(request(add(*map(str, range(MOST_NAMED))))) == [frozenset(map(str, range(MOST_NAMED)))]


@pytest.mark.parametrize(
    "asked",
    [
        request({"op": "remove", "path": "members"}),
        request({"op": "replace", "path": "members", "value": [{"value": "a"}]}),
        request({"op": "remove", "path": 'members[type eq "User"]'}),
        request({"op": "remove", "path": 'members[value sw "a"]'}),
        request({"op": "remove", "path": 'members[value eq "a" or value eq "b"]'}),
        request({"op": "remove", "path": 'members[value eq "a"].display'}),
        request({"op": "add", "path": "members", "value": {"value": "a"}}),
        request({"op": "add", "value": {"members": [{"value": "a"}]}}),
        request(add("a"), {"op": "replace", "value": {"displayName": "new", "members": []}}),
        request(add("a", None)),
        request(add("ä")),
        request(add(*map(str, range(MOST_NAMED + 1)))),
        request(add("a"), attributes="members"),
        request(add("a"), path="/Users/u"),
        request(add("a"), path="/Groups"),
        request(add("a"), path="/Groups/g/x"),
        request(),
        request("no operation"),
        ScimRequest("PUT", "https://gate/scim/v2", PATH, {}, HEADERS, request(add("a")).body),
        ScimRequest("PATCH", "https://gate/scim/v2", PATH, {}, HEADERS, b"{"),
        ScimRequest("PATCH", "https://gate/scim/v2", PATH, {}, HEADERS, b"[]"),
    ],
)
def test_anything_else_is_about_anybody_and_goes_as_it_is(asked: ScimRequest) -> None:
    assert list(parts(asked)) == [(asked, None)]


def test_many_operations_are_some_at_a_time_and_only_the_first_asks_what_the_group_is_now() -> None:
    operations = [remove(str(number)) for number in range(2 * AT_ONCE + 1)]
    made = list(parts(request(*operations)))
    assert [len(each or ()) for _, each in made] == [AT_ONCE, AT_ONCE, 1]
    assert [dict(part.headers).get("If-Match") for part, _ in made] == ['W/"1"', None, None]
    assert [each for part, _ in made for each in json.loads(part.body)["Operations"]] == operations
    assert all(json.loads(part.body)["schemas"] == [PATCH] for part, _ in made)


def after(before: list[str], operations: list[dict[str, Any]], *, whole: bool) -> object:
    """Who is in the group then, or what the directory is told is wrong."""
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.begin() as connection:
        storage = DirectoryStorage(connection, 1.0, lambda: "g")
        handler = ScimHandler(ScimService(PROVIDER), storage)
        group = {"schemas": [GROUP], "displayName": "sre", "members": [{"value": each} for each in before]}
        handler.handle(ScimRequest("POST", "https://gate/scim/v2", "/Groups", {}, HEADERS[:1], json.dumps(group).encode()))
        asked = request(*operations)
        told: Iterator[tuple[ScimRequest, frozenset[str] | None]] = iter([(asked, None)]) if whole else parts(asked)
        try:
            for part, named_by_it in told:
                storage.members_named = named_by_it
                assert handler.handle(part).status == 204
        except SCIMException as error:
            return error.scim_type
        storage.members_named = None
        found = handler.handle(ScimRequest("GET", "https://gate/scim/v2", PATH, {}, (), b"")).body or {}
        return sorted(each["value"] for each in found.get("members", ()))


RENAME = {"op": "replace", "path": "displayName", "value": "ops"}
IDS = st.sampled_from(["a", "A", "b", "c"])


@settings(max_examples=25)
@given(
    st.lists(IDS, unique=True),
    st.lists(st.lists(IDS, max_size=2).map(lambda ids: add(*ids)) | IDS.map(remove) | st.just(RENAME), min_size=1, max_size=6),
)
def test_who_is_in_the_group_then_is_what_it_would_be_by_reading_everybody(before: list[str], operations: list[dict[str, Any]]) -> None:
    assert after(before, operations, whole=False) == after(before, operations, whole=True)


@pytest.mark.parametrize(
    ("operations", "values", "endless"),
    [
        (1, 10 * MOST_HELD, False),
        (2, MOST_HELD // 2, False),
        (2, MOST_HELD // 2 + 1, True),
        (MOST_HELD, 1, False),
        (MOST_HELD + 1, 1, True),
    ],
)
def test_so_many_operations_are_held_against_so_many_values(operations: int, values: int, endless: bool) -> None:
    """A hundred on somebody with 4,000 addresses held the store's writer for 12 s."""
    deactivate = {"op": "replace", "path": "active", "value": False}
    asked = request(*[deactivate] * operations, path="/Users/u")
    assert is_endless(asked, lambda: {"userName": "u", "emails": [{}] * values}) is endless
    assert not is_endless(asked, lambda: {"userName": "u" * 3 * MOST_HELD})


def test_values_that_a_request_brings_along_count_too() -> None:
    mails = {"op": "add", "path": "emails", "value": [{}] * (MOST_HELD // 2 + 1)}
    assert is_endless(request(mails, "no operation"), dict) and not is_endless(request(mails), dict)
