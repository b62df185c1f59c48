"""Signals for a program that has others to end before it ends itself: the first is an exception, raised once, where nothing is left behind by it; those
that follow only say that it should hurry."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupted(BaseException):
    """The program is to end, by the signal ``number``."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Signals:
    """Takes SIGINT, SIGTERM and SIGHUP from when it is made on; nothing is raised but within ``raised``."""

    def __init__(self) -> None:
        self._waiting: list[int] = []
        self._raises = self._was_raised = False
        # SIGINT too: a shell starts what runs in the background with it ignored.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _frame: self._came(number))

    @property
    def hurry(self) -> bool:
        """Whether one came beside the one that was raised."""
        return bool(self._waiting)

    @contextmanager
    def raised(self, whether: bool = True) -> Iterator[None]:
        """Within it, a signal is raised or, with False, held until its end. Raises Interrupted."""
        before, self._raises = self._raises, whether
        try:
            self._tell()
            yield
        finally:
            self._raises = before
            self._tell()

    def _came(self, number: int) -> None:
        self._waiting.append(number)
        self._tell()

    def _tell(self) -> None:
        if self._raises and self._waiting and not self._was_raised:
            self._was_raised = True
            raise Interrupted(self._waiting.pop(0))
