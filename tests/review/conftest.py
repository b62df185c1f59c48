"""Past decisions are made of the cases that tests/policy generates."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "policy"))
