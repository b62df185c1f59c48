"""A machine that was suspended: what its gate knew is as old as the sleep was long, though the gate itself was away for a moment only."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from arena import Arena
from lab.waiting import eventually
from running import PODS, Make, watching

HOUR = 3600
ASLEEP = """
import time
from pathlib import Path

_clock_gettime, _slept = time.clock_gettime, Path({slept!r})


def clock_gettime(which):
    return _clock_gettime(which) + (float(_slept.read_text() or 0) if which == time.CLOCK_BOOTTIME else 0)


time.clock_gettime = clock_gettime
"""
"""For the gate's process: CLOCK_BOOTTIME is ahead of CLOCK_MONOTONIC by what the machine slept."""


@pytest.fixture
def sleeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Arena, float], None]:
    """Suspends the machine of a gate, as that notices it."""
    slept, inside = tmp_path / "slept", tmp_path / "inside"
    slept.write_text("0")
    inside.mkdir()
    (inside / "sitecustomize.py").write_text(ASLEEP.format(slept=str(slept)))
    monkeypatch.setenv("PYTHONPATH", str(inside), prepend=":")

    def suspend(arena: Arena, seconds: float) -> None:
        assert arena.gate.process is not None
        arena.gate.process.send_signal(signal.SIGSTOP)
        slept.write_text(f"{seconds}")
        arena.gate.process.send_signal(signal.SIGCONT)

    return suspend


@pytest.mark.threat("14")
@pytest.mark.threat("28")
def test_who_cannot_hear_of_its_store_after_a_sleep_admits_nobody_and_cuts_what_lives(
    make: Make, sleeps: Callable[[Arena, float], None]
) -> None:
    arena = make()
    arena.gate.start()
    with watching(arena) as watcher:
        away = arena.gate.store.rename(arena.gate.folder / "away.db")
        sleeps(arena, HOUR)
        assert arena.get(PODS) == 503
        assert b"lost touch with its store" in watcher.until(b"0\r\n\r\n")
    away.rename(arena.gate.store)
    eventually("it is heard of again", lambda: arena.get(PODS) == 200)


def test_who_hears_of_it_at_once_goes_on(make: Make, sleeps: Callable[[Arena, float], None]) -> None:
    arena = make()
    arena.gate.start()
    sleeps(arena, HOUR)
    eventually("it has heard of its store", lambda: arena.get(PODS) == 200)
