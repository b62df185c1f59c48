"""How long recordings are kept, by a clock that nobody sets: one that was set forward is no reason to remove anything (security.md class 28)."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from kgate.service.taping import TIDY_SECONDS, Taping
from kgate.settings.operation import AuditSettings, RecordingSettings

DAY = 86400.0


class World:
    """As much of a gate as it takes; ``asked`` is before when each look wants days to have ended."""

    def __init__(self, folder: Path) -> None:
        self.wall, self.now, self.asked = 1_796_000_000.0, 50.0, list[float]()
        shared = SimpleNamespace(
            reactor=None,
            turn=SimpleNamespace(flush=None),
            now=lambda: self.now,
            wall=lambda: self.wall,
            records=SimpleNamespace(gate="gate"),
        )
        settings = AuditSettings(folder, recordings=RecordingSettings(keep=30 * DAY))  # type: ignore[arg-type]
        self.taping = Taping(shared, settings, lambda exchange, problem: None, tidies=True)  # type: ignore[arg-type]
        self.taping._reels.outlived = lambda before, then: self.asked.append(before)  # type: ignore[method-assign]

    def passes(self, seconds: float, jump: float = 0.0) -> None:
        self.now += seconds
        self.wall += seconds + jump
        self.taping.look()


@pytest.mark.threat("28")
def test_threat_28_a_clock_that_is_set_forward_removes_no_recordings(tmp_path: Path) -> None:
    world = World(tmp_path)
    began = world.wall
    world.passes(0)
    world.passes(TIDY_SECONDS, jump=365 * DAY)
    world.passes(TIDY_SECONDS - 1)
    world.passes(1, jump=-400 * DAY)
    assert world.asked == [began - 30 * DAY, began + TIDY_SECONDS - 30 * DAY, began + 2 * TIDY_SECONDS - 65 * DAY]
