"""A container's log: its last lines with their times, and whoever follows them at their own pace."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

CAPACITY = 64 * 1024 * 1024
"""Bytes kept of one container's log; older lines go."""
LONGEST_LINE = 16 * 1024
"""Longer lines are kept in pieces."""


class Line(NamedTuple):
    """One line with its newline; ``at`` is Unix seconds."""

    at: float
    text: bytes


def stamped(line: Line) -> bytes:
    """The line as ``--timestamps`` shows it."""
    return datetime.fromtimestamp(line.at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z ").encode() + line.text


class Log:
    """Lines are numbered from 0 on, for as long as the container lives. ``ended`` once nothing more can come."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lines: deque[Line] = deque()
        self._first = 0
        self._size = 0
        self._partial = b""
        self._listeners: dict[int, Callable[[], None]] = {}
        self._numbers = itertools.count()
        self.ended = False

    @property
    def end(self) -> int:
        """The number of the next line."""
        return self._first + len(self._lines)

    def write(self, data: bytes) -> None:
        """What the container wrote."""
        *whole, partial = (self._partial + data).split(b"\n")
        now = self._now()
        for text in whole:
            self._add(Line(now, text + b"\n"))
        while len(partial) >= LONGEST_LINE:
            self._add(Line(now, partial[:LONGEST_LINE]))
            partial = partial[LONGEST_LINE:]
        self._partial = partial
        if whole:
            self._tell()

    def finish(self) -> None:
        """The container is gone."""
        if self._partial:
            self._add(Line(self._now(), self._partial))
            self._partial = b""
        self.ended = True
        self._tell()

    def _add(self, line: Line) -> None:
        self._lines.append(line)
        self._size += len(line.text)
        while self._size > CAPACITY:
            self._size -= len(self._lines.popleft().text)
            self._first += 1

    def _tell(self) -> None:
        for listener in list(self._listeners.values()):
            listener()

    def read(self, start: int, most: int) -> tuple[list[Line], int]:
        """Lines from number ``start`` on, about ``most`` bytes of them, and the number to go on from."""
        at = max(start - self._first, 0)
        taken: list[Line] = []
        for line in itertools.islice(self._lines, at, None):
            if most <= 0:
                break
            taken.append(line)
            most -= len(line.text)
        return taken, self._first + at + len(taken)

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have ``listener`` called when there is more, or the end; gives what stops that."""
        number = next(self._numbers)
        self._listeners[number] = listener

        def stop() -> None:
            self._listeners.pop(number, None)

        return stop
