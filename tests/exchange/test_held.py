"""Bytes of bodies that are held: of one address and of all, and what is let go makes room."""

from __future__ import annotations

import pytest

from kgate.exchange.held import Held

pytestmark = pytest.mark.threat("19")


def test_one_has_its_share_and_all_together_have_theirs() -> None:
    held = Held(of_one=10, of_all=25)
    assert held.take("a", 6) and held.take("a", 4) and not held.take("a", 1)
    assert held.take("b", 10) and held.take("c", 5) and not held.take("c", 1), "there is no room for anybody"
    held.let_go("a", 4)
    assert held.take("a", 4) and not held.take("b", 1)
    for whose, size in (("a", 10), ("b", 10), ("c", 5)):
        held.let_go(whose, size)
    assert held.all == 0 and held.take("b", 10)
