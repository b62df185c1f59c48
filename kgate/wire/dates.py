"""The Date of an answer that is made here (RFC 9110 section 6.6.1). What is handed on keeps that of whoever made it."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate, parsedate_to_datetime

from kgate.wire.events import Headers

Date = Callable[[], Headers]
"""Gives the field as of now."""


def no_date() -> Headers:
    """Of a server that has no clock, which sends none."""
    return []


class Dates:
    """``wall`` gives Unix seconds. The answers of one second share a field."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._second = -1
        self._field: Headers = []

    def __call__(self) -> Headers:
        """See ``Date``."""
        second = int(self._wall())
        if second != self._second:
            self._second, self._field = second, [(b"date", formatdate(second, usegmt=True).encode())]
        return self._field


def read_date(headers: Headers) -> float | None:
    """When an answer was made, by its maker's clock (Unix seconds, the second's beginning); None where it does not say."""
    for name, value in headers:
        if name == b"date":
            try:
                return parsedate_to_datetime(value.decode("latin-1")).timestamp()
            except (ValueError, OverflowError):
                return None
    return None
