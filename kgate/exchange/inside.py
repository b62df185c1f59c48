"""The inside of a tunnel: what its protocols have in common, seen from ``Tunnel``.

Each follows both directions, gives what may go on now, and knows at every moment what to say to the client so that the person reads one
sentence. What it gives to go on is exactly what came, in order; what it keeps back goes on later or never.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from kgate.exchange.tally import Count, Direction, Tally
from kgate.model import Cause
from kgate.wire.passage import Passage

CLUSTER_STOPPED = "the cluster closed the connection before the command ended"

AdmitPort = Callable[[int], bool]
"""Asked for each stream of a port-forward before it goes on: whether the person may reach the port."""


class Inside(Protocol):
    """One tunnel's protocol."""

    def from_client(self, data: bytes) -> Passage:
        """Bytes of the client's."""

    def from_cluster(self, data: bytes) -> Passage:
        """Bytes of the cluster's."""

    def farewell(self, sentence: str) -> bytes:
        """The client's last bytes. They follow what ``from_cluster`` gave, and nothing may follow them."""

    def end(self) -> None:
        """Both sides are gone: let go of whatever refers back, so that all of it goes with the tunnel. zlib's memory weighs nothing for the garbage
        collector."""

    @property
    def complete(self) -> bool:
        """Whether the cluster said how it ended, or the client wanted the end, so that no farewell is due."""

    @property
    def cause(self) -> Cause | None:
        """Why the last problem is none of the protocol, where it is none."""


class Opaque:
    """Bytes of a protocol that only the client and a proxied server know: counted, ended by closing."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._in = tally.count(Direction.FROM_CLIENT, "proxy")
        self._out = tally.count(Direction.FROM_CLUSTER, "proxy")

    @property
    def cause(self) -> Cause | None:
        """See ``Inside``."""
        return None

    @property
    def complete(self) -> bool:
        """See ``Inside``: either side may hang up as it likes."""
        return True

    def from_client(self, data: bytes) -> Passage:
        """See ``Inside``."""
        return self._passed(data, self._in)

    def from_cluster(self, data: bytes) -> Passage:
        """See ``Inside``."""
        return self._passed(data, self._out)

    def farewell(self, sentence: str) -> bytes:
        """See ``Inside``: there are no words that are sure to be understood."""
        return b""

    def end(self) -> None:
        """See ``Inside``: nothing refers back."""

    def _passed(self, data: bytes, count: Count) -> Passage:
        count.bytes += len(data)
        if self._tally.observe is not None:
            self._tally.observe(count.direction, count.channel, data)
        return Passage(data)
