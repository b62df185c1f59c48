"""A request's query, read as Go's ``URL.Query()`` and apimachinery's conversions read it, or refused.

Keys are case-sensitive, the first value counts, ``+`` is a space. Go drops a pair with a raw ``;`` or a broken escape where others keep it
(``watch=true;a=b`` is a *list* upstream), so such a query is refused whole; so is a list option that the API server cannot read.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from kgate.kube.refusal import Refusal
from kgate.kube.selectors import is_label_selector, required_name

MAX_PARAMETERS = 4096
"""Go drops the whole query above 10,000 (``urlmaxqueryparams``)."""

Query = dict[str, list[str]]
"""Every value of every key, in order."""

BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NUMBER = re.compile(r"[-+]?[0-9]{1,18}")
_BOOLEANS = ("watch", "follow", "tty", "stdin")
_NUMBERS = ("limit", "timeoutSeconds")
_SPOKEN = ("container", "fieldSelector")


def parse_query(raw: str, plain: bool) -> Query | Refusal:
    """``raw`` is what follows the ``?``; ``plain``: it is ASCII without escapes, ``+`` and ``;``, which saves looking."""
    if raw.count("&") >= MAX_PARAMETERS:
        return Refusal(400, f"the query has more than {MAX_PARAMETERS} parameters")
    if not plain and (refusal := _query_refusal(raw)):
        return refusal
    query: Query = {}
    for pair in raw.split("&"):
        key, _, value = pair.partition("=")
        if "%" in pair or "+" in pair:
            key, value = _component(key), _component(value)
        if key in query:
            query[key].append(value)
        elif key:
            query[key] = [value]
    return query if plain else _query_ambiguity(query) or query


def _query_refusal(raw: str) -> Refusal | None:
    """Pairs that Go drops and others keep, and bytes that are read in more than one way."""
    if ";" in raw:
        return unclear('a raw ";" in its query')
    if BAD_ESCAPE.search(raw):
        return unclear("a % in its query that begins no escape")
    return unclear("a NUL or something that is not UTF-8 in its query") if "%00" in raw or unescaped(raw) is None else None


def _component(escaped: str) -> str:
    """One key or value of a query that ``_query_refusal`` let pass."""
    return unquote_to_bytes(escaped.replace("+", " ")).decode("utf-8")


def first(query: Query, key: str) -> str:
    """The value of a key, empty where it is not there."""
    values = query.get(key)
    return values[0] if values else ""


def truth(query: Query, key: str) -> bool:
    """``Convert_Slice_string_To_bool``: absent, ``0`` and ``false`` in any case are false, everything else is true, the empty string too."""
    values = query.get(key)
    return values is not None and values[0] != "0" and values[0].lower() != "false"


def _query_ambiguity(query: Query) -> Refusal | None:
    """Options that cannot be read, or not in one way only. Go folds ``ſ`` into ``s`` in one of its two readings of a boolean."""
    for key in _BOOLEANS:
        if key in query and not query[key][0].isascii():
            return Refusal(400, f"{key} must be true or false")
    for key in _SPOKEN:
        if key in query and not query[key][0].isprintable():
            return Refusal(400, f"{key} has a control character")
    return None


def listed_name(query: Query) -> str | Refusal:
    """The name that a list or watch is about, where its field selector requires one."""
    for key in _NUMBERS:
        if (
            key in query
            and not ((value := query[key][0]).isascii() and value.isdigit() and len(value) < 19)
            and not _NUMBER.fullmatch(value)
        ):
            return Refusal(400, f"{key} must be a number")
    selector = first(query, "fieldSelector")
    if not selector:
        return ""
    name = required_name(selector)
    if name is None:
        return Refusal(400, "fieldSelector cannot be read: write it as field=value,field!=value")
    if name and not is_label_selector(first(query, "labelSelector")):
        return Refusal(400, "labelSelector cannot be read: write it as key=value,key!=value,key in (a,b),!key")
    return name


def unescaped(escaped: str) -> str | None:
    """Percent-decoded; None where the bytes are not UTF-8."""
    if "%" not in escaped:
        return escaped
    try:
        return unquote_to_bytes(escaped).decode("utf-8")
    except UnicodeDecodeError:
        return None


def unclear(what: str) -> Refusal:
    """400 for a target that has ``what``."""
    return Refusal(400, f"the request target has {what}, which the cluster might read differently; send it in its plain form")
