"""Buckets of requests: held against a slow model that keeps tokens as people think of them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgate.exchange.quota import BURST_SECONDS, MOST_KEPT, QUIET_SECONDS, UNRECORDED, Quota, whole_seconds

pytestmark = pytest.mark.threat("19")
RATES = st.sampled_from([1, 2, 8, 64])
"""Of powers of two a float's sums are exact, so that the two may be held against each other to the last bit."""
WHO = st.sampled_from([("ann", "tokens"), ("ann", "https://idp.example.com"), ("bob", "tokens")])
GAPS = st.integers(0, 64 * 8).map(lambda number: number / 64)
STEPS = st.lists(st.tuples(WHO, GAPS, st.integers(1, 40)), max_size=30)


class Slow:
    """Each has tokens: no more than a burst's, a new one so often; a request takes one where there is one."""

    def __init__(self, rate: int) -> None:
        self._rate, self._most = rate, Fraction(BURST_SECONDS) * rate
        self._has: dict[tuple[str, str], tuple[Fraction, Fraction]] = {}

    def spend(self, who: tuple[str, str], at: float) -> float:
        now = Fraction(at)
        tokens, since = self._has.get(who, (self._most, now))
        tokens = min(self._most, tokens + (now - since) * self._rate)
        taken = tokens >= 1
        self._has[who] = tokens - 1 if taken else tokens, now
        return 0.0 if taken else float((1 - tokens) / self._rate)


@given(RATES, STEPS)
def test_it_gives_what_the_slow_model_gives(rate: int, steps: list[tuple[tuple[str, str], float, int]]) -> None:
    quota, slow, at = Quota(rate), Slow(rate), 1000.0
    for who, gap, times in steps:
        at += gap
        for _ in range(times):
            assert quota.spend(*who, at) == slow.spend(who, at)


@pytest.mark.threat("28")
@given(st.integers(1, 1_000_000), st.floats(0, 1e9), st.lists(st.floats(-7200, 7200), max_size=20))
def test_threat_28_whatever_the_clock_does_nobody_waits_longer_than_a_bucket_takes_to_fill(
    rate: int, at: float, jumps: list[float]
) -> None:
    quota = Quota(rate)
    for jump in jumps:
        at = max(0.0, at + jump)
        for _ in range(3):
            assert quota.spend("ann", "tokens", at) <= BURST_SECONDS + 1 / rate
    assert quota.spend("ann", "tokens", at + BURST_SECONDS + 2 / rate) == 0.0


def used_up(quota: Quota, name: str, at: float, issuer: str = "tokens") -> int:
    """How many requests that takes."""
    return next(number for number in range(1_000_000) if quota.spend(name, issuer, at))


def test_a_burst_and_then_the_rate() -> None:
    quota = Quota(100)
    assert used_up(quota, "ann", 50.0) == 100 * BURST_SECONDS
    assert quota.spend("ann", "tokens", 50.0) == pytest.approx(0.01)
    assert [used_up(quota, "ann", 50.0 + second) for second in (1, 2, 3)] == [100, 100, 100]
    assert used_up(quota, "ann", 60.0) == 500


def test_one_person_s_is_not_another_s_nor_that_of_whoever_has_the_same_name_elsewhere() -> None:
    quota = Quota(10)
    assert [used_up(quota, *who) for who in (("ann", 5.0, "tokens"), ("bob", 5.0, "tokens"), ("ann", 5.0, "https://idp"))] == [50, 50, 50]
    assert quota.spend("ann", "tokens", 5.0) and quota.spend("ann", "https://idp", 5.0)


def test_what_is_given_back_may_be_spent_again() -> None:
    quota = Quota(1)
    assert used_up(quota, "ann", 5.0) == 5
    quota.give_back("ann", "tokens")
    quota.give_back("nobody", "tokens")
    assert used_up(quota, "ann", 5.0) == 1


def test_without_a_rate_there_is_no_bucket() -> None:
    quota = Quota(0)
    assert not any(quota.spend("ann", "tokens", 5.0) for _ in range(100_000)) and len(quota) == 0


def test_another_rate_counts_from_then_on() -> None:
    quota = Quota(10)
    assert used_up(quota, "ann", 5.0) == 50
    quota.use(100)
    assert quota.spend("ann", "tokens", 5.0) and used_up(quota, "ann", 6.0) == 100


def test_so_many_are_remembered_and_those_who_wait_rather_than_those_who_are_done() -> None:
    quota = Quota(1)
    for number in range(MOST_KEPT - 1):
        quota.spend(f"done-{number}", "tokens", 5.0)
    used_up(quota, "ann", 20.0)
    for number in range(10):
        quota.spend(f"new-{number}", "tokens", 20.0)
    assert len(quota) == 11 and quota.spend("ann", "tokens", 20.0)


def test_strangers_without_end_take_no_memory_without_end() -> None:
    quota = Quota(1)
    for number in range(3 * MOST_KEPT):
        quota.spend(f"2001:db8:{number:x}::/64", "", 5.0)
        assert len(quota) <= MOST_KEPT


def test_of_what_one_is_refused_one_is_on_record_in_a_while_with_how_many_are_not() -> None:
    quota = Quota(1)
    used_up(quota, "ann", 5.0)
    assert [quota.refused("ann", "tokens", at) for at in (5.0, 5.1, 6.0)] == [0, UNRECORDED, UNRECORDED]
    assert quota.refused("ann", "tokens", 5.0 + QUIET_SECONDS) == 2
    assert quota.refused("ann", "tokens", 5.1 + QUIET_SECONDS) == UNRECORDED
    assert quota.refused("ann", "tokens", 4.0) == 1, "a clock that went back silences nothing"


@pytest.mark.parametrize(("wait", "said"), [(0.001, 1), (1.0, 1), (1.01, 2), (4.5, 5)])
def test_retry_after_has_whole_seconds(wait: float, said: int) -> None:
    assert whole_seconds(wait) == said


@pytest.mark.threat("19")
def test_much_at_once_is_as_much_as_one_by_one_and_a_day_gives_it_back() -> None:
    day, quota = 86400.0, Quota(1000 / 86400.0, 86400.0)
    assert quota.spend("ann", "tokens", 0.0, 600) == 0.0 and quota.spend("ann", "tokens", 0.0, 400) == 0.0
    assert quota.spend("ann", "tokens", 0.0, 1) == pytest.approx(86.4) and quota.spend("bob", "tokens", 0.0, 1000) == 0.0
    assert quota.spend("ann", "tokens", day / 2, 501) > 0 and quota.spend("ann", "tokens", day / 2, 499) == 0.0


@pytest.mark.threat("19")
def test_what_was_used_before_anybody_was_asked_is_owed_but_no_more_than_a_whole_bucket() -> None:
    day, quota = 86_400.0, Quota(1000 / 86_400, 86_400, lends=True)
    assert quota.charge("ann", "tokens", 0.0, 900) and not quota.charge("ann", "tokens", 0.0, 200)
    assert quota.spend("ann", "tokens", day / 20, 1) > 0 and quota.spend("ann", "tokens", day / 5, 99) == 0.0
    assert not quota.charge("ann", "tokens", day / 5, 10**12) and quota.spend("ann", "tokens", 1.1 * day, 1) > 0
    assert quota.spend("ann", "tokens", 1.3 * day, 90) == 0.0
    assert Quota(0).charge("ann", "tokens", 0.0, 10**12)
