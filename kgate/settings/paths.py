"""A file that the configuration names."""

from __future__ import annotations

from pathlib import Path
from typing import NewType

FilePath = NewType("FilePath", Path)
"""Absolute: in the file it is relative to it."""
