"""``time: {days, hours, dates, zone}``: what the wall clock of a zone shows.

The definition is the plain one: at an instant the zone's clock shows a date and a time of day, and the window holds where both fit. A window across
midnight (22:00-06:00) belongs to the day on which it begins, so ``days: [fri]`` has it end on Saturday at six. Where clocks go back, an hour of
wall-clock time occurs twice and is inside twice; where they go forward, what the clock never shows never holds.

The next *edge* follows from the definition: the answer can change only where the clock passes a boundary (midnight, the begin or end of a window)
or jumps (a change of the zone's offset). We list these instants for the days to come and take the first at which the answer differs. If there is
none within ``HORIZON_DAYS``, the last of them is given: an edge too early costs one more look, an edge too late would be a right kept too long.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from enum import IntEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from attrs import field, frozen

from kgate.documents.values import Unacceptable, accept
from kgate.model import Ground
from kgate.policy.question import Question

HORIZON_DAYS = 9
_DATES = re.compile(r"\d{4}-\d\d-\d\d(\.\.\d{4}-\d\d-\d\d)?", re.ASCII)
_MINUTES = 24 * 60
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)", re.ASCII)
_ONE_DAY = timedelta(days=1)


class Day(IntEnum):
    """Days as ``datetime.weekday()`` counts them."""

    mon, tue, wed, thu, fri, sat, sun = range(7)


class Hours(NamedTuple):
    """Minutes of the day; ``end`` at or before ``begin`` lies on the next day."""

    begin: int
    end: int

    def __str__(self) -> str:
        return f"{self.begin // 60:02}:{self.begin % 60:02}-{self.end // 60:02}:{self.end % 60:02}"


class Dates(NamedTuple):
    """Both days included."""

    first: date
    last: date

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}..{self.last}"


ALL_DAY = Hours(0, _MINUTES)


def hours(text: str) -> Hours:
    """``08:00-20:00``, ``22:00-06:00``, ``00:00-24:00``."""
    match = _HOURS.fullmatch(text)
    begin, end = (int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])) if match else (0, 0)
    if match is None or end > _MINUTES:
        raise Unacceptable(f'"{text}" is not a span of hours', 'write it as "08:00-20:00" or "22:00-06:00"')
    if begin == end:
        raise Unacceptable(f'"{text}" begins where it ends', 'write "00:00-24:00" for the whole day, or leave hours out')
    return Hours(begin, end)


def dates(text: str) -> Dates:
    """``2026-12-24`` or ``2026-12-20..2027-01-06``."""
    first, dots, last = text.partition("..")
    try:
        if not _DATES.fullmatch(text):
            raise ValueError
        span = Dates(date.fromisoformat(first), date.fromisoformat(last if dots else first))
    except ValueError:
        raise Unacceptable(f'"{text}" is not a date', "write it as 2026-12-24 or 2026-12-20..2027-01-06") from None
    if span.last < span.first:
        raise Unacceptable(f'"{text}" ends before it begins', "write the earlier day first: 2026-12-20..2027-01-06")
    return span


def zone(text: str) -> ZoneInfo:
    """A zone of the IANA time zone database."""
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Unacceptable(f'"{text}" is not a time zone', "write it as Europe/Berlin or UTC") from None


class _Span(NamedTuple):
    """From ``since`` until ``until`` the window is ``opened``, and what may change next does so at ``edge``."""

    since: float
    until: float
    edge: float
    opened: bool


@frozen(eq=False)
class Time:
    """Days, hours and dates that must all fit; each list holds where any of it does."""

    zone: ZoneInfo
    days: tuple[Day, ...] = ()
    hours: tuple[Hours, ...] = ()
    dates: tuple[Dates, ...] = ()
    _constant: list[_Span] = field(init=False, factory=list, repr=False)
    """The last span that was asked for: a memo of a pure function."""
    ground = Ground.TIME

    def __attrs_post_init__(self) -> None:
        asked = self.days or self.hours or self.dates
        accept(None if asked else Unacceptable("asks nothing", "name days, hours or dates"))

    def holds(self, asked: Question) -> bool:
        """Whether the window is open at the context's instant."""
        return self._span(asked.context.now).opened

    def edge(self, asked: Question) -> float:
        """When that may change next."""
        return self.edge_after(asked.context.now)

    def edge_after(self, now: float) -> float:
        """The first instant after ``now`` at which the window opens or closes."""
        return self._span(now).edge

    def miss(self, asked: Question) -> str:
        """What of it does not fit."""
        local = datetime.fromtimestamp(asked.context.now, self.zone)
        if self.hours and not any(self._shows(local, each, any_day=True) for each in self.hours):
            return f"time is outside {self._hours_text()} {self.zone.key}"
        if self.days and local.weekday() not in self.days:
            return f"time is outside {', '.join(day.name for day in self.days)} {self.zone.key} (it is {Day(local.weekday()).name})"
        return f"time is outside {self}"

    def hit(self, asked: Question) -> str:
        """That it is open."""
        return f"time is within {self}"

    def open_at(self, now: float) -> bool:
        """The definition: what the clock shows at ``now``."""
        local = datetime.fromtimestamp(now, self.zone)
        return any(self._shows(local, each) for each in self.hours or (ALL_DAY,))

    def __str__(self) -> str:
        parts = [", ".join(day.name for day in self.days), self._hours_text(), ", ".join(map(str, self.dates)), self.zone.key]
        return " ".join(filter(None, parts))

    def _hours_text(self) -> str:
        return ", ".join(map(str, self.hours))

    def _shows(self, local: datetime, window: Hours, any_day: bool = False) -> bool:
        minute, today = local.hour * 60 + local.minute, local.date()
        if window.begin < window.end:
            return window.begin <= minute < window.end and (any_day or self._on(today))
        evening, morning = minute >= window.begin, minute < window.end
        return (evening and (any_day or self._on(today))) or (morning and (any_day or self._on(today - _ONE_DAY)))

    def _on(self, day: date) -> bool:
        return (not self.days or day.weekday() in self.days) and (
            not self.dates or any(each.first <= day <= each.last for each in self.dates)
        )

    def _span(self, now: float) -> _Span:
        if self._constant:
            span = self._constant[0]
            if span.since <= now < span.until:
                return span
        opened = self.open_at(now)
        ahead = [each for each in self._boundaries(now) if each > now]
        edge = next((each for each in ahead if self.open_at(each) != opened), None)
        # Where none is seen, what is given depends on the day, and is known no longer than that. A midnight is a boundary.
        span = _Span(now, ahead[0], ahead[-1], opened) if edge is None else _Span(now, edge, edge, opened)
        self._constant[:] = [span]
        return span

    def _boundaries(self, now: float) -> list[float]:
        """Every instant of the days around ``now`` at which the answer could change, in order."""
        today = datetime.fromtimestamp(now, self.zone).date()
        minutes = sorted({0, *(minute % _MINUTES for each in self.hours for minute in each)})
        found: set[float] = set()
        for ahead in range(-1, HORIZON_DAYS + 1):
            day = today + timedelta(days=ahead)
            found.update(self._instants(day, minutes))
            found.update(_jumps(self.zone, day))
        return sorted(found)

    def _instants(self, day: date, minutes: Iterable[int]) -> Iterable[float]:
        for minute in minutes:
            for fold in (0, 1):
                yield datetime.combine(day, clock(minute // 60, minute % 60, fold=fold), self.zone).timestamp()


def _jumps(zone: ZoneInfo, day: date) -> Iterable[float]:
    """The instant within the (UTC) day at which the zone's offset changes, by bisection; zones change at most once a day."""
    low = int(datetime.combine(day, clock(), UTC).timestamp())
    high = low + 86400
    offset = _offset(zone, low)
    if _offset(zone, high) == offset:
        return
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(zone, middle) == offset else (low, middle)
    yield float(high)


def _offset(zone: ZoneInfo, instant: int) -> timedelta | None:
    return datetime.fromtimestamp(instant, zone).utcoffset()
