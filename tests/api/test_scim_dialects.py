"""What directories really send: Microsoft Entra's and Okta's own ways of saying the same (RFC 7644 section 3.5.2 is only one of them)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from attrs import define
from scim2_models import SCIMException
from scim2_server.handler import ScimHandler
from scim2_server.requests import ScimRequest
from scim2_server.service import ScimService
from sqlalchemy import create_engine

from kgate.api.scim_dialects import ENTERPRISE, usual
from kgate.api.scim_patches import parts
from kgate.identity.directory import KnownAs, Listed
from kgate.store.directory import listed
from kgate.store.metadata import metadata
from kgate.store.scim import PROVIDER, DirectoryStorage

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@define
class World:
    ask: Any
    people: Any


@pytest.fixture
def world() -> Iterator[World]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    ids = itertools.count(1)
    with engine.begin() as connection:
        storage = DirectoryStorage(connection, 1.0, lambda: f"id-{next(ids)}")
        handler = ScimHandler(ScimService(PROVIDER), storage)

        def ask(method: str, path: str, body: object) -> tuple[int, Any]:
            headers = (("content-type", "application/scim+json"),)
            asked = ScimRequest(method, "https://gate/scim/v2", path, {}, headers, json.dumps(body).encode())
            for part, named in parts(usual(asked, lambda: storage.stored(path))):
                storage.members_named = named
                answer = handler.handle(part)
            return int(answer.status), answer.body

        yield World(ask, lambda known_as=KnownAs.USER_NAME: {each.name: each for each in listed(connection, known_as).values()})


def patch(*operations: dict[str, Any]) -> dict[str, Any]:
    return {"schemas": [PATCH], "Operations": list(operations)}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "active", "value": False},
        {"op": "Replace", "path": "active", "value": "False"},
        {"op": "replace", "value": {"active": False}},
        {"op": "replace", "value": {"active": "false"}},
        {"op": "Add", "path": "active", "value": "False"},
        {"op": "replace", "path": f"{USER}:active", "value": False},
    ],
)
def test_deactivated(world: World, operation: dict[str, Any]) -> None:
    status, made = world.ask("POST", "/Users", {"schemas": [USER], "userName": "carol", "active": True})
    assert status == 201
    status, answer = world.ask("PATCH", f"/Users/{made['id']}", patch(operation))
    assert status in (200, 204), answer
    assert world.people() == {"carol": Listed("carol", False)}


@pytest.mark.parametrize("active", ["False", "false", False])
def test_made_or_put_inactive(world: World, active: object) -> None:
    status, _ = world.ask("POST", "/Users", {"schemas": [USER], "userName": "carol", "active": active})
    assert (status, world.people()) == (201, {"carol": Listed("carol", False)})


@pytest.mark.parametrize("body", [{}, {"active": None}, {"Active": None}])
def test_a_put_that_does_not_say_whether_somebody_is_active_lets_nobody_in(world: World, body: dict[str, Any]) -> None:
    """RFC 7644 section 3.5.1: what is left out may not be asserted. Okta always says it."""
    world.ask("POST", "/Users", {"schemas": [USER], "userName": "carol", "active": False})
    status, answer = world.ask("PUT", "/Users/id-1", {"schemas": [USER], "userName": "carol", "displayName": "Carol", **body})
    assert (status, answer["active"], world.people()) == (200, False, {"carol": Listed("carol", False)})
    assert world.ask("PUT", "/Users/id-1", {"schemas": [USER], "userName": "carol", "active": True})[0] == 200
    assert world.people() == {"carol": Listed("carol", True)}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "Remove", "path": "members", "value": [{"value": "id-1"}]},
        {"op": "remove", "path": 'members[value eq "id-1"]'},
        {"op": "Remove", "path": "members", "value": [{"$ref": None, "value": "id-1"}]},
        {"op": "replace", "path": "members", "value": []},
        {"op": "remove", "path": "members"},
        {"op": "replace", "value": {"members": []}},
    ],
)
def test_out_of_a_group(world: World, operation: dict[str, Any]) -> None:
    world.ask("POST", "/Users", {"schemas": [USER], "userName": "carol"})
    status, made = world.ask("POST", "/Groups", {"schemas": [GROUP], "displayName": "sre", "members": []})
    status, answer = world.ask(
        "PATCH", f"/Groups/{made['id']}", patch({"op": "Add", "path": "members", "value": [{"$ref": None, "value": "id-1"}]})
    )
    assert status in (200, 204), answer
    assert world.people()["carol"].groups == ("sre",)
    status, answer = world.ask("PATCH", f"/Groups/{made['id']}", patch(operation))
    assert status in (200, 204), answer
    assert world.people()["carol"].groups == ()


def test_an_empty_list_of_whom_a_group_loses_is_no_list_of_everybody(world: World) -> None:
    world.ask("POST", "/Groups", {"schemas": [GROUP], "displayName": "sre", "members": [{"value": "id-9"}]})
    with pytest.raises(SCIMException):
        world.ask("PATCH", "/Groups/id-1", patch({"op": "Remove", "path": "members", "value": []}))


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "Add", "path": 'emails[type eq "work"].value', "value": "carol@example.com"},
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "carol@example.com"},
        {"op": "Replace", "path": 'phoneNumbers[type eq "mobile"].value', "value": "+49 1"},
        {"op": "Replace", "path": 'phoneNumbers[type eq "mobile"].value', "value": ""},
        {"op": "Add", "path": 'roles[primary eq "True"].value', "value": "admin"},
        {"op": "Add", "path": f"{ENTERPRISE}:manager", "value": "id-9"},
        {"op": "Add", "path": f"{ENTERPRISE}:manager", "value": [{"$ref": None, "value": "id-9"}]},
        {"op": "Add", "path": f"{ENTERPRISE}:manager", "value": {"value": "id-9"}},
        {"op": "Replace", "path": f"{ENTERPRISE}:department", "value": "ops"},
    ],
)
def test_nothing_else_in_a_request_keeps_it_from_deactivating_somebody(world: World, operation: dict[str, Any]) -> None:
    world.ask("POST", "/Users", {"schemas": [USER], "userName": "carol"})
    status, answer = world.ask("PATCH", "/Users/id-1", patch(operation, {"op": "Replace", "path": "active", "value": "False"}))
    assert (status, world.people()) == (204, {"carol": Listed("carol", False)}), answer


def test_an_address_that_is_there_is_changed_and_of_one_that_is_not_all_parts_are_kept(world: World) -> None:
    work = 'emails[type eq "work"].value'
    world.ask("POST", "/Users", {"schemas": [USER], "userName": "carol", "emails": [{"type": "work", "value": "old@example.com"}]})
    assert world.ask("PATCH", "/Users/id-1", patch({"op": "Replace", "path": work, "value": "new@example.com"}))[0] == 204
    assert list(world.people(KnownAs.EMAIL)) == ["new@example.com"]
    parts = ({"op": "Add", "path": f'addresses[type eq "work"].{part}', "value": part} for part in ("locality", "country", "formatted"))
    assert world.ask("PATCH", "/Users/id-1", patch(*parts))[0] == 204
    _, found = world.ask("GET", "/Users/id-1", None)
    assert found["addresses"] == [{"type": "work", "locality": "locality", "country": "country", "formatted": "formatted"}]


@pytest.mark.parametrize("manager", ["id-9", {"value": "id-9", "displayName": "Dan"}, [{"$ref": None, "value": "id-9"}]])
def test_what_directories_add_when_they_make_somebody_or_a_group(world: World, manager: object) -> None:
    extension = {"schemas": [USER, ENTERPRISE], ENTERPRISE: {"manager": manager}}
    made = {**extension, "userName": "carol", "roles": [], "meta": {"resourceType": "User"}}
    assert world.ask("POST", "/Users", made)[0] == 201
    own = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"
    assert world.ask("POST", "/Groups", {"schemas": [GROUP, own], "displayName": "sre", "meta": {"resourceType": "Group"}})[0] == 201


@pytest.mark.parametrize("address", ["carol@corp.local", "carol@intranet", "carol@corp.test", "carol@example.com"])
def test_addresses_within_a_company(world: World, address: str) -> None:
    assert world.ask("POST", "/Users", {"schemas": [USER], "userName": "carol", "emails": [{"value": address}]})[0] == 201
    assert list(world.people(KnownAs.EMAIL)) == [address]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"7", b'{"Operations": 7}', b'{"Operations": [7, {"op": 1, "path": 2}]}', b'{"a":' * 5000]
)
def test_what_cannot_be_read_is_left_to_whoever_says_so(body: bytes) -> None:
    asked = ScimRequest("PATCH", "https://gate/scim/v2", "/Users/id-1", body=body)
    assert usual(asked, dict) is asked
