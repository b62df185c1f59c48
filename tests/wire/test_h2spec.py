"""h2spec, strict, against our engine behind a socket: none of its cases may fail."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

H2SPEC = shutil.which("h2spec") or shutil.which("h2spec", path=str(Path.home() / "go" / "bin"))
pytestmark = pytest.mark.skipif(H2SPEC is None, reason="h2spec is not installed: scripts/test does that")
SERVER = Path(__file__).parent.parent / "support" / "h2_server.py"


@pytest.fixture
def port() -> Iterator[str]:
    server = subprocess.Popen(
        [sys.executable, str(SERVER)], stdout=subprocess.PIPE, text=True, cwd=SERVER.parent.parent.parent, env={"PYTHONPATH": "."}
    )
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
    finally:
        server.kill()
        server.communicate()


def test_h2spec_strict(port: str) -> None:
    assert H2SPEC is not None
    run = subprocess.run(
        [H2SPEC, "--strict", "-h", "127.0.0.1", "-p", port, "-o", "5"], capture_output=True, text=True, timeout=120, check=False
    )
    summary = re.search(r"(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", run.stdout)
    assert summary is not None, run.stdout + run.stderr
    assert summary.groups()[2:] == ("0", "0"), run.stdout
    assert int(summary[1]) >= 146
