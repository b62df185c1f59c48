"""The company's directory, put together: where it is pushed, what of it is in memory, and whose streams a change concerns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from kgate.api.application import Routes
from kgate.api.caller import Callers
from kgate.api.scim import ScimAccess, ScimPages
from kgate.identity.directory import Directory
from kgate.net.database import Database
from kgate.net.directory import FollowedDirectory
from kgate.service.part import Part
from kgate.settings import Configuration
from kgate.store.directory import KnownAs


class CompanyDirectory(Part):
    """See the module. ``changed(users)`` decides the streams of these people again, None: of everybody."""

    def __init__(
        self,
        configuration: Callable[[], Configuration],
        database: Database,
        callers: Callers,
        wall: Callable[[], float],
        record: Callable[[str, Mapping[str, object]], None],
        changed: Callable[[Collection[str] | None], None],
    ) -> None:
        self._configuration = configuration
        self._followed = FollowedDirectory(database, self._known_as(), changed)
        self._pages = ScimPages(callers, database, configuration().settings.public_url, self._access, wall, record)

    @property
    def directory(self) -> Directory:
        """The roster."""
        return self._followed.directory

    def routes(self) -> Sequence[Routes]:
        """``/scim/v2``."""
        return (self._pages.routes(),)

    def reloaded(self) -> None:
        """Which name of a person counts may be another."""
        self._followed.know_by(self._known_as())

    def tick(self) -> None:
        """Read what was missed."""
        self._followed.tick()

    def _access(self) -> ScimAccess | None:
        scim = self._configuration().settings.identity.scim
        return ScimAccess(frozenset(scim.robots), scim.known_as) if scim is not None else None

    def _known_as(self) -> KnownAs:
        scim = self._configuration().settings.identity.scim
        return scim.known_as if scim is not None else KnownAs.USER_NAME
