"""What a search of the audit asks of a record."""

from __future__ import annotations

from typing import Any

import pytest

from kgate.audit.search import search, time_of
from kgate.documents.values import Unacceptable

NOW = 1_790_000_000.0  # 2026-09-21T14:13:20Z
RECORD: dict[str, Any] = {
    "time": "2026-09-21T14:13:20.250000Z",
    "event": "stream-start",
    "user": "alice",
    "groups": ["developers", "sre"],
    "allowed": True,
    "status": 101,
    "command": ["sh", "-c", "cat /etc/Passwd"],
    "identity": {"acr": "mfa", "extra": {"team": ["a"]}},
}


def found(*terms: str, record: dict[str, Any] = RECORD) -> bool:
    return search(terms, "", "", NOW).holds(record)


@pytest.mark.parametrize(
    "term",
    [
        "user=alice", "user=bob,alice", "user=a*", "groups=sre", "groups=dev*", "allowed=true", "status=101", "identity.acr=mfa",
        "identity.extra.team=a", "identity.extra=team=*", "cluster=", "identity.uid=", "user.first=", "user!=bob", "groups!=ops", "cluster!=prod",
        "passwd", "PASSWD", "alic", "mfa", "101", "true", "",
    ],
)  # fmt: skip
def test_what_fits(term: str) -> None:
    assert found(term)


@pytest.mark.parametrize(
    "term",
    [
        "user=bob", "user=Alice", "user=a", "groups=developers2", "allowed=True", "status=10", "identity.acr=", "acr=mfa", "user!=alice",
        "user!=bob,alice", "groups!=sre", "cluster!=", "nobody", "user", "false",
    ],
)  # fmt: skip
def test_what_does_not(term: str) -> None:
    """A word is looked for in values, not in names of fields."""
    assert not found(term)


def test_all_that_is_asked_has_to_fit() -> None:
    assert found("user=alice", "groups=sre", "passwd") and found()
    assert not found("user=alice", "groups=ops") and not found("user=alice", "nobody")


@pytest.mark.parametrize(
    ("since", "until", "first", "last"),
    [
        ("", "", b"", b"~"),
        ("1h", "", b"2026-09-21T13:13:20.000000Z", b"~"),
        ("7d", "90m", b"2026-09-14T14:13:20.000000Z", b"2026-09-21T12:43:20.000000Z"),
        ("2026-09-20", "2026-09-21", b"2026-09-20T00:00:00.000000Z", b"2026-09-21T00:00:00.000000Z"),
        ("2026-09-20T01:02:03Z", "", b"2026-09-20T01:02:03.000000Z", b"~"),
        ("1900-01-01", "", b"1970-01-01T00:00:00.000000Z", b"~"),
        ("", "9999-12-31", b"", b"9999-01-01T00:00:00.000000Z"),
    ],
)
def test_a_span_of_time(since: str, until: str, first: bytes, last: bytes) -> None:
    asked = search((), since, until, NOW)
    assert (asked.first, asked.last) == (first, last)


@pytest.mark.parametrize(
    ("since", "until", "says"),
    [
        ("2026-13-01", "", "is not a day"),
        ("yesterday", "", "is not a time"),
        ("", "later", "is not a time"),
        ("1h", "2h", "--until is not after --since"),
        ("2026-09-20", "2026-09-20", "--until is not after --since"),
    ],
)
def test_times_that_are_none(since: str, until: str, says: str) -> None:
    with pytest.raises(Unacceptable, match=says):
        search((), since, until, NOW)


def test_a_name_that_may_be_a_slip() -> None:
    assert search(["user=alice", "groups=x"], "", "", NOW).doubt() == ""
    assert 'no record has "usr" so: ' in search(["user=alice", "usr=x"], "", "", NOW).doubt()


def test_the_time_of_a_line_is_its_first_field() -> None:
    assert time_of(b'{"time":"2026-09-21T14:13:20.250000Z","id":"x"}\n') == b"2026-09-21T14:13:20.250000Z"
    assert time_of(b'{"id":"x","time":"2026-09-21T14:13:20.250000Z"}\n') == time_of(b"") == b""
