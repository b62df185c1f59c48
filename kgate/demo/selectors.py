"""Label and field selectors, from the query or from a workload's ``selector``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from kgate.demo.schema import Object

Test = Callable[[Object], bool]

_SET = re.compile(r"^(?P<key>\S+)\s+(?P<op>in|notin)\s+\((?P<values>[^)]*)\)$")
_EQUAL = re.compile(r"^(?P<key>[^\s=!]+)\s*(?P<op>!=|==|=)\s*(?P<value>\S*)$")
_COMMAS = re.compile(r",(?![^()]*\))")


class SelectorInvalid(ValueError):
    """The selector cannot be read."""


def label_test(selector: str) -> Test:
    """Whether an object's labels match ``a=b,c!=d,e in (f,g),h,!i``. Raises SelectorInvalid."""
    tests = [_label(part.strip()) for part in _COMMAS.split(selector) if part.strip()]
    return lambda thing: all(test(thing["metadata"].get("labels") or {}) for test in tests)


def _label(part: str) -> Callable[[dict[str, str]], bool]:
    if found := _SET.match(part):
        key, values = found["key"], {value.strip() for value in found["values"].split(",")}
        if found["op"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if found := _EQUAL.match(part):
        key, value = found["key"], found["value"]
        if found["op"] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if re.match(r"^![^\s=!]+$", part):
        return lambda labels: part[1:] not in labels
    if re.match(r"^[^\s=!]+$", part):
        return lambda labels: part in labels
    raise SelectorInvalid(f"unable to parse requirement: {part}")


def field_test(selector: str) -> Test:
    """Whether an object's fields match ``metadata.name=a,status.phase!=Running``. Raises SelectorInvalid."""
    tests = [_field(part.strip()) for part in selector.split(",") if part.strip()]
    return lambda thing: all(test(thing) for test in tests)


def _field(part: str) -> Test:
    found = _EQUAL.match(part)
    if not found:
        raise SelectorInvalid(f"invalid field selector: {part}")
    path, value, same = found["key"].split("."), found["value"], found["op"] != "!="
    return lambda thing: (str(_at(thing, path)) == value) is same


def _at(thing: Object, path: list[str]) -> object:
    value: object = thing
    for name in path:
        value = value.get(name, "") if isinstance(value, dict) else ""
    return value


def workload_test(selector: Object) -> Callable[[dict[str, str]], bool]:
    """Whether labels match a ``LabelSelector``. An empty one matches nothing here: no workload owns every pod."""
    wanted: dict[str, str] = selector.get("matchLabels") or {}
    expressions: list[Object] = selector.get("matchExpressions") or []
    return lambda labels: (
        bool(wanted or expressions)
        and all(labels.get(key) == value for key, value in wanted.items())
        and all(_expression(expression, labels) for expression in expressions)
    )


def _expression(expression: Object, labels: dict[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or []
    verdicts: dict[str, Any] = {
        "In": labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }
    return bool(verdicts.get(expression.get("operator", ""), False))


def written(selector: Object) -> str:
    """A ``LabelSelector`` as kubectl's tables show it."""
    pairs = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    sets = [
        f"{item['key']} {item['operator'].lower()} ({','.join(item.get('values') or [])})"
        for item in selector.get("matchExpressions") or []
    ]
    return ",".join(pairs + sets) or "<none>"
