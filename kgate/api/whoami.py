"""``GET /kgate/v1/whoami``: who the gate takes the caller for."""

from __future__ import annotations

from kgate.api.application import Params, Routes, json_response
from kgate.api.caller import Callers, known
from kgate.audit.record import timestamp
from kgate.exchange.local import LocalRequest, LocalResponse
from kgate.model import Identity


def routes(callers: Callers) -> Routes:
    """Its route."""

    async def whoami(caller: Identity, request: LocalRequest, params: Params) -> LocalResponse:
        return json_response(200, described(caller))

    return {("GET", "/kgate/v1/whoami"): known(callers, whoami)}


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
