"""What is done every few hours, by each of several gates."""

from __future__ import annotations

from kgate.net.seldom import SOON_SECONDS, Seldom


def test_it_is_done_soon_after_a_start_and_every_so_often_from_then_on_and_not_by_all_at_once() -> None:
    now = [7.0]
    gates = [Seldom(lambda: now[0], 3600.0) for _ in range(40)]

    def due(at: float) -> int:
        now[0] = 7.0 + at
        return sum(gate.is_due() for gate in gates)

    assert due(0.0) == 0
    assert 0 < due(SOON_SECONDS / 2) < 40  # two to the power of 35 to one
    assert due(SOON_SECONDS) > 0
    assert due(SOON_SECONDS / 2 + 3599.0) == 0
    assert due(SOON_SECONDS + 3600.0) == 40
