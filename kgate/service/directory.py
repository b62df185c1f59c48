"""The company's directory, put together: where it is pushed, what of it is in memory, and whose streams a change concerns.

What speaks SCIM is imported where a directory is configured: it would be half of every start otherwise.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from kgate.api.application import Params, Routes, error_response
from kgate.exchange.local import LocalRequest, LocalResponse
from kgate.identity.directory import Directory, KnownAs
from kgate.net.directory import FollowedDirectory
from kgate.net.following import Following
from kgate.service.part import Part, Shared
from kgate.settings.people import ScimSettings

if TYPE_CHECKING:
    from kgate.api.scim import ScimPages

ROOT = "/scim/v2"
_PATHS = ("", "/{a}", "/{a}/{b}")
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class CompanyDirectory(Part):
    """See the module."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._followed = FollowedDirectory(shared.database, self._known_as(), self._changed)
        self._pages: ScimPages | None = None

    @property
    def directory(self) -> Directory:
        """The roster."""
        return self._followed.directory

    @property
    def following(self) -> Following:
        """How far it was read."""
        return self._followed.following

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

        shared = self._shared
        base = shared.configuration().settings.public_url + ROOT
        access = ScimAccess(frozenset(scim.robots), scim.known_as)
        self._pages = ScimPages(shared.callers, shared.database, base, access, shared.wall, shared.records.event)

    def tick(self) -> None:
        """Read what was missed."""
        self._followed.tick()

    async def _serve(self, request: LocalRequest, params: Params) -> LocalResponse:
        if self._pages is None:
            return error_response(404, "this gate takes no directory; configure identity.scim")
        return await self._pages.serve(request, request.path.removeprefix(ROOT))

    def _changed(self, users: Collection[str] | None) -> None:
        """Of these people something else is known than before; None: of anybody."""
        changed = None if users is None else frozenset(map(str.casefold, users))
        self._shared.decide_again(lambda stream: changed is None or stream.identity.user.casefold() in changed)

    def _scim(self) -> ScimSettings | None:
        return self._shared.configuration().settings.identity.scim

    def _known_as(self) -> KnownAs:
        scim = self._scim()
        return scim.known_as if scim is not None else KnownAs.USER_NAME
