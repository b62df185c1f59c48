"""A gate of a test's own before a scripted cluster: what an operator does to it, and what goes wrong around it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from arena import Arena
from authority import Authority
from live_gate import LiveGate
from recording_cluster import RecordingCluster
from running import Make


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Who signs everything that is as it should be."""
    return Authority()


def _maker(authority: Authority, folder: Path) -> Iterator[Make]:
    made: list[Arena] = []

    def arena(otherwise: dict[str, Any] | None = None, **settings: Any) -> Arena:
        where = folder / f"gate{len(made)}"
        where.mkdir()
        cluster = RecordingCluster(where, authority)
        made.append(Arena(LiveGate(where, authority, {"lab": {**cluster.access(where), **(otherwise or {})}}, settings=settings), cluster))
        return made[-1]

    yield arena
    for each in made:
        with contextlib.suppress(AssertionError):
            each.gate.stop()
        each.cluster.stop()


@pytest.fixture
def make(authority: Authority, tmp_path: Path) -> Iterator[Make]:
    """Makes a gate that is not started yet: ``make(otherwise, **settings)``, by which the cluster's entry differs. What was started ends with the test."""
    yield from _maker(authority, tmp_path)


@pytest.fixture(scope="module")
def make_shared(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """The same for a gate that all tests of a file share."""
    yield from _maker(authority, tmp_path_factory.mktemp("shared"))
