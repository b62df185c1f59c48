"""The wall clock that is never set back (class 28)."""

from __future__ import annotations

import pytest

from kgate.net.clock import WallClock

NOW, HOUR = 1_800_000_000.0, 3600.0
pytestmark = pytest.mark.threat("28")


class Machine:
    """Two clocks, of which somebody sets one."""

    def __init__(self) -> None:
        self.wall, self.monotonic = NOW, 50.0
        self.clock = WallClock(lambda: self.wall, lambda: self.monotonic)

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds


def test_back_an_hour_extends_nothing() -> None:
    machine = Machine()
    machine.passes(10)
    machine.wall -= HOUR
    assert machine.clock() == pytest.approx(NOW + 10, rel=0, abs=1e-3)
    machine.passes(100)
    assert machine.clock() == pytest.approx(NOW + 110, rel=0, abs=1e-3) and "set back by 3600 s" in machine.clock.problem


def test_forward_an_hour_is_followed_and_setting_it_right_again_extends_nothing() -> None:
    machine = Machine()
    machine.wall += HOUR
    assert machine.clock() == NOW + HOUR and machine.clock.problem == ""
    session_ends = machine.clock() + 600
    machine.wall -= HOUR
    machine.passes(599)
    assert machine.clock() < session_ends
    machine.passes(2)
    assert machine.clock() >= session_ends


def test_the_networks_time_protocol_is_followed() -> None:
    machine = Machine()
    for _ in range(100):
        machine.passes(60)
        machine.wall -= 0.01
        assert machine.clock() == machine.wall and machine.clock.problem == ""


def test_time_catches_up_with_a_clock_that_was_set_back_a_little_too_far() -> None:
    machine = Machine()
    machine.wall -= 60
    assert machine.clock() == NOW
    machine.wall += 58
    assert machine.clock() == machine.wall and machine.clock.problem == ""
