"""``GET /kgate/v1/whoami``: who the gate takes the caller for."""

from __future__ import annotations

from kgate.api.application import Params, Routes, error_response, json_response
from kgate.api.caller import Callers
from kgate.audit.record import timestamp
from kgate.exchange.local import LocalRequest, LocalResponse
from kgate.identity.credentials import Rejected
from kgate.model import Identity


def routes(callers: Callers) -> Routes:
    """Its route."""

    async def whoami(request: LocalRequest, params: Params) -> LocalResponse:
        found = await callers.identify(request.credentials)
        return error_response(401, str(found)) if isinstance(found, Rejected) else json_response(200, described(found))

    return {("GET", "/kgate/v1/whoami"): whoami}


def described(identity: Identity) -> dict[str, object]:
    """An identity for people and programs: what is not known is left out."""
    facts: dict[str, object] = {
        "user": identity.user,
        "groups": list(identity.groups),
        "uid": identity.uid,
        "issuer": identity.issuer,
        "session": identity.session,
        "robot": identity.robot,
        "group_sources": dict(identity.group_sources),
        "device": identity.device.name if identity.device is not None else "",
        "expires": timestamp(identity.expires) if identity.expires is not None else "",
        "signed_in": timestamp(identity.authenticated_at) if identity.authenticated_at is not None else "",
        "acr": identity.acr,
        "amr": list(identity.amr),
    }
    return {name: value for name, value in facts.items() if value or name == "groups"}
