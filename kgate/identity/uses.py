"""Which static tokens were used, noted with every request; whoever keeps it asks now and then."""

from __future__ import annotations

from collections.abc import Callable

from kgate.model import Identity

Last = dict[str, tuple[float, str]]
"""By the token's name: when it was last used (Unix seconds), and from which address."""


class Uses:
    """See the module. ``wall`` gives Unix seconds."""

    __slots__ = ("_last", "_wall")

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._last: Last = {}

    def __len__(self) -> int:
        return len(self._last)

    def saw(self, identity: Identity, address: str) -> None:
        """Somebody made a request."""
        robot = identity.robot
        if robot:
            self._last[robot] = self._wall(), address

    def taken(self) -> Last:
        """What was noted since the last time."""
        last, self._last = self._last, {}
        return last

    def put_back(self, last: Last) -> None:
        """It could not be kept: what came meanwhile is later."""
        self._last = last | self._last
