"""What the soak sent, and how each of it came out. A request has a user agent of its own, by which it is found on record again."""

from __future__ import annotations

import threading
from collections import Counter


class Ledger:
    """Shared by all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._number = 0
        self.answered: dict[str, int] = {}
        """The status of each request to a cluster that was answered, by its user agent."""
        self.broken: Counter[str] = Counter()
        """What went wrong, by activity and kind."""
        self.done: Counter[str] = Counter()
        """Turns of each activity."""

    def begin(self) -> str:
        """The user agent of the next request."""
        with self._lock:
            self._number += 1
            return f"soak/{self._number}"

    def ended(self, agent: str, status: int) -> int:
        """It was answered so; the status."""
        with self._lock:
            self.answered[agent] = status
        return status

    def turn(self, activity: str) -> None:
        """One more."""
        with self._lock:
            self.done[activity] += 1

    def broke(self, activity: str, problem: BaseException) -> None:
        """A turn did not come to its end."""
        with self._lock:
            self.broken[f"{activity}: {type(problem).__name__}: {str(problem)[:120]}"] += 1

    @property
    def sent(self) -> int:
        """How many requests were begun."""
        return self._number
