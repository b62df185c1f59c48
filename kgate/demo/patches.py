"""The four patches of the API: JSON Patch (RFC 6902), JSON Merge Patch (RFC 7386), strategic merge patch, and server-side apply.

All are functions from a JSON value to a new one; nothing is changed in place. A strategic merge patch is a merge patch that knows lists: those
with a merge key are merged element by element, those of plain values marked ``merge`` as sets, all others are replaced. Its directives are
``$patch`` (``delete``, ``replace``), ``$retainKeys``, ``$deleteFromPrimitiveList/NAME`` and ``$setElementOrder/NAME``.

Server-side apply here remembers for each field manager what it applied last. What it applied then and does not apply now goes away, what it
applies now is merged in, and a field that another manager applied with another value is a conflict, unless forced.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kgate.demo.schema import MESSAGES, Field, Object, Shape

_SET_ORDER, _DELETE_PLAIN = "$setElementOrder/", "$deleteFromPrimitiveList/"


class PatchInvalid(ValueError):
    """The patch cannot be applied to this object."""


# --- RFC 7386


def merge_patch(target: Any, patch: Any) -> Any:
    """JSON Merge Patch: null removes."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return result


# --- RFC 6902


def json_patch(target: Any, operations: object) -> Any:
    """JSON Patch: all operations or none. Raises PatchInvalid."""
    if not isinstance(operations, list):
        raise PatchInvalid("a JSON patch is a list of operations")
    for operation in operations:
        if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
            raise PatchInvalid("each operation of a JSON patch has an op and a path")
        target = _operate(target, operation)
    return target


def _operate(target: Any, operation: Object) -> Any:
    path, kind = _pointer(operation["path"]), operation.get("op")
    if kind in ("move", "copy"):
        source = _pointer(str(operation.get("from", "")))
        value = _resolve(target, source)
        return _edit(_edit(target, source, "remove", None) if kind == "move" else target, path, "add", value)
    if kind == "test":
        if _resolve(target, path) != operation.get("value"):
            raise PatchInvalid(f"testing path {operation['path']} value failed")
        return target
    if kind not in ("add", "remove", "replace"):
        raise PatchInvalid(f"unknown operation {kind!r} in a JSON patch")
    return _edit(target, path, kind, operation.get("value"))


def _pointer(text: str) -> list[str]:
    """RFC 6901."""
    if text and not text.startswith("/"):
        raise PatchInvalid(f"{text!r} is not a JSON pointer")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _index(part: str, length: int) -> int:
    if not part.isdigit() or int(part) >= length:
        raise PatchInvalid(f"no element {part} in a list of {length}")
    return int(part)


def _resolve(value: Any, path: list[str]) -> Any:
    for part in path:
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list):
            value = value[_index(part, len(value))]
        else:
            raise PatchInvalid(f"nothing at {'/'.join(path)}")
    return value


def _edit(value: Any, path: list[str], kind: str, new: Any) -> Any:
    if not path:
        return new
    part, rest = path[0], path[1:]
    if isinstance(value, list):
        return _edit_list(value, part, rest, kind, new)
    if not isinstance(value, dict) or (part not in value and (rest or kind != "add")):
        raise PatchInvalid(f"nothing at {part}")
    if rest:
        return value | {part: _edit(value[part], rest, kind, new)}
    return {name: item for name, item in value.items() if name != part} if kind == "remove" else value | {part: new}


def _edit_list(value: list[Any], part: str, rest: list[str], kind: str, new: Any) -> list[Any]:
    if not rest and kind == "add":
        at = len(value) if part == "-" else _index(part, len(value) + 1)
        return [*value[:at], new, *value[at:]]
    at = _index(part, len(value))
    if rest:
        return [*value[:at], _edit(value[at], rest, kind, new), *value[at + 1 :]]
    return [*value[:at], *([] if kind == "remove" else [new]), *value[at + 1 :]]


# --- strategic merge patch


def strategic_patch(kind: str, target: Object, patch: object) -> Object:
    """Strategic merge patch of an object of ``kind``. Raises PatchInvalid."""
    if not isinstance(patch, dict):
        raise PatchInvalid("a strategic merge patch is an object")
    return _merge_object(kind, target, patch)


def _merge_object(of: str, target: Any, patch: Object) -> Object:
    if patch.get("$patch") == "replace":
        return {name: value for name, value in patch.items() if name != "$patch"}
    if patch.get("$patch") == "delete":
        return {}
    result = dict(target) if isinstance(target, dict) else {}
    if "$retainKeys" in patch:
        result = {name: value for name, value in result.items() if name in patch["$retainKeys"]}
    orders = {name.removeprefix(_SET_ORDER): value for name, value in patch.items() if name.startswith(_SET_ORDER)}
    for name, value in patch.items():
        if name.startswith(_DELETE_PLAIN):
            listed = name.removeprefix(_DELETE_PLAIN)
            result[listed] = [item for item in result.get(listed) or [] if item not in value]
        elif name.startswith("$"):
            continue
        elif value is None:
            result.pop(name, None)
        else:
            result[name] = _merge_field(of, name, result.get(name), value)
    for name, order in orders.items():
        if isinstance(result.get(name), list):
            result[name] = _ordered(_known(of, name), result[name], order)
    return result


def _known(of: str, name: str) -> Field | None:
    message = MESSAGES.get(of)
    return message.by_name.get(name) if message else None


def _merge_field(of: str, name: str, target: Any, value: Any) -> Any:
    item = _known(of, name)
    if isinstance(value, dict):
        return _merge_object(item.of if item and item.shape is Shape.ONE else "", target, value)
    if isinstance(value, list) and item is not None and item.merge_key:
        if item.merge_key == "*":
            return [*(target or []), *(element for element in value if element not in (target or []))]
        return _merge_list(item, target or [], value)
    return value


def _merge_list(item: Field, target: list[Any], patch: list[Any]) -> list[Any]:
    if any(isinstance(element, dict) and element.get("$patch") == "replace" for element in patch):
        return [element for element in patch if element.get("$patch") != "replace"]
    result = list(target)
    for element in patch:
        if not isinstance(element, dict) or item.merge_key not in element:
            raise PatchInvalid(f"map: {element} does not contain declared merge key: {item.merge_key}")
        key = element[item.merge_key]
        at = next((index for index, held in enumerate(result) if held.get(item.merge_key) == key), None)
        if element.get("$patch") == "delete":
            result = [held for held in result if held.get(item.merge_key) != key]
        elif at is None:
            result.append(_merge_object(item.of, {}, element))
        else:
            result[at] = _merge_object(item.of, result[at], element)
    return result


def _ordered(item: Field | None, values: list[Any], order: list[Any]) -> list[Any]:
    """``values`` in the order that the patch wants; what it does not name keeps its place at the end."""
    if item is None or item.merge_key in ("", "*"):
        ranks = {value: rank for rank, value in enumerate(order)}
        return sorted(values, key=lambda value: ranks.get(value, len(ranks)))
    key = item.merge_key
    ranks = {element.get(key): rank for rank, element in enumerate(order)}
    return sorted(values, key=lambda value: ranks.get(value.get(key), len(ranks)))


# --- server-side apply


def apply(kind: str, target: Object, before: Object, now: Object) -> Object:
    """``target`` after a manager who applied ``before`` applies ``now``."""
    return _merge_object(kind, _without(kind, target, before, now), now)


def _without(of: str, target: Object, before: Object, now: Object) -> Object:
    """``target`` less what ``before`` has and ``now`` has not."""
    result = dict(target)
    for name, old in before.items():
        if name not in result:
            continue
        item = _known(of, name)
        if name not in now:
            if not (isinstance(old, dict) and item and item.shape is Shape.ONE):
                result.pop(name)
            else:
                result[name] = _without(item.of, result[name], old, {})
        elif isinstance(old, dict) and isinstance(now[name], dict) and isinstance(result[name], dict):
            result[name] = _without(item.of if item and item.shape is Shape.ONE else "", result[name], old, now[name])
        elif item and item.merge_key not in ("", "*") and isinstance(old, list):
            result[name] = _without_elements(item, result[name], old, now[name])
    return result


def _without_elements(item: Field, target: list[Any], before: list[Any], now: list[Any]) -> list[Any]:
    old, new = ({element.get(item.merge_key): element for element in side} for side in (before, now))
    kept: list[Any] = []
    for element in target:
        key = element.get(item.merge_key)
        if key not in old:
            kept.append(element)
        elif key in new:
            kept.append(_without(item.of, element, old[key], new[key]))
    return kept


def leaves(kind: str, value: Object) -> dict[str, Any]:
    """Every field that a manager applies, by its path: what two managers can disagree on."""
    return dict(_leaves(kind, value, ""))


def _leaves(of: str, value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict) or (not value and path):
        yield path, value
        return
    for name, element in value.items():
        where, item = f"{path}.{name}", _known(of, name)
        if item and item.merge_key not in ("", "*") and isinstance(element, list):
            for held in element:
                yield from _leaves(item.of, held, f'{where}[{item.merge_key}="{held.get(item.merge_key)}"]')
        else:
            yield from _leaves(item.of if item and item.shape is Shape.ONE else "", element, where)
