"""``POST /kgate/v1/devices/changed``: the device inventory says that something changed there, and is asked again at once. The body does not matter."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from kgate.api.application import Params, Routes, error_response
from kgate.exchange.local import LocalRequest, LocalResponse


def routes(poke: Callable[[str], bool]) -> Routes:
    """``poke(digest)`` tells whether the holder of the token with that SHA-256 may say so."""

    async def changed(request: LocalRequest, params: Params) -> LocalResponse:
        bearer = request.credentials.bearer
        if bearer is None or not poke(hashlib.sha256(bearer.encode()).hexdigest()):
            return error_response(401, "the token is not that of the device inventory; see identity.devices.api.push_sha256")
        return LocalResponse(202)

    return {("POST", "/kgate/v1/devices/changed"): changed}
