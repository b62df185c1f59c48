"""Finding records: terms over their fields, and the span of time.

A term is ``field=value``, ``field!=value`` (``*`` is a glob, commas are alternatives, a list matches where any item does, ``a.b`` looks inside an object)
or a bare word that must occur somewhere in the record. All terms must hold. Values compare as the text that a table shows: ``allowed=false``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from attrs import frozen

from kgate.audit.record import timestamp
from kgate.documents.globs import Glob
from kgate.documents.structuring import nearest
from kgate.documents.values import Unacceptable, duration, instant

_WHO = "user groups issuer session source_ip device identity country asn facts grants as impersonated user_agent kubectl"
_WHAT = "cluster cluster_labels verb action api_group resource subresource namespace name container command port path label_selector field_selector"
_ANSWER = "allowed rule reasons policy_revision policy_sha256 shadow shadow_revision shadow_sha256 status outcome"
_COURSE = "duration_ms bytes_in bytes_out stream closed_by revocation_ms recording recorded"
FIELDS = frozenset(f"time id gate event {_WHO} {_WHAT} {_ANSWER} {_COURSE} prev hash".split())
"""What decisions and their ends have; other events have more. Whoever finds nothing by another name is asked whether it is a slip."""
ABSENT = {
    "upstream_audit_id": ("is the record's own id: the gate gives it to the cluster, whose audit has it as auditID", "ask for id=…"),
}
"""Fields that one may well look for, and why no record has them."""
Fields = Mapping[str, Any]
_EARLIEST, _LATEST = (datetime(year, 1, 1, tzinfo=UTC).timestamp() for year in (1970, 9999))


@frozen
class Term:
    """One condition on one field, or on what lies at ``path`` within it."""

    path: tuple[str, ...]
    values: tuple[Glob, ...]
    negated: bool = False

    def holds(self, fields: Fields) -> bool:
        """Whether the record fits."""
        return any(glob.matches(text) for text in _texts(fields, self.path) for glob in self.values) is not self.negated


@frozen
class Search:
    """``since`` and ``until`` are Unix seconds; a record at ``until`` is not found."""

    terms: tuple[Term, ...] = ()
    words: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None

    def doubt(self) -> str:
        """What to say where nothing is found: a field that may be a slip; empty where every name is a common one."""
        unknown = [term.path[0] for term in self.terms if term.path[0] not in FIELDS]
        return (
            f'no record has "{unknown[0]}" so: {nearest(unknown[0], FIELDS) or "look at kgate audit show ID for names"}' if unknown else ""
        )

    @property
    def first(self) -> bytes:
        """The ``time`` field of the earliest record that can fit."""
        return timestamp(self.since).encode() if self.since is not None else b""

    @property
    def last(self) -> bytes:
        """The ``time`` field that is too late."""
        return timestamp(self.until).encode() if self.until is not None else b"~"

    def holds(self, fields: Fields) -> bool:
        """Whether the record, which lies in the span of time, fits the terms."""
        return all(term.holds(fields) for term in self.terms) and all(_within(word, fields) for word in self.words)


def search(terms: Iterable[str], since: str, until: str, now: float) -> Search:
    """What the words ask for. Raises Unacceptable for a time that is none, and for a field that no record ever has."""
    terms = tuple(terms)
    parsed = tuple(_term(text) for text in terms if "=" in text)
    words = tuple(text.lower() for text in terms if "=" not in text)
    begins, ends = _instant(since, now), _instant(until, now)
    if begins is not None and ends is not None and ends <= begins:
        raise Unacceptable("--until is not after --since", "no record can fit")
    return Search(parsed, words, begins, ends)


def time_of(line: bytes) -> bytes:
    """The ``time`` of a record's line, which is its first field; as text these sort as the instants do."""
    return line[9:36] if line.startswith(b'{"time":"') else b""


def _term(text: str) -> Term:
    name, _, value = text.partition("=")
    negated = name.endswith("!")
    path = tuple(name.removesuffix("!").split("."))
    if path[0] in ABSENT:
        why, instead = ABSENT[path[0]]
        raise Unacceptable(f'"{path[0]}" {why}', instead)
    return Term(path, tuple(Glob(each) for each in value.split(",")), negated)


def _instant(text: str, now: float) -> float | None:
    """What is asked for, but within the years of records' times: a day more or less must be a date too."""
    return min(max(_EARLIEST, _moment(text, now)), _LATEST) if text else None


def _moment(text: str, now: float) -> float:
    """``7d`` ago, a day (``2026-11-24``) or an instant."""
    if text[-1:] in "smhd" and text[:1].isdigit():
        return now - duration(text)
    if len(text) == len("2026-11-24"):
        try:
            return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
        except ValueError:
            raise Unacceptable(f'"{text}" is not a day', "write it as 2026-11-24, which is from midnight UTC on") from None
    try:
        return instant(text)
    except Unacceptable:
        raise Unacceptable(f'"{text}" is not a time', "write 7d, 2026-11-24 or 2026-11-24T09:30:00Z") from None


def _texts(value: Any, path: tuple[str, ...]) -> Iterable[str]:
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    if value is None:
        return ("",)
    if isinstance(value, list):
        return [_text(each) for each in value]
    if isinstance(value, dict):
        return [f"{key}={_text(each)}" for key, each in value.items()]
    return (_text(value),)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _within(word: str, value: Any) -> bool:
    if isinstance(value, dict):
        return any(_within(word, each) for each in value.values())
    if isinstance(value, list):
        return any(_within(word, each) for each in value)
    return word in str(value).lower()
