"""``/scim/v2``: where the company's directory pushes people and groups (RFC 7644). The protocol is ``scim2-server``'s, the storage is the store's.

Who may: the robots that the configuration names, by their static tokens. Each request is one transaction of the store's writer; whoever is deactivated by it
loses their sessions in the same transaction, and the change feed carries the rest.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Collection, Mapping
from urllib.parse import parse_qsl

from attrs import frozen
from pydantic import ValidationError
from scim2_models import PayloadTooLargeException, SCIMException
from scim2_server.handler import ScimHandler
from scim2_server.requests import ScimRequest
from scim2_server.responses import ScimResponse
from scim2_server.service import ScimService, scim_exception_of
from sqlalchemy import Connection

from kgate.api.caller import Callers
from kgate.api.scim_dialects import usual
from kgate.api.scim_patches import is_endless, parts
from kgate.exchange.local import LocalRequest, LocalResponse
from kgate.identity.credentials import Rejected
from kgate.identity.directory import KnownAs
from kgate.net.database import Store, StoreUnavailableError
from kgate.store.directory import deactivated_since, names_out
from kgate.store.scim import PROVIDER, DirectoryStorage
from kgate.store.sessions import end_sessions, sessions_of_user

MEDIA_TYPE = ("content-type", "application/scim+json")
WHY = "the company's directory deactivated the account"
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_SEARCH = "/.search"
"""A look by POST (RFC 7644 section 3.4.3)."""

Record = Callable[[str, Mapping[str, object]], None]
"""Puts an event with its fields on record."""


@frozen
class ScimAccess:
    """Who may push, and which name of a person is the gate's."""

    robots: Collection[str]
    known_as: KnownAs


class ScimPages:
    """See the module. ``base`` is the URL under which clients see it, ``record`` puts an event with its fields on record."""

    def __init__(self, callers: Callers, store: Store, base: str, access: ScimAccess, wall: Callable[[], float], record: Record) -> None:
        self._callers, self._store, self._base, self._access = callers, store, base, access
        self._wall, self._record = wall, record
        self._service = ScimService(PROVIDER)

    async def serve(self, request: LocalRequest, path: str) -> LocalResponse:
        """The answer to a request for ``path`` below the base."""
        access = self._access
        caller = await self._callers.identify(request.credentials)
        if isinstance(caller, Rejected):
            return _error(401, str(caller), ("www-authenticate", "Bearer"))
        if caller.robot not in access.robots:
            return _error(403, f"{caller.user} may not push the directory; identity.scim.robots names who may")
        asked = _as_scim(request, path, self._base)
        now = self._wall()
        writes = asked.method in _WRITES and not asked.path.endswith(_SEARCH)
        run = self._store.write if writes else self._store.read  # nobody's sign-in waits for whoever looks
        try:
            answer, ended = await run(lambda connection: self._handle(connection, asked, writes, access.known_as, now))
        except StoreUnavailableError as error:
            return _error(503, str(error), ("retry-after", "5"))
        except (SCIMException, ValidationError) as error:
            # The transaction was rolled back: a request that failed changed nothing.
            known = scim_exception_of(error) if isinstance(error, ValidationError) else error
            answer, ended = self._service.error_response(known), ()
        except (OverflowError, UnicodeError):  # of the database's own: a page from 10²³ on, half of a pair of surrogates
            return _error(400, "a number or a text in this request is one that nothing can hold")
        if writes and answer.status < 400:
            self._told(caller.robot, asked, ended)
        return _response(answer)

    def _handle(
        self, connection: Connection, asked: ScimRequest, writes: bool, known_as: KnownAs, now: float
    ) -> tuple[ScimResponse, tuple[str, ...]]:
        """One request, and the sessions that ended by it."""
        storage = DirectoryStorage(connection, now, lambda: secrets.token_hex(16))
        if is_endless(asked, lambda: storage.stored(asked.path)):
            raise PayloadTooLargeException(
                detail="that many operations on somebody with so many values are too much for one request; send some at a time"
            )
        for part, named in parts(usual(asked, lambda: storage.stored(asked.path))):
            storage.members_named = named
            answer = ScimHandler(self._service, storage).handle(part)
        if not writes:
            return answer, ()
        out = names_out(connection, known_as, deactivated_since(connection, now))
        ids = [session.id for name in out for session in sessions_of_user(connection, name, now)]
        return answer, end_sessions(connection, ids, WHY, now) if ids else ()

    def _told(self, robot: str, asked: ScimRequest, ended: tuple[str, ...]) -> None:
        fields: dict[str, object] = {"user": robot, "verb": asked.method.lower(), "path": asked.url}
        self._record("directory", fields | ({"sessions": list(ended)} if ended else {}))


def _as_scim(request: LocalRequest, path: str, base: str) -> ScimRequest:
    return ScimRequest(
        method=request.method,
        base_url=base,
        path=path.removesuffix(".scim") or "/",
        query=dict(parse_qsl(request.query, keep_blank_values=True)),
        headers=request.headers,
        body=request.body,
    )


def _response(answer: ScimResponse) -> LocalResponse:
    headers = tuple((name.lower(), value) for name, value in answer.headers.items())
    body = b"" if answer.body is None else json.dumps(answer.body).encode()
    return LocalResponse(int(answer.status), headers, body)


def _error(status: int, detail: str, *headers: tuple[str, str]) -> LocalResponse:
    """RFC 7644 section 3.12."""
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": str(status), "detail": detail}
    return LocalResponse(status, (MEDIA_TYPE, *headers), json.dumps(body).encode())
