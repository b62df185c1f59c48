"""Request ids are unique and sort in the order in which they were made, whatever the clock does."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from kgate.audit.ids import RequestIds, instant_of


@given(st.lists(st.floats(-2, 3), max_size=60))
def test_ids_sort_as_they_were_made_though_the_clock_jumps(steps: list[float]) -> None:
    now, made = 1_790_000_000.25, []
    ids = RequestIds(lambda: now, os.urandom)
    for step in steps:
        now += step
        made += [ids.next(), ids.next()]
    assert made == sorted(set(made))
    assert all(len(id_) == 26 for id_ in made)


def test_the_time_can_be_read_back() -> None:
    ids = RequestIds(lambda: 1_790_000_000.25, os.urandom)
    assert instant_of(ids.next()) == 1_790_000_000.25


def test_a_second_in_which_the_counts_are_used_up_goes_on_in_the_next_millisecond() -> None:
    ids = RequestIds(lambda: 1_790_000_000.25, lambda count: b"\xff" * count)
    first = ids.next()
    ids._count = (1 << 20) - 2
    last, over, after = ids.next(), ids.next(), ids.next()
    assert first < last < over < after
    assert instant_of(over) == 1_790_000_000.251


def test_two_processes_do_not_make_the_same_id() -> None:
    one, other = (RequestIds(lambda: 1_790_000_000.25, os.urandom) for _ in range(2))
    assert not {one.next() for _ in range(100)} & {other.next() for _ in range(100)}
