"""What a reload puts where the collector does not look (``kgate/service/quiet.py``) is gone when it is let go: it is in no cycle."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from configuration_files import FILE, NOW, Files

from kgate.settings import load_configuration

CONF = Path(__file__).parents[2] / "conf"


@pytest.mark.parametrize("name", ["minimal.yaml", "full.yaml"])
def test_a_configuration_leaves_nothing_for_the_collector(name: str) -> None:
    files = Files((CONF / name).read_text())
    load_configuration(FILE, NOW, files.read)
    gc.collect()
    gc.disable()
    try:
        assert min(left_behind(files) for _ in range(3)) == 0  # the threads of the test's own process leave something now and then
    finally:
        gc.enable()


def left_behind(files: Files) -> int:
    """How many objects are in cycles once a configuration was read and let go of."""
    load_configuration(FILE, NOW, files.read)
    return gc.collect()
