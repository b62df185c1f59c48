"""The company's directory, put together: where it is pushed, what of it is in memory, and whose streams a change concerns.

What speaks SCIM is imported where a directory is configured: it would be half of every start otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from kgate.api.application import Params, Routes, error_response
from kgate.api.caller import Callers
from kgate.exchange.local import LocalRequest, LocalResponse
from kgate.identity.directory import Directory
from kgate.net.database import Database
from kgate.net.directory import FollowedDirectory
from kgate.service.part import Part
from kgate.settings import Configuration
from kgate.settings.shapes import ScimSettings
from kgate.store.directory import KnownAs

if TYPE_CHECKING:
    from kgate.api.scim import ScimPages

ROOT = "/scim/v2"
_PATHS = ("", "/{a}", "/{a}/{b}")
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


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
        self._configuration, self._callers, self._database, self._wall, self._record = configuration, callers, database, wall, record
        self._followed = FollowedDirectory(database, self._known_as(), changed)
        self._pages: ScimPages | None = None
        self.reloaded()

    @property
    def directory(self) -> Directory:
        """The roster."""
        return self._followed.directory

    def routes(self) -> Sequence[Routes]:
        """Everything below ``/scim/v2``."""
        return ({(method, ROOT + path): self._serve for method in _METHODS for path in _PATHS},)

    def reloaded(self) -> None:
        """Others may push now, and another name of a person may count."""
        scim = self._scim()
        self._followed.know_by(self._known_as())
        if scim is None:
            self._pages = None
            return
        from kgate.api.scim import ScimAccess, ScimPages

        base = self._configuration().settings.public_url + ROOT
        access = ScimAccess(frozenset(scim.robots), scim.known_as)
        self._pages = ScimPages(self._callers, self._database, base, access, self._wall, self._record)

    def tick(self) -> None:
        """Read what was missed."""
        self._followed.tick()

    async def _serve(self, request: LocalRequest, params: Params) -> LocalResponse:
        if self._pages is None:
            return error_response(404, "this gate takes no directory; configure identity.scim")
        return await self._pages.serve(request, request.path.removeprefix(ROOT))

    def _scim(self) -> ScimSettings | None:
        return self._configuration().settings.identity.scim

    def _known_as(self) -> KnownAs:
        scim = self._scim()
        return scim.known_as if scim is not None else KnownAs.USER_NAME
