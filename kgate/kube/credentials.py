"""Where a client's bearer token stands: in ``Authorization``, or, for browsers, hidden in a WebSocket subprotocol.

JavaScript cannot set headers on a WebSocket, so the API server takes the token as one of the offered subprotocols,
``base64url.bearer.authorization.k8s.io.<base64url without padding>``, beside at least one real one (k8s.io/apiserver
``authentication/request/websocket``). It is a credential like any other: read here, and never forwarded.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Iterable
from typing import NamedTuple

from kgate.kube.refusal import Headers, Refusal

BEARER_PROTOCOL = b"base64url.bearer.authorization.k8s.io."
_BASE64URL = re.compile(rb"[A-Za-z0-9_-]+")
_TOKEN = re.compile(rb"[\x21-\x7e]+")


class WebSocketOffer(NamedTuple):
    """What a client offers: the subprotocols in its order without any credential, and the token that was among them."""

    protocols: list[bytes]
    token: str | None


def bearer_token(headers: Headers) -> str | Refusal | None:
    """The one bearer token of a request; None where there is none."""
    authorization = [value for name, value in headers if name == b"authorization"]
    offer = websocket_offer(value for name, value in headers if name == b"sec-websocket-protocol")
    if isinstance(offer, Refusal):
        return offer
    if not authorization:
        return offer.token
    if len(authorization) > 1 or offer.token is not None:
        return Refusal(400, "the request has more than one credential: send one Authorization header")
    scheme, _, token = authorization[0].partition(b" ")
    if scheme.lower() != b"bearer" or not _TOKEN.fullmatch(token):
        return Refusal(401, "the Authorization header is not a bearer token: run kgate login, or put a token into the kubeconfig")
    return token.decode("ascii")


def websocket_offer(values: Iterable[bytes]) -> WebSocketOffer | Refusal:
    """The ``Sec-WebSocket-Protocol`` lines of a request, taken apart."""
    protocols: list[bytes] = []
    hidden: list[bytes] = []
    for protocol in offered(values):
        (hidden if is_credential(protocol) else protocols).append(protocol)
    if not hidden:
        return WebSocketOffer(protocols, None)
    token = _decoded(hidden[0][len(BEARER_PROTOCOL) :])
    if len(hidden) > 1 or token is None:
        return Refusal(401, "the bearer token among the WebSocket subprotocols cannot be read: send one, in base64url without padding")
    if not protocols:
        return Refusal(400, "a bearer token cannot be the only WebSocket subprotocol: offer the real one too")
    return WebSocketOffer(protocols, token)


def offered(values: Iterable[bytes]) -> list[bytes]:
    """Each subprotocol on its own: several lines and commas within one mean the same (RFC 6455 section 11.3.4)."""
    return [protocol for value in values for piece in value.split(b",") if (protocol := piece.strip(b" \t"))]


def is_credential(protocol: bytes) -> bool:
    """Whether this subprotocol carries a token; in any case, so that no spelling of it goes on."""
    return protocol[: len(BEARER_PROTOCOL)].lower() == BEARER_PROTOCOL


def _decoded(text: bytes) -> str | None:
    if not _BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        return None
    token = urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    return token.decode("ascii") if _TOKEN.fullmatch(token) else None
