"""Class 14: a session that was revoked at another gate of the fleet, and a gate that lost touch. That a gate's token is good at no other gate and for no
other cluster than it says is in tests/identity/test_gate_tokens.py."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from fleet import Fleet, fleet_of_postgresql
from lab.waiting import eventually

pytestmark = pytest.mark.threat("14")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet_of_postgresql(tmp_path_factory.mktemp("fleet")) as made:
        yield made


def test_what_one_gate_is_told_cuts_streams_at_the_other(two: Fleet) -> None:
    here, there = two.gates
    token = two.token("alice")
    with two.watch(there, token) as watch:
        told = time.monotonic()
        assert two.logs_out(here, "alice") == 200
        assert b"you signed out at the identity provider" in watch.until(b"0\r\n\r\n")
        assert time.monotonic() - told < 5  # a generous bound: LISTEN and NOTIFY take milliseconds
    assert two.asks(there, token)[0] == 401
    assert two.asks(there, two.token("bob"))[0] == 200


def test_whom_one_gate_locks_out_is_cut_at_the_other(two: Fleet) -> None:
    here, there = two.gates
    token = two.token("dave")
    with two.watch(there, token) as watch, two.watch(there, two.token("bob")):
        told = time.monotonic()
        assert two.locks_out(here, two.token("bob"), "dave") == 201
        assert b'lock \\"out-dave\\" on user dave, by bob' in watch.until(b"0\r\n\r\n")
        assert time.monotonic() - told < 5
        eventually("the other one lives", lambda: "\nkgate_live_streams 1.0\n" in there.admin("/metrics")[1])
    assert two.asks(there, token)[0] == 403
    assert two.asks(there, two.token("bob"))[0] == 200


def test_a_gate_that_lost_touch_admits_nobody_and_then_cuts_what_lives_and_comes_back_by_itself(two: Fleet) -> None:
    gate = two.gates[0]
    token = two.token("carol")
    with two.watch(gate, token) as watch:
        watch.tls.settimeout(30)
        with two.store.frozen():
            frozen = time.monotonic()
            eventually("nobody is admitted", lambda: two.asks(gate, token)[0] == 503, every=0.5)
            assert time.monotonic() - frozen > 8
            assert b"lost touch with its store" in two.asks(gate, token)[1]
            status, page = gate.admin("/readyz")
            assert status == 503 and re.match(r"state: nothing was heard of it for \d\d s", page), page
            assert b"lost touch with its store" in watch.until(b"0\r\n\r\n")
            assert time.monotonic() - frozen > 13
        eventually("it is back", lambda: two.asks(gate, token)[0] == 200, every=0.5)
