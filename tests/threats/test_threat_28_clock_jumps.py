"""Class 28: a clock that is set an hour either way gives no token a minute more."""

from __future__ import annotations

import pytest
from issuer import NOW
from issuer_gate import IssuerGate

from kgate.identity.credentials import Rejected
from kgate.identity.key_ring import KeysWanted
from kgate.model import Identity

pytestmark = pytest.mark.threat("28")
HOUR = 3600.0


def test_back_an_hour_does_not_lengthen_a_token() -> None:
    gate = IssuerGate()
    token = gate.issuer.token()
    assert isinstance(gate.ask(token), Identity)
    gate.now -= HOUR
    gate.passes(590)
    assert isinstance(gate.ask(token), Rejected)  # issued in what is now the future
    gate.now = NOW - 30
    gate.passes(20)
    assert isinstance(gate.ask(token), Rejected)  # ten seconds before its end by the wall, ten after it in truth


def test_forward_an_hour_ends_it() -> None:
    gate = IssuerGate()
    token = gate.issuer.token()
    assert isinstance(gate.ask(token), Identity)
    gate.now += HOUR
    assert isinstance(gate.ask(token), Rejected)


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_keys_age_by_a_clock_that_no_one_sets(jump: float) -> None:
    gate = IssuerGate()
    gate.fetch(KeysWanted(gate.issuer.url))
    gate.now += jump
    assert gate.ring.current(gate.monotonic) is not None
    assert not gate.ring.due(gate.monotonic)
    gate.passes(300)
    assert gate.ring.due(gate.monotonic)


def test_neither_new_keys_nor_a_reload_forget_when_a_token_was_to_end() -> None:
    """The clock goes back half an hour; a token that ended meanwhile is verified anew, and has still ended."""
    gate = IssuerGate()
    token = gate.issuer.token(exp=NOW + 3600)
    assert isinstance(gate.ask(token), Identity)
    gate.passes(3000)
    gate.now -= 1800
    gate.issuer.rotate("two")
    gate.fetch(KeysWanted(gate.issuer.url))
    assert isinstance(gate.ask(token), Identity)
    gate.reload()
    assert isinstance(gate.ask(token), Identity)
    gate.passes(600)
    assert isinstance(gate.ask(token), Rejected)
    gate.reload()
    assert isinstance(gate.ask(token), Rejected)
