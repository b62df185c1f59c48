"""What is relaxed is on record when that begins and when it is over, and not with each reload in between: those come as fast as files change."""

from __future__ import annotations

from typing import Any

import pytest
from arena import Arena
from lab.waiting import eventually
from running import Make, of

LIMITS = "limits.requests_per_person"


def relaxations(arena: Arena, since: int = 0) -> list[tuple[str, str]]:
    """Event and text of each that is on record."""
    events = ("relaxation", "relaxation-over")
    return [(each["event"], each["reasons"][0]) for each in arena.gate.records()[since:] if each["event"] in events]


def reloaded(arena: Arena, configuration: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Where its records begin, and that of the reload itself."""
    before = len(arena.gate.records())
    arena.gate.write("kgate.yaml", configuration)
    (record,) = eventually("it is in force", lambda: [each for each in arena.gate.records()[before:] if each["event"] == "config"])
    return before, record


@pytest.fixture
def relaxed(make: Make) -> Arena:
    """A gate at which one person may make as many requests as they like."""
    made = make(limits={"requests_per_person": 0})
    made.gate.start()
    return made


def test_a_relaxation_is_on_record_at_the_start_once_and_when_it_is_over(relaxed: Arena) -> None:
    (start,) = eventually("its start is on record", lambda: of(relaxed, "start"))
    at_start = eventually("they are", lambda: found if len(found := relaxations(relaxed)) == start["relaxations"] else None)
    assert len([text for _, text in at_start if LIMITS in text]) == 1 and len(at_start) > 1
    for drain in ("31s", "32s", "33s"):
        before, record = reloaded(relaxed, relaxed.gate.config | {"drain": drain})
        assert relaxations(relaxed, before) == [] and record["relaxations"] == len(at_start)
    before, record = reloaded(relaxed, {key: value for key, value in relaxed.gate.config.items() if key != "limits"})
    over = eventually("that it is over", lambda: relaxations(relaxed, before))
    assert [event for event, _ in over] == ["relaxation-over"] and LIMITS in over[0][1] and record["relaxations"] == len(at_start) - 1
    before, record = reloaded(relaxed, relaxed.gate.config)
    again = eventually("it begins again", lambda: relaxations(relaxed, before))
    assert [event for event, _ in again] == ["relaxation"] and LIMITS in again[0][1]
    log = relaxed.gate.log.read_text()
    assert log.count(f"{LIMITS}: one person's program") == 2 and f"{len(at_start)} warnings are as before" in log
