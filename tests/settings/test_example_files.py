"""Every file under conf/ is good, and full.yaml knows every setting and says its default."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

import attrs
import pytest
from configuration_files import FILE, NOW, Files

from kgate.settings import load_configuration
from kgate.settings.clusters import ClusterSettings
from kgate.settings.shapes import Settings

CONF = Path(__file__).parents[2] / "conf"


@pytest.mark.parametrize("name", ["minimal.yaml", "full.yaml"])
def test_configurations(name: str) -> None:
    configuration = load_configuration(FILE, NOW, Files((CONF / name).read_text()).read)
    assert configuration.warnings == ()


def keys(kind: Any) -> set[str]:
    """Every key that a class and those in it may have."""
    found = set()
    for name, hint in get_type_hints(kind).items():
        found.add(name)
        for inner in (hint, *get_args(hint), *(deep for each in get_args(hint) for deep in get_args(each))):
            if attrs.has(inner):
                found |= keys(inner)
    return found


def test_the_full_file_shows_every_setting() -> None:
    written = set(re.findall(r"(\w+):", (CONF / "full.yaml").read_text()))
    assert keys(Settings) | keys(ClusterSettings) <= written


def test_the_full_file_shows_the_defaults() -> None:
    full = load_configuration(FILE, NOW, Files((CONF / "full.yaml").read_text()).read).settings
    minimal = load_configuration(FILE, NOW, Files((CONF / "minimal.yaml").read_text()).read).settings
    for name in ("limits", "deadlines", "sign_in", "drain", "workers", "audit"):
        assert getattr(full, name) == getattr(minimal, name)
