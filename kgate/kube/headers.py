"""Which fields pass the gate, each way.

**From the client**: an allowlist. The upstream head is built anew: what an API server has a use for, then who asks, then the gate's own
credential and audit id. Nothing else of the client's arrives: no ``Authorization``, ``X-Remote-*``, ``X-Forwarded-*``, ``Cookie``, nothing
hop-by-hop (security.md classes 01, 02 and 11). ``Connection`` is read before anything of the gate's is added and may name only what concerns the
connection, because a proxy that obeys ``Connection: Impersonate-User`` takes off its own header (CVE-2021-31999, CVE-2022-23652). The rest
of an upgrade's fields (``Connection``, ``Upgrade``, ``Host``, body framing) belongs to wire/.

**From the cluster**: everything but a list. A cluster is not trusted to steer the client elsewhere: no redirect (CVE-2018-1002102, CVE-2020-8559,
CVE-2022-3172), no cookie for the gate's own host, no claim about other origins, no wish to whatever proxy stands before the gate.

Requests to a proxied pod, service or node carry some more of a browser's fields, but no cookies either: they would be the gate's own. Its API server
takes the impersonation off before it calls the pod.
"""

from __future__ import annotations

from typing import Final, cast

from kgate.kube.credentials import is_credential, offered
from kgate.kube.impersonation import identity_headers
from kgate.kube.refusal import Headers, Refusal
from kgate.model import Action, Impersonation, Operation

_ALWAYS: Final = frozenset(
    {
        b"accept", b"accept-encoding", b"content-encoding", b"content-length", b"content-type", b"if-match", b"if-none-match",
        b"kubectl-command", b"kubectl-session", b"range", b"user-agent",
    }
)  # fmt: skip
_UPGRADE: Final = _ALWAYS | {
    b"origin", b"sec-websocket-key", b"sec-websocket-protocol", b"sec-websocket-version", b"x-stream-protocol-version",
}  # fmt: skip
"""Without Sec-WebSocket-Extensions: permessage-deflate would hide from us what passes (class 18). An API server refuses a watch that has no Origin."""
_PROXIED: Final = frozenset(
    {
        b"accept-language", b"cache-control", b"content-disposition", b"content-language", b"if-modified-since", b"if-range",
        b"if-unmodified-since", b"last-event-id", b"origin", b"pragma", b"referer", b"sec-fetch-dest", b"sec-fetch-mode", b"sec-fetch-site",
        b"x-csrf-token", b"x-requested-with",
    }
)  # fmt: skip
_PASSED: Final = {
    (False, False): _ALWAYS,
    (False, True): _ALWAYS | _PROXIED,
    (True, False): _UPGRADE,
    (True, True): _UPGRADE | _PROXIED,
}
"""By (upgrade, to a proxied server)."""

_ORDINARY = (
    _UPGRADE
    | _PROXIED
    | {b"authorization", b"cookie", b"host", b"sec-websocket-extensions", b"te", b"upgrade", b"upgrade-insecure-requests"}
)
"""Names that need no second look; being here lets nothing pass."""
_ONCE: Final = frozenset(
    {
        b"authorization", b"content-encoding", b"content-length", b"content-type", b"host", b"impersonate-uid", b"impersonate-user", b"origin",
        b"sec-websocket-key", b"sec-websocket-version", b"upgrade", b"user-agent",
    }
)  # fmt: skip
"""Sent twice, one reader takes the first and another the last."""
_CONNECTION_OPTIONS: Final = frozenset((b"", b"close", b"http2-settings", b"keep-alive", b"te", b"upgrade"))

_DROPPED: Final = frozenset(
    {
        # RFC 9110 section 7.6.1: of this hop only
        b"connection", b"http2-settings", b"keep-alive", b"proxy-authenticate", b"proxy-authentication-info", b"proxy-authorization",
        b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade",
        # elsewhere
        b"alt-svc", b"content-location", b"location", b"refresh",
        # how to sign in to the cluster: the client signs in to the gate
        b"authentication-info", b"www-authenticate",
        # what only the gate's own host may say of itself
        b"clear-site-data", b"expect-ct", b"nel", b"public-key-pins", b"report-to", b"reporting-endpoints", b"server", b"service-worker-allowed",
        b"set-cookie", b"set-cookie2", b"strict-transport-security", b"access-control-allow-credentials", b"access-control-allow-headers",
        b"access-control-allow-methods", b"access-control-allow-origin", b"access-control-allow-private-network",
        b"access-control-expose-headers", b"access-control-max-age",
        # orders to a web server in front of the gate
        b"x-accel-buffering", b"x-accel-charset", b"x-accel-expires", b"x-accel-limit-rate", b"x-accel-redirect", b"x-lighttpd-send-file",
        b"x-reproxy-url", b"x-sendfile",
    }
)  # fmt: skip


# --- from the client


def inbound_refusal(headers: Headers) -> Refusal | None:
    """Why a request with these fields is not looked at any further: they could mean different things to different readers."""
    names = {name for name, _ in headers}
    if len(names) < len(headers):
        listed = [name for name, _ in headers]
        twice = sorted(name for name in names & _ONCE if listed.count(name) > 1)
        if twice:
            return Refusal(400, f"the header {twice[0].decode()} stands more than once: send it once")
    if names <= _ORDINARY:
        return None
    for name in sorted(names - _ORDINARY):
        refusal = _name_refusal(name)
        if refusal is not None:
            return refusal
    return _connection_refusal(headers) if b"connection" in names else None


def _name_refusal(name: bytes) -> Refusal | None:
    """Spellings that somebody behind us may take for what authenticating proxies send (CVE-2025-64484)."""
    usual = name.lower().replace(b"_", b"-").strip()
    if usual.startswith(b"x-remote-"):
        return Refusal(400, "X-Remote- headers are not for clients to send: remove them")
    if usual != name and (usual in _ORDINARY or usual == b"connection" or usual.startswith(b"impersonate-")):
        return Refusal(400, f"the header {usual.decode('ascii', 'replace')} is misspelt: write it in lower case with hyphens")
    return None


def _connection_refusal(headers: Headers) -> Refusal | None:
    for name, value in headers:
        if name == b"connection":
            for option in value.lower().split(b","):
                if option.strip(b" \t") not in _CONNECTION_OPTIONS:
                    return Refusal(
                        400, "the Connection header names another header: only close, keep-alive, upgrade and te may stand there"
                    )
    return None


def upstream_headers(
    action: Action, client: Headers, impersonate: Impersonation, audit_id: bytes, bearer: bytes | None, *, upgrade: bool = False
) -> Headers:
    """The fields of the upstream request, without those of its connection. ``bearer`` is the gate's own token, if it has one.

    Raises ValueError on an impersonation that ``impersonation_error`` objects to: nothing may go upstream then.
    """
    passed = _PASSED[upgrade, action.operation is Operation.PROXY]
    headers = [field for field in client if field[0] in passed]
    if upgrade:
        headers = _without_credentials(headers)
    headers += identity_headers(impersonate, bearer)
    headers.append((b"audit-id", audit_id))
    return headers


def ordinary_headers(client: Headers, impersonate: Impersonation, bearer: bytes | None) -> Headers:
    """``upstream_headers`` of a request that is neither an upgrade nor for a proxied server, but for its audit id: the same for many requests."""
    return [*(field for field in client if field[0] in _ALWAYS), *identity_headers(impersonate, bearer)]


def _without_credentials(headers: Headers) -> Headers:
    """No subprotocol that is a token goes on; a line of which nothing is left goes whole."""
    kept: Headers = []
    for name, value in headers:
        if name == b"sec-websocket-protocol":
            value = b", ".join(protocol for protocol in offered([value]) if not is_credential(protocol))
        if value or name != b"sec-websocket-protocol":
            kept.append((name, value))
    return kept


# --- from the cluster


def response_headers(status: int, headers: Headers) -> Headers | Refusal:
    """The fields of the cluster's answer (or its trailer section) that go to the client."""
    kept: list[tuple[bytes, ...]] = []  # handed on as they are, not taken apart: see docs/tried.md
    names_others = False
    for field in cast("list[tuple[bytes, ...]]", headers):
        name = field[0]
        if name not in _DROPPED:
            kept.append(field)
        elif name == b"connection":
            names_others = names_others or field[1] != b"keep-alive"  # which nearly all say, and which is dropped anyway
        elif name == b"location" and 300 <= status < 400:
            return Refusal(502, "the cluster answered with a redirect, which is never followed or passed on")
    passed = cast("Headers", kept)
    return _without_named(passed, headers) if names_others else passed


def _without_named(kept: Headers, headers: Headers) -> Headers:
    """``Connection`` names what else is of this hop only."""
    named = {option.strip(b" \t") for name, value in headers if name == b"connection" for option in value.lower().split(b",")}
    return [field for field in kept if field[0] not in named]
