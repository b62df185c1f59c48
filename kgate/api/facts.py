"""``POST /kgate/v1/facts/SOURCE``: a signed message that tells facts (surroundings/push.py says how it is signed).

By hand:

    body='{"freeze": "on"}'; t=$(date +%s)
    mac=$(printf %s "$t.$body" | openssl dgst -sha256 -hmac "$KEY" -r | cut -d' ' -f1)
    curl https://gate/kgate/v1/facts/ci -d "$body" -H "kgate-signature: t=$t,sha256=$mac"
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from kgate.api.application import Params, Routes, error_response, json_response
from kgate.exchange.local import LocalRequest, LocalResponse
from kgate.net.database import StoreUnavailableError
from kgate.surroundings.document import Unreadable, told
from kgate.surroundings.push import HEADER, Wrong, verified


class PushSource(Protocol):
    """A source that tells by messages."""

    key: bytes
    names: tuple[str, ...]
    latest: float
    """When the last believed message was signed."""


Keep = Callable[[str, str, float], Coroutine[Any, Any, bool]]
"""Source, body, when it was signed → whether it is the source's last message now. Raises StoreUnavailableError."""


def routes(source: Callable[[str], PushSource | None], keep: Keep, wall: Callable[[], float]) -> Routes:
    """Its route. ``keep`` puts the message where every gate finds it, and this one has it in force when it returns."""

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
        try:
            kept = await keep(name, request.body.decode(), signed.at)
        except StoreUnavailableError as error:
            return error_response(503, str(error), ("retry-after", "5"))
        if not kept:
            return error_response(401, "a message that was signed at the same time or later came before")
        return json_response(200, {"facts": sorted(values)})

    return {("POST", "/kgate/v1/facts/{source}"): push}
