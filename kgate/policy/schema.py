"""The JSON Schema of policy files, made from the very classes that files are structured into, so that it cannot say anything else.

Editors validate and complete with it. It is as strict as a schema can say shortly: keys, kinds of values, words of closed lists, patterns of notations.
What only the loader can find out (a zone that does not exist, an expression that does not compile) it lets pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

import attrs

from kgate.documents.globs import Words
from kgate.documents.values import Duration, Instant, Size
from kgate.policy.cases import Case, Json, Port
from kgate.policy.conditions import expression
from kgate.policy.conditions.client import UserAgents
from kgate.policy.conditions.facts import Facts
from kgate.policy.conditions.network import Networks
from kgate.policy.conditions.place import Countries, Systems
from kgate.policy.conditions.time import Dates, Day, Hours
from kgate.policy.details import Argv
from kgate.policy.notation import NAME
from kgate.policy.parties import Clusters, LabelWords, Members, SeenName
from kgate.policy.places import Places
from kgate.policy.resources import Resources
from kgate.policy.rules import ACTIONS, PATH_VERBS, VERBS, Actions, Paths, PortSpan, Rule, RuleName, Verbs

Schema = dict[str, Any]


def _text(pattern: str = "", description: str = "") -> Schema:
    return {"type": "string", **({"pattern": pattern} if pattern else {}), **({"description": description} if description else {})}


def _some(item: Schema) -> Schema:
    return {"type": "array", "minItems": 1, "items": item}


def _words_of(known: frozenset[str]) -> Schema:
    """Known words, excluded ones, and globs."""
    return _some({"anyOf": [{"enum": sorted(known)}, _text(r"\*"), _text(rf"^!({'|'.join(sorted(known))})$")]})


_WORD = _text(r"^!?[^!]", "* is a glob, ! excludes")
_HOURS = _text(r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-4]):[0-5]\d$", '"08:00-20:00"')
_DATES = _text(r"^\d{4}-\d\d-\d\d(\.\.\d{4}-\d\d-\d\d)?$", "2026-12-24 or 2026-12-20..2027-01-06")
_PORT: Schema = {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 65535}, _text(r"^[0-9]{1,5}(-[0-9]{1,5})?$")]}
_NOTATIONS: dict[object, Schema] = {
    str: _text(),
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    Json: {},
    Port: _PORT,
    PortSpan: _PORT,
    Words: _some(_WORD),
    LabelWords: {"anyOf": [_WORD, _some(_WORD)]},
    Places: _some(_WORD),
    Paths: _some(_text(r"^!?[/*]")),
    Verbs: _words_of(VERBS | PATH_VERBS),
    Actions: _words_of(ACTIONS),
    Resources: _some(_text(r"^!?[a-z0-9*-]+(\.[a-z0-9*.-]+)?(/[a-z0-9*/-]+)?$", "pods, pods/log, deployments.apps, *")),
    Argv: _some(_text(description='"**" as the last word is any further arguments')),
    RuleName: _text(f"^{NAME.pattern}$"),
    SeenName: _text(r"^\S"),
    Duration: _text(r"^[0-9]+(ms|s|m|h|d)( [0-9]+(ms|s|m|h|d))*$", "30s, 15m, 1h 15m, 7d"),
    Size: _text(r"^[0-9]+ ?(B|KiB|MiB|GiB|TiB)$", "64KiB, 10MiB, 1GiB"),
    Instant: _text(r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d", "2027-01-01T00:00:00Z"),
    Networks: _some(_text(r"^!?[0-9a-fA-F.:/]+$", "10.0.0.0/8")),
    Countries: _some(_text(r"^!?([A-Z]{2}|\*)$")),
    Systems: _some({"anyOf": [{"type": "integer", "minimum": 0, "maximum": 2**32 - 1}, _text(r"^!?[0-9]+$")]}),
    UserAgents: _some(_WORD),
    Facts: {"type": "object", "minProperties": 1, "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}},
    expression.Condition: _text(description="CEL"),
    ZoneInfo: _text(description="Europe/Berlin"),
    Day: {"enum": [day.name for day in Day]},
    tuple[Hours, ...]: {"anyOf": [_HOURS, _some(_HOURS)]},
    tuple[Dates, ...]: {"anyOf": [_DATES, _some(_DATES)]},
}
"""How each value type is written: beside ``notation``, which reads it."""


def policy_schema() -> Schema:
    """The whole schema."""
    definitions: dict[str, Schema] = {}
    rule, case = _of(Rule, definitions), _of(Case, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A kgate policy",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "rules": {"type": "array", "items": rule},
            "people": _sets(Members, definitions),
            "clusters": _sets(Clusters, definitions),
            "tests": {"type": "array", "items": case},
        },
        "$defs": dict(sorted(definitions.items())),
    }


def _sets(kind: type, definitions: dict[str, Schema]) -> Schema:
    one = _of(kind, definitions)
    return {"type": "object", "propertyNames": _NOTATIONS[RuleName], "additionalProperties": {"anyOf": [one, _some(one)]}}


def _of(kind: Any, definitions: dict[str, Schema]) -> Schema:
    """The schema of a type of the shapes. Raises TypeError for one that has none: a notation was forgotten here."""
    if kind in _NOTATIONS:
        return _NOTATIONS[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _of(next(each for each in arguments if each is not NoneType), definitions)
    if origin is tuple:
        return {"type": "array", "items": _of(arguments[0], definitions)}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _of(arguments[1], definitions)}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"enum": [member.value for member in kind]}
    if attrs.has(kind):
        return _of_class(kind, definitions)
    raise TypeError(f"no schema for {kind}")


def _of_class(kind: type, definitions: dict[str, Schema]) -> Schema:
    name = kind.__name__
    if name not in definitions:
        definitions[name] = {}
        properties, required = {}, []
        hints = get_type_hints(kind)
        for each in attrs.fields(kind):
            if not each.init:
                continue
            key = each.name.rstrip("_")
            properties[key] = _of(hints[each.name], definitions)
            if each.default is attrs.NOTHING:
                required.append(key)
        definitions[name] = {
            "type": "object",
            "description": (kind.__doc__ or "").partition("\n")[0],
            "additionalProperties": False,
            "properties": properties,
            **({"required": required} if required else {}),
        }
    return {"$ref": f"#/$defs/{name}"}
