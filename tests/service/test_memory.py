"""What a gate holds of what is over: nothing. kubectl makes a connection for each command, and GitOps reloads as often as somebody pushes."""

from __future__ import annotations

from pathlib import Path

import pytest
from arena import Arena
from lab.waiting import eventually
from running import PODS, Make

FEW, MANY = 50, 200
MOST_KB = 12
"""For each connection. One that is kept is 35; what allocators keep of their own is less than 3."""
SOME, MORE = 30, 40
MOST_OF_A_RELOAD_KB = 70
"""One that left its converters behind was 110 to 170; each thread of the pool that works for the first time takes a thousand once."""

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")


def resident_kb(arena: Arena) -> int:
    """Of its gate."""
    assert arena.gate.process is not None
    return int(Path(f"/proc/{arena.gate.process.pid}/statm").read_text().split()[1]) * 4


def reload(arena: Arena, times: int) -> None:
    """One after the other."""
    for _ in range(times):
        done = arena.gate.log.read_text().count("reloaded;") + 1
        arena.gate.reload()
        eventually("it is reloaded", lambda done=done: arena.gate.log.read_text().count("reloaded;") >= done)  # type: ignore[misc]


def test_connections_that_are_over_leave_no_memory_behind(make: Make) -> None:
    arena = make()
    arena.gate.preloaded = False
    arena.gate.start()
    assert {arena.get(PODS) for _ in range(FEW)} == {200}
    before = resident_kb(arena)
    assert {arena.get(PODS) for _ in range(MANY)} == {200}
    assert (resident_kb(arena) - before) / MANY < MOST_KB


def test_reloads_leave_no_memory_behind(make: Make) -> None:
    arena = make()
    arena.gate.preloaded = False
    arena.gate.start()
    reload(arena, SOME)
    before = resident_kb(arena)
    reload(arena, MORE)
    assert (resident_kb(arena) - before) / MORE < MOST_OF_A_RELOAD_KB
