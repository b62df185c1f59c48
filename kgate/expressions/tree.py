"""The tree of a compiled expression, read from the library's own serialisation: a ``cel.expr.CheckedExpr`` in a ``google.protobuf.Any``, the handful of
its fields that matter, by protocol buffers' wire format (field number and type, then a number or a counted string), which is the only form in which the
library shows its tree.
"""

from __future__ import annotations

from collections.abc import Iterator

CONST, IDENT, SELECT, CALL, LIST, STRUCT, COMPREHENSION = 3, 4, 5, 6, 7, 8, 9
"""Expr's kinds."""
STRING = 6
"""Constant.string_value"""
_VALUE = 2
"""Any.value"""
_EXPR = 4
"""CheckedExpr.expr"""
_PARTS = {SELECT: (1,), CALL: (1, 3), LIST: (1,), COMPREHENSION: (2, 4, 5, 6, 7)}
"""Which fields of a kind are Exprs themselves."""
_ENTRY = (3, 4)
"""And which of a STRUCT's entries."""


def roots(checked: bytes) -> Iterator[bytes]:
    """The Expr of a serialised expression."""
    return (raw for field, body in fields(checked) if field == _VALUE for number, raw in fields(body) if number == _EXPR)


def every(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and body of an Expr and of all in it."""
    waiting = [raw]
    while waiting:
        for kind, body in fields(waiting.pop()):
            yield kind, body
            if kind == STRUCT:
                entries = (entry for number, entry in fields(body) if number == 2)
                waiting += (part for entry in entries for number, part in fields(entry) if number in _ENTRY)
            else:
                waiting += (part for number, part in fields(body) if number in _PARTS.get(kind, ()))


def text(raw: bytes, field: int) -> str:
    """A field that is text; empty where it is not there."""
    return next((value.decode("utf-8", "replace") for number, value in fields(raw) if number == field), "")


def fields(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """The counted fields of a message, number and bytes; others are skipped (https://protobuf.dev/programming-guides/encoding/)."""
    at = 0
    while at < len(raw):
        key, at = _varint(raw, at)
        number, kind = key >> 3, key & 7
        if kind == 2:
            size, at = _varint(raw, at)
            yield number, raw[at : at + size]
            at += size
        elif kind == 0:
            _, at = _varint(raw, at)
        else:
            at += {1: 8, 5: 4}[kind]


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at
