"""What passed through a tunnel: bytes by direction and channel, and the one place where a recording listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum


class Direction(Enum):
    """Which way bytes go. The values are the words of the audit record."""

    FROM_CLIENT = "in"
    FROM_CLUSTER = "out"


Observer = Callable[[Direction, str, bytes], None]
"""Is given a piece of a channel's payload as it passes: direction, channel, bytes."""


class Count:
    """Payload bytes of one channel in one direction, without any framing."""

    __slots__ = ("bytes", "channel", "direction")

    def __init__(self, direction: Direction, channel: str, size: int = 0) -> None:
        self.direction, self.channel, self.bytes = direction, channel, size


class Tally:
    """All counts of one tunnel. ``observe`` costs nothing where it is None: no payload is then copied or unmasked."""

    __slots__ = ("_counts", "observe")

    def __init__(self) -> None:
        self.observe: Observer | None = None
        self._counts: dict[tuple[Direction, str], Count] = {}

    def count(self, direction: Direction, channel: str) -> Count:
        """The channel's count; it is one of the channels seen from now on."""
        found = self._counts.get((direction, channel))
        if found is None:
            found = self._counts[direction, channel] = Count(direction, channel)
        return found

    def __iter__(self) -> Iterator[Count]:
        return iter(self._counts.values())

    @property
    def carried(self) -> int:
        """Payload bytes of all channels, both ways."""
        return sum(count.bytes for count in self._counts.values())

    def total(self, direction: Direction) -> int:
        """Payload bytes of all channels."""
        return sum(count.bytes for count in self if count.direction is direction)
