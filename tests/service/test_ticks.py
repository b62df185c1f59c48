"""What is looked at a few times a second: a bug in one of them is in the log, and holds up none of the others (class 13: deadlines, limits and news)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from test_shadow_follows_streams import Transport, World

from kgate.service.part import Part
from kgate.service.running import LOOK_SECONDS, GateService

pytestmark = pytest.mark.threat("13")


def breaks(*_: object) -> None:
    raise ValueError("a bug")


class Unending(Transport):
    """A connection that cannot be ended."""

    abort = breaks


def test_a_bug_in_looking_at_one_connection_leaves_no_other_open() -> None:
    world, idle = World(), [Transport() for _ in range(8)]
    for each in idle:
        world.gate.serve(Unending(), "192.0.2.1").received(b"GET /")
        world.gate.serve(each, "192.0.2.2")
    world.passes(1)
    world.gate.turn.flush()
    assert all(each.closed for each in idle)


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
    service._disk = SimpleNamespace(tick=lambda: ticked.append("disk"))
    service._parts, service._now, service._looked = (first, last), lambda: LOOK_SECONDS + 1, 0.0
    service._tick()
    service._tick()
    assert ticked == ["records", "database", "disk"] * 2 and (last.ticks, last.looks) == (2, 1)
