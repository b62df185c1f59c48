"""The one place where a ``Context`` is made: for a request that comes, and again for each that lives when something changed."""

from __future__ import annotations

from collections.abc import Callable

from kgate.model import Context, Grant, Identity
from kgate.surroundings.board import Board
from kgate.surroundings.geo import Atlas

Grants = Callable[[Identity, float], tuple[Grant, ...]]
"""Those that the caller was given and that nobody revoked, as of an instant."""


class World:
    """Facts, places and grants as of now; each is exchanged whole."""

    def __init__(self, grants: Grants | None = None) -> None:
        self.board, self.atlas = Board(), Atlas()
        self.grants: Grants = grants or _none

    def context(self, now: float, address: str, user_agent: str, identity: Identity) -> Context:
        """The whole context of a request at ``now`` (Unix seconds)."""
        place = self.atlas.locate(address)
        return Context(now, address, user_agent, place.country, place.asn, self.board.known(now), self.grants(identity, now))


def _none(identity: Identity, now: float) -> tuple[Grant, ...]:
    return ()
