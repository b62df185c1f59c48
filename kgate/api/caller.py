"""Who calls the gate's own API: the same authenticator as for a cluster's requests, waited for where it has to fetch something. A credential that is for
some networks only is no better here than on a cluster, and whoever is locked out of everything is out here too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from kgate.exchange.gate import Fetch
from kgate.identity.credentials import Credentials, Rejected
from kgate.model import Identity, Pending
from kgate.net.fetches import settled
from kgate.policy.scope import is_from

Authenticate = Callable[[Credentials, float], "Identity | Rejected | Pending"]
_UNANSWERED = Rejected("who you are could not be found out in time", "try again")
_ELSEWHERE = Rejected("the credential may not be used from here", "use it from the networks that it is for")


class Callers(Protocol):
    """Knows who holds which credentials, in its own time."""

    async def identify(self, credentials: Credentials) -> Identity | Rejected:
        """Who it is."""


class FetchingCallers:
    """See the module. ``authenticate`` is by the configuration in force when it is called; ``shut_out`` gives why somebody is, or nothing."""

    def __init__(self, authenticate: Authenticate, fetch: Fetch, wall: Callable[[], float], shut_out: Callable[[Identity], str]) -> None:
        self._authenticate, self._fetch, self._wall, self._shut_out = authenticate, fetch, wall, shut_out

    async def identify(self, credentials: Credentials) -> Identity | Rejected:
        """Who it is; asked again for as long as something has to be fetched, within reason."""
        found: Identity | Rejected = await settled(lambda: self._authenticate(credentials, self._wall()), self._fetch) or _UNANSWERED
        if isinstance(found, Rejected):
            return found
        locked = self._shut_out(found)
        if locked:
            return Rejected(locked, "only whoever may lock can let you in again", ended=True)
        return found if is_from(found, credentials.address) else _ELSEWHERE
