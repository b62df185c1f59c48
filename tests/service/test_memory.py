"""What a gate holds of connections that are over: nothing. kubectl makes one for each command."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import PODS, Make

FEW, MANY = 50, 200
MOST_KB = 12
"""For each connection. One that is kept is 35; what allocators keep of their own is less than 3."""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_connections_that_are_over_leave_no_memory_behind(make: Make) -> None:
    arena = make()
    process = arena.gate.start().process
    assert process is not None

    def resident_kb() -> int:
        return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * 4

    assert {arena.get(PODS) for _ in range(FEW)} == {200}
    before = resident_kb()
    assert {arena.get(PODS) for _ in range(MANY)} == {200}
    assert (resident_kb() - before) / MANY < MOST_KB
