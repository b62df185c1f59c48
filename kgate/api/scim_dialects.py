"""What directories send where RFC 7643 and RFC 7644 say something else, written as they say.

Microsoft Entra names whom a group loses beside the path rather than in it, changes addresses that are not there yet, gives a manager as a bare id, and adds
a schema of its own to groups; Okta leaves a manager's ``$ref`` out. A request is taken whole or not at all, so what it says in its own way would keep it
from deactivating somebody, or from taking them out of a group.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from scim2_server.requests import ScimRequest

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
_OWN_SCHEMAS = "http://schemas.microsoft.com/"
_MEMBERS = re.compile(r"(urn:[^\[]*:)?members", re.IGNORECASE)
_MANAGER = re.compile(re.escape(ENTERPRISE) + ":manager", re.IGNORECASE)
_ONE_OF = re.compile(r'(?:urn:[^\[]*:)?(?P<attribute>\w+)\[(?P<key>\w+) eq "(?P<value>[^"\\]*)"\]\.(?P<part>\w+)')

Operation = dict[str, Any]
Stored = Callable[[], Mapping[str, Any]]


def usual(asked: ScimRequest, stored: Stored) -> ScimRequest:
    """The request as the specification writes it. ``stored`` gives the resource that it is about, as JSON; empty where there is none."""
    try:
        document = json.loads(asked.body) if asked.method in ("POST", "PUT", "PATCH") else None
    except (ValueError, RecursionError):
        return asked  # whoever reads it says what is wrong with it
    if not isinstance(document, dict):
        return asked
    operations = document.get("Operations")
    if asked.method != "PATCH":
        made = _resource(document)
        said = {name for name in made if _is_active(name)}
        if asked.method == "PUT" and all(made[name] is None for name in said) and stored().get("active") is False:
            # What a PUT leaves out it may not have asserted (RFC 7644 section 3.5.1): nobody is in again by that.
            made = {name: value for name, value in made.items() if name not in said} | {"active": False}
    elif isinstance(operations, list):
        made = {**document, "Operations": _operations(operations, stored)}
    else:
        return asked
    return replace(asked, body=json.dumps(made).encode()) if made != document else asked


def _resource(document: dict[str, Any]) -> dict[str, Any]:
    schemas, extension = document.get("schemas"), document.get(ENTERPRISE)
    made = dict(document)
    if isinstance(schemas, list):
        made["schemas"] = [each for each in schemas if not (isinstance(each, str) and each.startswith(_OWN_SCHEMAS))]
    if isinstance(extension, dict) and "manager" in extension:
        made[ENTERPRISE] = {**extension, "manager": _manager(extension["manager"])}
    return made


def _is_active(name: str) -> bool:
    """Whether the attribute is ``active``; names have no case (RFC 7643 section 2.1)."""
    return name.rpartition(":")[2].lower() == "active"


def _operations(operations: list[Any], stored: Stored) -> list[Any]:
    made: list[Any] = []
    added: set[tuple[str, ...]] = set()
    for each in operations:
        made += _operation(each, stored, added) if isinstance(each, dict) and isinstance(each.get("path"), str) else [each]
    return made


def _operation(operation: Operation, stored: Stored, added: set[tuple[str, ...]]) -> list[Operation]:
    """``added`` is what earlier ones of the same request put there: attribute, key and value."""
    kind, path, value = str(operation.get("op")).lower(), operation["path"], operation.get("value")
    if kind == "remove" and _MEMBERS.fullmatch(path):
        return [{"op": "remove", "path": f"{path}[value eq {json.dumps(id_)}]"} for id_ in _ids(value)] or [operation]
    if kind in ("add", "replace") and _MANAGER.fullmatch(path):
        return [{**operation, "value": _manager(value)}]
    one = _ONE_OF.fullmatch(path) if kind in ("add", "replace") else None
    if one is None or one.group("attribute", "key", "value") in added or _is_there(one, stored()):
        return [operation]
    if value in (None, ""):
        return []  # nothing is there, and nothing to put there
    added.add(one.group("attribute", "key", "value"))
    return [{"op": "add", "path": one["attribute"], "value": [{one["key"]: one["value"], one["part"]: value}]}]


def _ids(value: object) -> list[str]:
    """Of members, as Entra lists them."""
    ids = [each.get("value") for each in value if isinstance(each, dict)] if isinstance(value, list) else []
    return [id_ for id_ in ids if isinstance(id_, str)] if isinstance(value, list) and len(ids) == len(value) else []


def _manager(value: object) -> object:
    """An object with both of its parts, of which the specification requires ``$ref``."""
    one = value[0] if isinstance(value, list) and len(value) == 1 else value
    named = {"value": one} if isinstance(one, str) else one
    if isinstance(named, dict) and isinstance(named.get("value"), str) and not named.get("$ref"):
        return {**named, "$ref": f"Users/{named['value']}"}
    return named


def _is_there(one: re.Match[str], resource: Mapping[str, Any]) -> bool:
    listed = resource.get(one["attribute"])
    return isinstance(listed, list) and any(
        isinstance(each, dict) and str(each.get(one["key"])).lower() == one["value"].lower() for each in listed
    )
