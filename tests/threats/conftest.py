"""One gate in front of one scripted cluster, for all threat tests: real TLS, real sockets, the gate as ``twistd`` runs it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from arena import Arena
from authority import Authority
from live_gate import LiveGate
from recording_cluster import RecordingCluster


@pytest.fixture(scope="session")
def _arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    folder = tmp_path_factory.mktemp("threats")
    authority = Authority()
    cluster = RecordingCluster(folder, authority)
    gate = LiveGate(folder / "gate", authority, {"lab": {**cluster.access(folder / "gate"), "hosts": ["lab.example.com"]}}).start()
    yield Arena(gate, cluster)
    gate.stop()
    cluster.stop()


@pytest.fixture
def arena(_arena: Arena) -> Arena:
    """The arena with nothing recorded yet."""
    _arena.cluster.reset()
    return _arena
