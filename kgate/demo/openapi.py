"""OpenAPI documents made from the tables of kinds and types: enough for kubectl's validation, its three-way patches and ``explain``.

kubectl reads ``/openapi/v3`` for the list of groups, then the document of the group that it needs. In that document it looks for the PATCH
operation of the kind (does the server know ``fieldValidation``?), for the schema's merge keys, and for descriptions. Older callers read
``/openapi/v2``, which here has the definitions and no paths.
"""

from __future__ import annotations

from functools import cache

from kgate.demo.kinds import GROUP_VERSIONS, KINDS, Kind
from kgate.demo.schema import MESSAGES, Field, Message, Object, Shape

_PLAIN: dict[str, Object] = {
    "string": {"type": "string"},
    "int": {"type": "integer", "format": "int64"},
    "bool": {"type": "boolean"},
    "number": {"type": "number", "format": "double"},
    "bytes": {"type": "string", "format": "byte"},
    "any": {"type": "object"},
    "Time": {"type": "string", "format": "date-time"},
    "MicroTime": {"type": "string", "format": "date-time"},
    "Quantity": {"type": "string"},
    "[string]": {"type": "array", "items": {"type": "string"}},
}
_QUERY = ("dryRun", "fieldManager", "fieldValidation", "force")
_PATCHES = ("apply-patch+yaml", "json-patch+json", "merge-patch+json", "strategic-merge-patch+json")
_TYPE_META = {
    "apiVersion": {"type": "string", "description": "The version of the schema of this object"},
    "kind": {"type": "string", "description": "The kind of this object"},
}


def index() -> Object:
    """``/openapi/v3``."""
    return {"paths": {_root(*owner): {"serverRelativeURL": f"/openapi/v3/{_root(*owner)}?hash=1"} for owner in GROUP_VERSIONS}}


def _root(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


@cache
def document(root: str) -> Object | None:
    """The document of ``api/v1`` or ``apis/GROUP/VERSION``; None where nothing of that name is served."""
    served = [kind for kind in KINDS if kind.root == f"/{root}"]
    if not served:
        return None
    paths = {path: item for kind in served for path, item in _paths(kind).items()}
    return {
        "openapi": "3.0.0",
        "info": {"title": "kgate demo cluster", "version": "v1"},
        "paths": paths,
        "components": {"schemas": _schemas(served, "#/components/schemas/", two=False)},
    }


@cache
def document_two() -> Object:
    """``/openapi/v2``."""
    definitions = _schemas(list(KINDS), "#/definitions/", two=True)
    return {"swagger": "2.0", "info": {"title": "kgate demo cluster", "version": "v1"}, "paths": {}, "definitions": definitions}


def _reach(names: list[str]) -> list[str]:
    """The types that ``names`` lead to."""
    reached: dict[str, None] = {}
    while names:
        name = names.pop()
        if name in MESSAGES and name not in reached:
            reached[name] = None
            names += [item.of for item in MESSAGES[name].by_name.values()]
    return list(reached)


def _schemas(served: list[Kind], prefix: str, *, two: bool) -> Object:
    kinds = {kind.kind: kind for kind in served}
    return {_named(name): _schema(MESSAGES[name], kinds.get(name), prefix, two) for name in _reach(list(kinds))}


def _named(message: str) -> str:
    return f"io.kgate.demo.v1.{message}"


def _schema(message: Message, kind: Kind | None, prefix: str, two: bool) -> Object:
    properties = {item.name: _property(item, prefix, two) for item in message.by_name.values()}
    schema: Object = {"type": "object", "description": message.description, "properties": properties}
    if required := [item.name for item in message.by_name.values() if item.required]:
        schema["required"] = required
    if kind is not None:
        schema["properties"] = _TYPE_META | properties
        schema["x-kubernetes-group-version-kind"] = [{"group": kind.group, "version": kind.version, "kind": kind.kind}]
    return schema


def _property(item: Field, prefix: str, two: bool) -> Object:
    about = {"description": item.description} if item.description else {}
    value = _value(item.of, prefix, two)
    if item.shape is Shape.LIST:
        return about | {"type": "array", "items": value} | _merging(item)
    if item.shape is Shape.MAP:
        return about | {"type": "object", "additionalProperties": value}
    if "$ref" in value and not two:
        return about | {"allOf": [value]}
    return about | value


def _merging(item: Field) -> Object:
    if not item.merge_key:
        return {}
    strategy = {"x-kubernetes-patch-strategy": "merge,retainKeys" if item.retain else "merge"}
    if item.merge_key == "*":
        return strategy | {"x-kubernetes-list-type": "set"}
    return strategy | {
        "x-kubernetes-patch-merge-key": item.merge_key,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": [item.merge_key],
    }


def _value(of: str, prefix: str, two: bool) -> Object:
    if of in MESSAGES:
        return {"$ref": prefix + _named(of)}
    if of == "IntOrString":
        return (
            {"type": "string", "format": "int-or-string"}
            if two
            else {"oneOf": [{"type": "integer"}, {"type": "string"}], "format": "int-or-string"}
        )
    return _PLAIN[of]


def _paths(kind: Kind) -> Object:
    if "patch" not in kind.verbs:
        return {}
    scope = "/namespaces/{namespace}" if kind.namespaced else ""
    named = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    operation = {
        "description": f"partially update the specified {kind.kind}",
        "operationId": f"patch{kind.kind}",
        "parameters": [{"name": name, "in": "query", "schema": {"type": "string"}} for name in _QUERY],
        "requestBody": {"content": {f"application/{form}": {"schema": {"type": "object"}} for form in _PATCHES}},
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": named,
    }
    return {f"{kind.root}{scope}/{kind.plural}/{{name}}": {"patch": operation}}
