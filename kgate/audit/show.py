"""A record for a person: one row of a table, or all of it line by line.

Names in a record are a stranger's: nothing of them reaches a terminal but printable characters (security.md class 27).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kgate.errors import printable
from kgate.model import Ground

Fields = Mapping[str, Any]
COLUMNS = ("time", "who", "what", "answer", "id")
_GROUNDS = frozenset(ground.value for ground in Ground)
_LEAD = ("time", "id", "event")
_TRAIL = ("prev", "hash")


def row(fields: Fields) -> tuple[str, ...]:
    """``COLUMNS`` of a record."""
    written = text_of(fields.get("time", ""))
    time = f"{written[:19].replace('T', ' ')}{written[-1:]}"
    cluster = text_of(fields.get("cluster", ""))
    said = f"{cluster}: {what(fields)}" if cluster else what(fields)
    return time, text_of(fields.get("user", "")), said, answer(fields), text_of(fields.get("id", ""))


def what(fields: Fields) -> str:
    """``exec pods/web-0 -n team-a: sh -c ls``, ``port-forward pods/db-0: 5432``, or the event where nothing was asked for."""
    event = text_of(fields.get("event", ""))
    if "verb" not in fields:
        return event
    words = [text_of(fields.get("action") or fields["verb"])]
    words.append(_thing(fields))
    if fields.get("namespace"):
        words.append(f"-n {text_of(fields['namespace'])}")
    if fields.get("container"):
        words.append(f"-c {text_of(fields['container'])}")
    said = " ".join(filter(None, words))
    inside = fields.get("command") or fields.get("port")
    return f"{said}: {' '.join(map(text_of, inside))}" if isinstance(inside, list) and inside else said


def answer(fields: Fields) -> str:
    """How it came out: of a stream after how long, of what is neither asked nor ended (a relaxation) why it is said."""
    if "closed_by" in fields:
        return f"closed by {text_of(fields['closed_by'])}{_lasted(fields)}"
    if "allowed" not in fields:
        came_out = text_of(fields.get("outcome") or fields.get("status", ""))
        return f"{came_out}{_lasted(fields)}" if came_out else _first(fields.get("reasons"))
    rule = text_of(fields.get("rule", ""))
    if fields["allowed"] is True:
        return f"allowed: {rule}" if rule else "allowed"
    return f"denied: {rule}" if rule else _denied(fields.get("reasons"))


def _lasted(fields: Fields) -> str:
    duration = fields.get("duration_ms")
    return f" after {duration / 1000:,.1f} s" if fields.get("event") == "stream-end" and isinstance(duration, int | float) else ""


def _first(reasons: Any) -> str:
    return text_of(reasons[0]) if isinstance(reasons, list) and reasons else ""


def _denied(reasons: Any) -> str:
    """``denied (time): sre-exec`` of ``time: sre-exec: time is outside …``; the sentence of a refusal as it stands."""
    first = _first(reasons)
    ground, _, rest = first.partition(": ")
    if ground not in _GROUNDS:
        return f"denied: {first}" if first else "denied"
    rule, colon, _ = rest.partition(": ")
    return f"denied ({ground}): {rule}" if colon else f"denied ({ground})"


def lines(fields: Fields) -> Iterator[tuple[str, str]]:
    """Every field and its value: what it is first, the chain last."""
    names = [*_LEAD, *(name for name in fields if name not in (*_LEAD, *_TRAIL)), *_TRAIL]
    for name in names:
        if name in fields:
            yield text_of(name), _value(fields[name])


def text_of(value: Any) -> str:
    """A value as a terminal may show it."""
    return printable(str(value).lower() if isinstance(value, bool) else str(value))


def _thing(fields: Fields) -> str:
    resource = text_of(fields.get("resource", ""))
    if not resource:
        return text_of(fields.get("path", ""))
    group = f".{text_of(fields['api_group'])}" if fields.get("api_group") else ""
    name = f"/{text_of(fields['name'])}" if fields.get("name") else ""
    sub = text_of(fields.get("subresource", ""))
    return f"{resource}{group}{name}" + (f" ({sub})" if sub and not fields.get("action") else "")


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{text_of(name)}: {_value(each)}" for name, each in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_value, value)) or "none"
    return text_of(value)
