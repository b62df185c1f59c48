"""What is done every few hours, and the first time within minutes of a start: a gate that is started again each day would never come to it.

Gates and workers of one store are often started at once: each begins at a moment of its own, for they have one writer at a time (store/engine.py).
"""

from __future__ import annotations

import random
from collections.abc import Callable

SOON_SECONDS = 600.0


class Seldom:
    """See the module. ``now`` is monotonic."""

    def __init__(self, now: Callable[[], float], every: float) -> None:
        self._now, self._every = now, every
        self._due = now() + random.uniform(0.1, 1.0) * SOON_SECONDS

    def is_due(self) -> bool:
        """Whether it is to be done now. Whoever is told does it."""
        due = self._now() >= self._due
        if due:
            self._due = self._now() + self._every
        return due
