"""Puts tests/support on the path, so that its modules import by their own names."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "support"))
