"""How often one address may try (class 19)."""

from __future__ import annotations

import pytest

from kgate.api.attempts import MOST_ADDRESSES, Attempts

pytestmark = pytest.mark.threat("19")


def test_an_address_has_so_many_a_minute_and_no_other_pays_for_it() -> None:
    attempts = Attempts(lambda: 3)
    assert [attempts.may("192.0.2.1", 10.0 + number) for number in range(4)] == [True, True, True, False]
    assert attempts.may("192.0.2.2", 14.0)
    assert not attempts.may("192.0.2.1", 69.9) and attempts.may("192.0.2.1", 70.0)


def test_whoever_has_a_network_of_addresses_has_no_more_attempts() -> None:
    """A host with IPv6 takes any address of its /64 (RFC 4291 section 2.5.4, RFC 8981), another one for each attempt if it likes."""
    attempts = Attempts(lambda: 3)
    assert [attempts.may(f"2001:db8::{number:x}", 10.0) for number in range(4)] == [True, True, True, False]
    assert not attempts.may("2001:db8::ffff:ffff:ffff:ffff", 10.0) and attempts.may("2001:db8:0:1::1", 10.0)


@pytest.mark.threat("28")
def test_a_clock_that_was_set_back_locks_nobody_out() -> None:
    attempts = Attempts(lambda: 1)
    assert attempts.may("192.0.2.1", 1000.0) and attempts.may("192.0.2.1", 10.0)


def test_many_addresses_take_bounded_room() -> None:
    attempts = Attempts(lambda: 1)
    for number in range(MOST_ADDRESSES + 10):
        attempts.may(str(number), 0.0)
    assert attempts.may("0", 1.0) and not attempts.may(str(MOST_ADDRESSES + 5), 1.0)
