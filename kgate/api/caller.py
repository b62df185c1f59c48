"""Who calls the gate's own API: the same authenticator as for a cluster's requests, waited for where it has to fetch something. A credential that is for
some networks only is no better here than on a cluster, and whoever is locked out of everything is out here too.

``known`` and ``telling`` make a route of a page that is for those who are known: nobody else gets as far as it, and a store that does not answer is a 503.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

from kgate.api.application import Answer, Params, error_response, json_object
from kgate.exchange.gate import Fetch
from kgate.exchange.local import LocalRequest, LocalResponse
from kgate.identity.credentials import Credentials, Rejected
from kgate.model import Identity, Pending
from kgate.net.database import StoreUnavailableError
from kgate.net.fetches import settled
from kgate.policy.scope import is_from

Page = Callable[[Identity, LocalRequest, Params], Coroutine[Any, Any, LocalResponse]]
Told = Callable[[Identity, LocalRequest, Params, Mapping[str, str]], Coroutine[Any, Any, LocalResponse]]
"""A page that is told something: the texts of the body."""
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


def known(callers: Callers, page: Page) -> Answer:
    """``page``, for whoever is known."""

    async def answer(request: LocalRequest, params: Params) -> LocalResponse:
        caller = await callers.identify(request.credentials)
        if isinstance(caller, Rejected):
            return error_response(401, str(caller))
        try:
            return await page(caller, request, params)
        except StoreUnavailableError as error:
            return error_response(503, str(error))

    return answer


def telling(callers: Callers, page: Told) -> Answer:
    """The same for a page that changes something: its body is JSON, which no form of another site can send, while a browser shows a certificate to any."""

    async def told(caller: Identity, request: LocalRequest, params: Params) -> LocalResponse:
        body = json_object(request)
        return body if isinstance(body, LocalResponse) else await page(caller, request, params, body)

    return known(callers, told)
