"""What is looked at a few times a second: a bug in one of them is in the log, and holds up none of the others (class 13: deadlines, limits and news)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from test_shadow_follows_streams import Transport, World

from kgate.exchange.exchange import Exchange
from kgate.service.part import Part
from kgate.service.running import LOOK_SECONDS, GateService

pytestmark = pytest.mark.threat("13")


def breaks(*_: object) -> None:
    raise ValueError("a bug")


def test_a_bug_in_looking_at_one_stream_leaves_no_connection_open(monkeypatch: pytest.MonkeyPatch) -> None:
    world, idle = World(), Transport()
    world.watches()
    world.gate.serve(idle, "192.0.2.2")
    monkeypatch.setattr(Exchange, "look", breaks)
    world.passes(1)
    world.gate.turn.flush()
    assert idle.closed


class Counting(Part):
    """Is asked how often?"""

    def __init__(self) -> None:
        self.ticks = self.looks = 0

    def tick(self) -> None:
        self.ticks += 1

    def look(self) -> None:
        self.looks += 1


class Broken(Part):
    tick = look = breaks


def test_a_bug_in_one_part_keeps_no_other_from_its_work() -> None:
    service: Any = GateService.__new__(GateService)
    first, last, ticked = Broken(), Counting(), list[str]()
    service._gateway = SimpleNamespace(tick=breaks)
    service._records = SimpleNamespace(tick=lambda streams: ticked.append("records"))
    service._database = SimpleNamespace(tick=lambda: ticked.append("database"))
    service._parts, service._now, service._looked = (first, last), lambda: LOOK_SECONDS + 1, 0.0
    service._tick()
    service._tick()
    assert ticked == ["records", "database"] * 2 and (last.ticks, last.looks) == (2, 1)
