"""Selectors inside access reviews (KEP-4601): ``rawSelector`` as a request's query has it, or the same taken apart into ``requirements``.

Both are read as the text of a query, which is what the policy knows selectors by. A requirement that has no plain text (odd characters, several values of
a field) is left out: the question is then about more than was meant, and the answer can be no where it might be yes, never the other way round.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from kgate.kube.protobuf import Malformed, read_message, read_repeated

_KEY = re.compile(r"[A-Za-z0-9./_-]+")
_VALUE = re.compile(r"[A-Za-z0-9._-]*")


def selector_of(given: object, *, labels: bool) -> str | None:
    """Of the JSON of a review's ``labelSelector`` (or ``fieldSelector``), where there is one; None where it is none."""
    if given is None:
        return ""
    if not isinstance(given, dict):
        return None
    raw, listed = given.get("rawSelector", ""), given.get("requirements") or []
    if not isinstance(raw, str) or not isinstance(listed, list) or (raw and listed):
        return None
    terms = [_term_of(each, labels=labels) for each in listed]
    return raw or ",".join(filter(None, terms)) if None not in terms else None


def _term_of(given: Any, *, labels: bool) -> str | None:
    if not isinstance(given, dict):
        return None
    key, operator, values = given.get("key"), given.get("operator"), given.get("values") or []
    if not isinstance(key, str) or not isinstance(operator, str) or not isinstance(values, list):
        return None
    return _term(key, operator, values, labels=labels) if all(isinstance(value, str) for value in values) else None


def read_selector(data: bytes, *, labels: bool) -> str:
    """The same of its protobuf: {1 rawSelector, 2 repeated {1 key, 2 operator, 3 repeated values}}. Raises Malformed."""
    raw, listed = read_message(data, repeated=2).text(1), read_repeated(data, 2)
    if raw and listed:
        raise Malformed("a selector is there in both its forms")
    return raw or ",".join(filter(None, (_read_term(each, labels=labels) for each in listed)))


def _read_term(data: bytes, *, labels: bool) -> str:
    term = read_message(data, repeated=3)
    try:
        values = [value.decode() for value in read_repeated(data, 3)]
    except UnicodeDecodeError:
        raise Malformed("field 3 is not UTF-8") from None
    return _term(term.text(1), term.text(2), values, labels=labels)


def _term(key: str, operator: str, values: list[str], *, labels: bool) -> str:
    """As a query has it; empty where it cannot be said there in plain words."""
    if not _KEY.fullmatch(key) or not all(map(_VALUE.fullmatch, values)):
        return ""
    return _of_label(key, operator, values) if labels else _of_field(key, operator, values)


def _of_field(key: str, operator: str, values: Iterable[str]) -> str:
    match operator, values:
        case "In", [value]:
            return f"{key}={value}"
        case "NotIn", [value]:
            return f"{key}!={value}"
    return ""


def _of_label(key: str, operator: str, values: Iterable[str]) -> str:
    listed = ",".join(values)
    return {"In": f"{key} in ({listed})", "NotIn": f"{key} notin ({listed})", "Exists": key, "DoesNotExist": f"!{key}"}.get(operator, "")
