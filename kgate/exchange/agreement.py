"""What a 101 agreed on: the client's offer, the cluster's answer and the action have to fit, or no tunnel is opened (class 07).

The cluster's 101 is not believed: its ``Upgrade`` has to be what was asked, its ``Sec-WebSocket-Accept`` the answer to this key, its subprotocol
one that was offered and that fits the action. Whatever else it says is dropped: the client's 101 is written from an allowlist. An extension would
change the frames, so one that was not offered (the gate never offers any) is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from kgate.exchange.tunnel import Kind, Tunnel
from kgate.kube import portforward, remotecommand
from kgate.kube.refusal import Refusal
from kgate.model import Action, Operation
from kgate.wire.events import Headers
from kgate.wire.websocket_handshake import accept_key, request_problem, single, values

_BEARER: Final = b"base64url.bearer.authorization.k8s.io."
"""A subprotocol that is a credential: the gate takes it out, so the cluster cannot have chosen it."""
_LOGS: Final[Mapping[bytes, Kind]] = dict.fromkeys((b"", b"binary.k8s.io", b"base64.binary.k8s.io"), Kind.LOG_WEBSOCKET)
_COMMANDS: Final[Mapping[bytes, Kind]] = dict.fromkeys(remotecommand.WEBSOCKET, Kind.COMMAND_WEBSOCKET)
_FORWARDS: Final[Mapping[bytes, Kind]] = {
    portforward.TUNNELLED: Kind.FORWARD_TUNNELLED,
    **dict.fromkeys(portforward.LEGACY, Kind.FORWARD_LEGACY),
}
_BY_WEBSOCKET: Final[Mapping[Operation, Mapping[bytes, Kind]]] = {
    Operation.EXEC: _COMMANDS,
    Operation.ATTACH: _COMMANDS,
    Operation.CP: _COMMANDS,
    Operation.PORT_FORWARD: _FORWARDS,
    Operation.LOGS: _LOGS,
}
_SPDY_COMMANDS: Final[Mapping[bytes, Kind]] = dict.fromkeys(remotecommand.SPDY, Kind.COMMAND_SPDY)
_BY_SPDY: Final[Mapping[Operation, Mapping[bytes, Kind]]] = {
    Operation.EXEC: _SPDY_COMMANDS,
    Operation.ATTACH: _SPDY_COMMANDS,
    Operation.CP: _SPDY_COMMANDS,
    Operation.PORT_FORWARD: {portforward.PROTOCOL: Kind.FORWARD_SPDY},
}
_VERSION: Final = b"x-stream-protocol-version"
_SUBPROTOCOL: Final = b"sec-websocket-protocol"
_HTTP: Final = (b"h2c", b"http/", b"tls/")
"""Upgrades to another HTTP would let requests through that nobody decides on."""


class Agreed(NamedTuple):
    """``headers`` of the 101 for the client, ``Connection`` and ``Upgrade`` included, and the tunnel that begins behind it."""

    headers: Headers
    tunnel: Tunnel


def agree(action: Action, client: Headers, cluster: Headers) -> Agreed | Refusal:
    """Whether the cluster's 101 (its headers) answers the client's request (its headers as they came) for ``action``."""
    asked, answered = single(client, b"upgrade"), single(cluster, b"upgrade")
    if asked is None or answered is None or asked.lower() != answered.lower():
        return Refusal(502, "the cluster switched to another protocol than was asked for")
    if asked.lower() == b"websocket":
        return _websocket(action, client, cluster)
    if asked.lower() == b"spdy/3.1" and action.operation in _BY_SPDY:
        return _spdy(action, client, cluster)
    if action.operation is not Operation.PROXY or asked.lower().startswith(_HTTP):
        return Refusal(502, f"the cluster switched to {printable(asked)}, which is not carried here")
    return Agreed(_head(answered), Tunnel(Kind.OPAQUE))


def _websocket(action: Action, client: Headers, cluster: Headers) -> Agreed | Refusal:
    problem = request_problem(client)
    if problem:
        return Refusal(400, f"the WebSocket handshake is not valid: {problem}")
    accept = accept_key(single(client, b"sec-websocket-key") or b"")
    if single(cluster, b"sec-websocket-accept") != accept:
        return Refusal(502, "the cluster's Sec-WebSocket-Accept does not answer the key")
    if values(cluster, b"sec-websocket-extensions"):
        return Refusal(502, "the cluster agreed on a WebSocket extension that was not offered")
    offered = [name for name in values(client, _SUBPROTOCOL) if not name.startswith(_BEARER)]
    chosen = _chosen(offered, values(cluster, _SUBPROTOCOL))
    if chosen is None or (offered and not chosen and action.operation in _BY_WEBSOCKET):
        return Refusal(502, "the cluster chose no WebSocket subprotocol, or one that was not offered")
    kind = _websocket_kind(action, chosen)
    if kind is None:
        return Refusal(502, f"WebSocket subprotocol {printable(chosen) or 'none'} does not fit what was asked for")
    headers = [*_head(b"websocket"), (b"sec-websocket-accept", accept)]
    if chosen:
        headers.append((_SUBPROTOCOL, chosen))
    return Agreed(headers, Tunnel(kind, chosen, tty=action.tty, ports=action.ports))


def _websocket_kind(action: Action, chosen: bytes) -> Kind | None:
    if action.operation is Operation.PROXY:
        return Kind.OPAQUE_WEBSOCKET
    if action.operation is not None:
        return _BY_WEBSOCKET.get(action.operation, {}).get(chosen)
    return Kind.WATCH_WEBSOCKET if action.verb == "watch" else None


def _spdy(action: Action, client: Headers, cluster: Headers) -> Agreed | Refusal:
    chosen = _chosen(values(client, _VERSION), values(cluster, _VERSION))
    kinds = _BY_SPDY[action.operation] if action.operation is not None else {}
    if not chosen or chosen not in kinds:
        return Refusal(502, "the cluster chose a stream protocol that was not offered or does not fit what was asked for")
    return Agreed([*_head(b"SPDY/3.1"), (_VERSION, chosen)], Tunnel(kinds[chosen], chosen, tty=action.tty))


def _chosen(offered: list[bytes], chosen: list[bytes]) -> bytes | None:
    """The one protocol chosen; empty where none was, None where the choice is not among the offers or not one."""
    if not chosen:
        return b""
    return chosen[0] if len(chosen) == 1 and chosen[0] in offered else None


def _head(upgrade: bytes) -> Headers:
    return [(b"connection", b"Upgrade"), (b"upgrade", upgrade)]


def printable(name: bytes) -> str:
    """A peer's word as it may stand in a message."""
    return "".join(character if character.isprintable() else "?" for character in name[:64].decode("latin-1"))
