"""Windows of time: midnight, days, dates, and the two nights on which the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgate.documents.values import Unacceptable
from kgate.policy.conditions.time import Time, dates, hours, zone
from kgate.policy.notation import policy_converter


def window(**written: Any) -> Time:
    return policy_converter().structure({"zone": "Europe/Berlin", **written}, Time)


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def transcript(time: Time, begin: str, edges: int) -> list[str]:
    """What holds at ``begin``, and each instant (UTC) at which it changes."""
    now = at(begin)
    lines = [f"{'open' if time.open_at(now) else 'shut'}"]
    for _ in range(edges):
        now = time.edge_after(now)
        opened = time.open_at(now)
        lines.append(f"{datetime.fromtimestamp(now, UTC):%a %d %H:%M}Z {'open' if opened else 'shut'}")
    return lines


def test_office_hours() -> None:
    office = window(days=["mon", "tue", "wed", "thu", "fri"], hours="08:00-20:00")
    assert transcript(office, "2026-11-26T07:59:59+01:00", 5) == [
        "shut",
        "Thu 26 07:00Z open",
        "Thu 26 19:00Z shut",
        "Fri 27 07:00Z open",
        "Fri 27 19:00Z shut",
        "Mon 30 07:00Z open",
    ]


def test_a_window_across_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    night = window(days=["fri"], hours="22:00-06:00")
    assert transcript(night, "2026-11-27T12:00:00+01:00", 3) == ["shut", "Fri 27 21:00Z open", "Sat 28 05:00Z shut", "Fri 04 21:00Z open"]
    assert not night.open_at(at("2026-11-27T03:00:00+01:00"))  # the night from Thursday
    assert night.open_at(at("2026-11-28T03:00:00+01:00"))


def test_clocks_go_forward_over_a_boundary() -> None:
    """On 2027-03-28 Berlin has no 02:00-03:00: the window opens at once at 03:00 (01:00Z)."""
    assert transcript(window(hours="02:30-04:00"), "2027-03-28T00:00:00+01:00", 2) == ["shut", "Sun 28 01:00Z open", "Sun 28 02:00Z shut"]


def test_clocks_go_forward_over_a_whole_window() -> None:
    """02:15-02:45 is never shown that night."""
    assert transcript(window(hours="02:15-02:45"), "2027-03-28T00:00:00+01:00", 2) == ["shut", "Mon 29 00:15Z open", "Mon 29 00:45Z shut"]


def test_clocks_go_back_and_the_window_holds_twice() -> None:
    """On 2026-10-25 Berlin shows 02:00-03:00 twice: from 00:00Z and from 01:00Z."""
    assert transcript(window(hours="02:15-02:45"), "2026-10-25T00:00:00+02:00", 4) == [
        "shut",
        "Sun 25 00:15Z open",
        "Sun 25 00:45Z shut",
        "Sun 25 01:15Z open",
        "Sun 25 01:45Z shut",
    ]


def test_clocks_go_back_within_a_window() -> None:
    assert transcript(window(hours="01:00-02:30"), "2026-10-25T00:00:00+02:00", 4) == [
        "shut",
        "Sat 24 23:00Z open",
        "Sun 25 00:30Z shut",
        "Sun 25 01:00Z open",
        "Sun 25 01:30Z shut",
    ]


def test_dates() -> None:
    freeze = window(dates=["2026-12-23..2026-12-24", "2026-12-27"])
    assert transcript(freeze, "2026-12-20T00:00:00+01:00", 4) == [
        "shut",
        "Tue 22 23:00Z open",
        "Thu 24 23:00Z shut",
        "Sat 26 23:00Z open",
        "Sun 27 23:00Z shut",
    ]


def test_what_is_far_is_looked_at_again_before() -> None:
    far = window(dates=["2030-01-01"])
    now = at("2026-01-01T00:00:00+00:00")
    assert not far.open_at(now) and now < far.edge_after(now) <= now + 10 * 86400


@settings(max_examples=60)
@given(
    st.sampled_from([{"dates": ["2030-01-01"]}, {"dates": ["2026-11-29"]}, {"hours": "08:00-20:00", "days": ["fri"]}]),
    st.sampled_from(["Europe/Berlin", "America/Havana"]),
    st.lists(st.integers(0, 20 * 86400), min_size=2, max_size=5),
)
def test_what_was_asked_before_changes_nothing(written: dict[str, Any], zone: str, seconds: list[int]) -> None:
    """Also of what is too far to be seen: ``explain`` of a request and the decision on it a second later had different instants."""
    asked_before = window(zone=zone, **written)
    for second in seconds:
        now = at("2026-10-20T12:00:00+00:00") + second
        assert asked_before.edge_after(now) == window(zone=zone, **written).edge_after(now)


def test_the_zone_counts() -> None:
    noon = at("2026-06-01T12:00:00+00:00")
    assert window(hours="14:00-14:01").open_at(noon)
    assert window(hours="12:00-12:01", zone="UTC").open_at(noon)
    assert window(hours="17:30-17:31", zone="Asia/Kolkata").open_at(noon)


def test_a_clock_that_jumps_back_is_believed() -> None:
    office = window(hours="08:00-20:00")
    assert office.open_at(at("2026-11-26T12:00:00+01:00"))
    assert not office.open_at(at("2026-11-26T07:00:00+01:00"))
    assert office.edge_after(at("2026-11-26T07:00:00+01:00")) == at("2026-11-26T08:00:00+01:00")


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        *(
            (hours, text)
            for text in ("8:00-20:00", "08:00", "08:00-24:01", "24:00-08:00", "08:00-08:00", "08:60-09:00", "08:00 - 09:00", "")
        ),
        *(
            (dates, text)
            for text in ("2026-13-01", "2026-02-30", "2026-12-24..2026-12-23", "20261224", "2026-W01-1", "24.12.2026", "", "..")
        ),
        *((zone, text) for text in ("", "Berlin", "../../etc/passwd", "/etc/passwd", "Europe", "europe/berlin\0")),
    ],
)
def test_what_is_no_time(parse: Any, text: str) -> None:
    with pytest.raises(Unacceptable):
        parse(text)


@settings(max_examples=60)
@given(
    st.sampled_from(["Europe/Berlin", "America/New_York", "America/Havana", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kolkata"]),
    st.tuples(st.integers(0, 95), st.integers(0, 95)).filter(lambda pair: pair[0] != pair[1]),
    st.sets(st.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]), min_size=1),
    st.integers(1_767_225_600, 1_830_297_600),
)
def test_the_edge_is_where_the_answer_changes_and_not_later(zone: str, span: tuple[int, int], days: set[str], now: int) -> None:
    """Against looking at every quarter of an hour (every boundary here is on one)."""
    text = "-".join(f"{quarter // 4:02}:{quarter % 4 * 15:02}" for quarter in span)
    time = window(zone=zone, hours=text, days=sorted(days))
    edge = time.edge_after(float(now))
    opened = time.open_at(now)
    quarter = now - now % 900 + 900
    while quarter < edge:
        assert time.open_at(quarter) == opened
        quarter += 900
    assert time.open_at(edge) != opened or edge - now > 8 * 86400
    assert time.open_at(edge - 1) == opened
