"""What is remembered of one request for the next, and how much of something each address has at this moment. Bounded, whatever a peer sends."""

from __future__ import annotations

from typing import Final, TypeVar

K = TypeVar("K")
V = TypeVar("V")

MOST: Final = 4096


def remember(known: dict[K, V], key: K, value: V, most: int = MOST) -> V:
    """Put ``value``, which is given back, into ``known``, which forgets all first where it has ``most``."""
    if len(known) >= most:
        known.clear()
    known[key] = value
    return value


class Shares:
    """How much of something each has that is given back one day: connections, bytes. Of whoever has nothing, nothing is kept."""

    def __init__(self) -> None:
        self.all = 0
        """What they have together."""
        self._of: dict[str, int] = {}

    def of(self, whose: str) -> int:
        """What one has."""
        return self._of.get(whose, 0)

    def take(self, whose: str, much: int = 1) -> None:
        """They have so much more. Whether there is room for it is the caller's to ask before."""
        self._of[whose] = self.of(whose) + much
        self.all += much

    def let_go(self, whose: str, much: int = 1) -> None:
        """So much of it is given back."""
        self.all -= much
        left = self.of(whose) - much
        if left:
            self._of[whose] = left
        else:
            self._of.pop(whose, None)
