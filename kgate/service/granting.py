"""Access on request, put together: the pages on which it is asked for and approved, and the grants in force."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from kgate.api.application import Routes
from kgate.api.requests import AccessRequests
from kgate.model import Identity
from kgate.net.grants import GrantBook
from kgate.service.part import Part, Shared
from kgate.surroundings.world import World


class Granting(Part):
    """See the module. ``world`` sees the grants from now on; ``shut_out`` gives why somebody is shut out of a cluster, or nothing."""

    def __init__(self, shared: Shared, world: World, shut_out: Callable[[Identity, str], str]) -> None:
        self._shared, self._shut_out = shared, shut_out
        self._book = GrantBook(shared.database, shared.wall, shared.now, self._changed)
        world.grants = self._book.of

    def routes(self) -> Sequence[Routes]:
        """Its pages."""
        shared = self._shared
        requests = AccessRequests(
            shared.callers,
            shared.database,
            lambda: shared.configuration().policy,
            shared.clusters,
            self._shut_out,
            shared.records.ids.next,
            shared.wall,
            shared.records.event,
            self._book.settle,
        )
        return (requests.routes(),)

    def tick(self) -> None:
        """Read what was missed."""
        self._book.tick()

    def _changed(self, users: Collection[str] | None, changed_at: float) -> None:
        self._shared.decide_again(lambda stream: users is None or stream.identity.user in users, changed_at)
