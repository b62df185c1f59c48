"""``POST /kgate/v1/facts/SOURCE``: a signed message that tells facts (surroundings/push.py says how it is signed).

By hand:

    body='{"freeze": "on"}'; t=$(date +%s)
    mac=$(printf %s "$t.$body" | openssl dgst -sha256 -hmac "$KEY" -r | cut -d' ' -f1)
    curl https://gate/kgate/v1/facts/ci -d "$body" -H "kgate-signature: t=$t,sha256=$mac"
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from kgate.api.application import Params, Routes, error_response, json_response
from kgate.exchange.local import LocalRequest, LocalResponse
from kgate.surroundings.document import Unreadable, Values, told
from kgate.surroundings.push import HEADER, Wrong, verified


class PushSource(Protocol):
    """A source that tells by messages."""

    key: bytes
    names: tuple[str, ...]
    latest: float
    """When the last believed message was signed."""


def routes(source: Callable[[str], PushSource | None], tell: Callable[[str, Values, float], None], wall: Callable[[], float]) -> Routes:
    """Its route. ``tell`` is given the source, its facts, and when they were signed."""

    async def push(request: LocalRequest, params: Params) -> LocalResponse:
        name = params["source"]
        found = source(name)
        if found is None:
            return error_response(401, "there is no such source of facts here, or the signature is wrong")
        now = wall()
        signed = verified(found.key, request.header(HEADER), request.body, now, found.latest)
        if isinstance(signed, Wrong):
            return error_response(401, str(signed))
        values = told(request.body, found.names)
        if isinstance(values, Unreadable):
            return error_response(400, f"the message {values.text}")
        found.latest = signed.at
        tell(name, values, min(signed.at, now))
        return json_response(200, {"facts": sorted(values)})

    return {("POST", "/kgate/v1/facts/{source}"): push}
