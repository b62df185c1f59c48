"""Locks, put together: the pages on which they are made and removed, and those in force."""

from __future__ import annotations

from collections.abc import Sequence

from kgate.api.application import Routes
from kgate.api.locks import LockPages
from kgate.model import Identity
from kgate.net.locks import LockBook
from kgate.service.part import Part, Shared
from kgate.surroundings.world import World


class Locking(Part):
    """See the module."""

    def __init__(self, shared: Shared, world: World) -> None:
        self._shared, self._world = shared, world
        self.book = LockBook(shared.database, shared.wall, lambda changed_at: shared.decide_again(None, changed_at))

    def routes(self) -> Sequence[Routes]:
        """Its pages."""
        shared = self._shared
        pages = LockPages(
            shared.callers,
            shared.database,
            lambda: shared.configuration().policy,
            shared.clusters,
            self._world.context,
            shared.wall,
            shared.records.event,
            self.book.settle,
        )
        return (pages.routes(),)

    def shut_out(self, identity: Identity, cluster: str = "") -> str:
        """Why ``identity`` is shut out of ``cluster``, or without one of the gate's own pages; empty where they are not."""
        reason = self.book.locks.on(identity, cluster, self._shared.wall())
        return reason.text if reason is not None else ""

    def tick(self) -> None:
        """Read what was missed."""
        self.book.following.tick()
