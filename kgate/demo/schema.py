"""The types of the objects that the demo cluster stores: what the protobuf decoder, the patches, field validation and the OpenAPI documents go by.

They stand in types.txt. A line at the margin is a type and what it is; the indented lines below it are its fields, parted by semicolons:

    name number shape [by KEY | merge] [retain] [required] [-- what it is]

``number`` is the field's number in Kubernetes' protobuf encoding, which kubectl sends for what it creates by flags. ``shape`` is the type's
name, ``[type]`` for a list, ``{type}`` for a map from strings and ``~type`` for fields that stand in the object itself. ``by KEY`` is the
strategic merge patch's key of a list, ``merge`` says that a list of plain values is merged as a set, ``retain`` that a patch names what stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from importlib.resources import files
from typing import Any

from attrs import frozen

Object = dict[str, Any]
"""A Kubernetes object as JSON gives it. What is stored is never changed in place."""

PRIMITIVES = frozenset({"string", "int", "bool", "number", "bytes", "any", "Time", "MicroTime", "Quantity", "IntOrString"})


class Shape(Enum):
    """How a field holds its type."""

    ONE = "one"
    LIST = "list"
    MAP = "map"
    INLINE = "inline"


@frozen
class Field:
    """One field. ``merge_key`` is empty for lists that a strategic merge patch replaces, ``*`` for lists that it merges as sets."""

    name: str
    number: int
    shape: Shape
    of: str
    required: bool
    merge_key: str
    retain: bool
    description: str


@frozen
class Message:
    """A type. ``by_number`` is what the wire has, ``by_name`` what JSON has: inlined fields stand in their own right."""

    name: str
    description: str
    fields: tuple[Field, ...]
    by_number: dict[int, Field]
    by_name: dict[str, Field]


_BRACKETS = {"[": Shape.LIST, "{": Shape.MAP, "~": Shape.INLINE}


def _field(text: str) -> Field:
    definition, _, description = text.partition(" -- ")
    name, number, shape, *marks = definition.split()
    key = marks[marks.index("by") + 1] if "by" in marks else "*" if "merge" in marks else ""
    kind = _BRACKETS.get(shape[0], Shape.ONE)
    of = shape.strip("~") if kind is Shape.INLINE else shape[1:-1] if kind is not Shape.ONE else shape
    return Field(name, int(number), kind, of, "required" in marks, key, "retain" in marks, description)


def _blocks(text: str) -> Iterator[tuple[str, str, str]]:
    """Name, description and field text of each type."""
    head, body = "", ""
    for line in text.splitlines():
        if line.startswith(" "):
            body += line.strip() + " "
            continue
        if head:
            yield *_titled(head), body
        head, body = line, ""
    yield *_titled(head), body


def _titled(head: str) -> tuple[str, str]:
    name, _, description = head.partition(":")
    return name, description.strip()


def _parse(text: str) -> dict[str, Message]:
    tables = {name: (about, [_field(part) for part in body.split(";") if part.strip()]) for name, about, body in _blocks(text)}

    def named(name: str) -> Iterator[Field]:
        for item in tables[name][1]:
            if item.shape is Shape.INLINE:
                yield from named(item.of)
            else:
                yield item

    return {
        name: Message(name, about, tuple(fields), {item.number: item for item in fields}, {item.name: item for item in named(name)})
        for name, (about, fields) in tables.items()
    }


MESSAGES = _parse(files("kgate.demo").joinpath("types.txt").read_text("utf-8"))


def unknown_fields(kind: str, value: Object) -> list[str]:
    """The paths of fields that ``kind`` does not have, as the API server words them: ``spec.containers[0].imag``."""
    body = {name: item for name, item in value.items() if name not in ("apiVersion", "kind")}
    return list(_unknown(kind, body, ""))


def _unknown(of: str, value: object, path: str) -> Iterator[str]:
    if of in PRIMITIVES or of not in MESSAGES or not isinstance(value, dict):
        return
    fields = MESSAGES[of].by_name
    for name, item in value.items():
        where = f"{path}.{name}" if path else name
        if name not in fields:
            yield where
        elif fields[name].shape is Shape.LIST and isinstance(item, list):
            for index, element in enumerate(item):
                yield from _unknown(fields[name].of, element, f"{where}[{index}]")
        elif fields[name].shape is Shape.ONE:
            yield from _unknown(fields[name].of, item, where)
