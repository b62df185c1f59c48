"""One turn of work: whatever one readable socket, one timer or one durable group of audit records led to is flushed once, at its end.

A burst of frames on one connection becomes calls on many exchanges and writes to several other connections. Each connection that has
something to send marks itself in the turn; when the work is done, each is asked once, so that it makes one TLS record and one send.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Flushable(Protocol):
    """What a turn flushes: a connection with bytes to send or a state to settle."""

    def flush(self) -> None:
        """Send what is there to be sent."""


class Turn:
    """The connections that this turn's work left something to send on."""

    __slots__ = ("_dirty",)

    def __init__(self) -> None:
        self._dirty: list[Flushable] = []

    def mark(self, connection: Flushable) -> None:
        """Have ``connection`` flushed at the end of this turn. The caller marks each connection once."""
        self._dirty.append(connection)

    def flush(self) -> None:
        """End the turn. Flushing may mark further connections (credit given back upstream); they are flushed too."""
        while self._dirty:
            self._dirty.pop(0).flush()  # one by one: where a bug raises, the others are still there for the next flush

    def wrap(self, work: Callable[[], None]) -> Callable[[], None]:
        """A timer's or another thread's callback that is a turn of its own."""

        def turn() -> None:
            work()
            self.flush()

        return turn
