"""What is held of the bodies of requests for the gate itself: so much of one address, and of all (security.md class 19). Such a body is read whole before
anybody knows whose it is."""

from __future__ import annotations

from collections import Counter
from typing import Final

OF_ONE: Final = 16 * 1024 * 1024
"""Bytes: sixteen of the longest at once."""
OF_ALL: Final = 128 * 1024 * 1024


class Held:
    """How many bytes, by whom they are counted for. No more than ``of_one`` of one, and ``of_all`` together."""

    def __init__(self, of_one: int = OF_ONE, of_all: int = OF_ALL) -> None:
        self._of_one, self._of_all = of_one, of_all
        self._sizes: Counter[str] = Counter()
        self.all = 0
        """All together."""

    def take(self, whose: str, size: int) -> bool:
        """Hold ``size`` more; False where there is no room for it."""
        mine = self._sizes[whose] + size  # of whom nothing is counted a Counter says 0, and does not begin to
        if mine > self._of_one or self.all + size > self._of_all:
            return False
        self._sizes[whose] = mine
        self.all += size
        return True

    def let_go(self, whose: str, size: int) -> None:
        """``size`` of what was taken is held no more."""
        self.all -= size
        self._sizes[whose] -= size
        if not self._sizes[whose]:
            del self._sizes[whose]
