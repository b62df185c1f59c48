"""Strings of strangers, made fit for a record (security.md class 25), and for what commands print as JSON (class 27).

A record is one line of JSON. What must hold whatever a client sends: the line is valid UTF-8; nothing in it can end the line for any reader, move a
terminal's cursor, or turn the reading direction round. JSON escapes the C0 controls by itself; DEL, the C1 controls, the line separators and the
directional marks are written as ``\\uXXXX`` too, so the raw file is safe to look at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import orjson

_UNSAFE = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\U000e0000-\U000e007f]")


def encode(fields: Mapping[str, object]) -> bytes:
    """``fields`` as the inside of a JSON object, without its braces; absent (None, empty) fields must be left out by the caller."""
    return _dumped(fields)[1:-1]


def document(value: object) -> bytes:
    """``value`` as JSON for programs and people: indented, and as safe to look at."""
    return _dumped(value, orjson.OPT_INDENT_2)


def compact(value: object) -> bytes:
    """The same in one line."""
    return _dumped(value)


def _dumped(value: object, option: int = 0) -> bytes:
    try:
        data = orjson.dumps(value, option=option)
    except orjson.JSONEncodeError:
        data = orjson.dumps(_valid(value), option=option)
    if data.isascii() and b"\x7f" not in data:
        return data
    return _UNSAFE.sub(_escaped, data.decode()).encode()


def _escaped(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be")
    return "".join(f"\\u{units[place]:02x}{units[place + 1]:02x}" for place in range(0, len(units), 2))


def _valid(value: object) -> object:
    """Lone surrogates, which no UTF-8 has, spelt out; whatever JSON has no word for, as its text."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {str(_valid(str(key))): _valid(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_valid(each) for each in value]
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int) and -(1 << 63) <= value < 1 << 64:
        return value
    return _valid(str(value))
