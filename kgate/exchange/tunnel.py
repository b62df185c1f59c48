"""What an exchange becomes after a 101: bytes both ways, followed from the inside, until one side ends it or somebody cuts it.

    LIVE ──problem──▶ FAILED ──cut──▶ OVER        nothing goes on any more from FAILED on; only ``cut`` then has bytes for the client
      └──────────────cut─────────────▶ OVER

What goes on is exactly what came. It is followed by channel (who sent how much on which), and what cannot be followed does not go on: a
problem is a ``Failure`` value, with the ``Cause`` to cut for. ``cut`` gives the client's last bytes; ``farewell`` tells which.

``Kind`` says how to follow. It is agreed on in ``agreement`` from the action, the client's offer and the cluster's answer.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, assert_never

from kgate.exchange.inside import CLUSTER_STOPPED, AdmitPort, Inside, Opaque
from kgate.exchange.spdy_inside import CommandSpdy, ForwardSpdy
from kgate.exchange.tally import Observer, Tally
from kgate.exchange.tunnelled_inside import ForwardTunnelled
from kgate.exchange.websocket_inside import CommandWebSocket, LegacyForward, PlainWebSocket, Subject
from kgate.kube.portforward import LEGACY
from kgate.kube.remotecommand import SPDY, WEBSOCKET, exit_code
from kgate.model import Cause, Ending
from kgate.wire.passage import Passage


class Kind(Enum):
    """What a tunnel carries, and over what. The values are words for the audit record."""

    COMMAND_WEBSOCKET = "exec over websocket"
    COMMAND_SPDY = "exec over spdy"
    FORWARD_SPDY = "port-forward over spdy"
    FORWARD_TUNNELLED = "port-forward over spdy in websocket"
    FORWARD_LEGACY = "port-forward over websocket"
    WATCH_WEBSOCKET = "watch over websocket"
    LOG_WEBSOCKET = "log over websocket"
    OPAQUE_WEBSOCKET = "proxy over websocket"
    OPAQUE = "proxy"


class Phase(Enum):
    """See the module."""

    LIVE = "live"
    FAILED = "failed"
    OVER = "over"


class Failure(NamedTuple):
    """The tunnel cannot go on: ``cut`` it for ``cause``. ``text`` says in the log what was wrong."""

    text: str
    cause: Cause


class Tunnel:
    """One tunnel.

    ``subprotocol`` is the one agreed on (``Sec-WebSocket-Protocol`` or ``X-Stream-Protocol-Version``), ``ports`` those in the URL of a legacy
    port-forward. Said before the first byte, where wanted: ``admit_ports_by`` whom, and who is to ``observe``.
    """

    def __init__(self, kind: Kind, subprotocol: bytes = b"", *, tty: bool = False, ports: tuple[int, ...] = ()) -> None:
        self.kind, self.tty, self.subprotocol = kind, tty, subprotocol
        self.tally = Tally()
        self._inside = self._made(ports)
        self._forward = self._inside if isinstance(self._inside, ForwardSpdy | ForwardTunnelled) else None
        """Where it is one that may have to tell the client something of its own."""
        self._phase = Phase.LIVE
        self._unsent = b""

    def admit_ports_by(self, admit: AdmitPort) -> None:
        """``admit`` is asked for every stream of a port-forward whether it may reach its port. The ports of a legacy one were decided with its URL."""
        if self._forward is not None:
            self._forward.take.admit = admit

    @property
    def observe(self) -> Observer | None:
        """Who is told each piece of payload as it passes: direction, channel, bytes (base64 where the subprotocol is)."""
        return self.tally.observe

    @observe.setter
    def observe(self, observer: Observer | None) -> None:
        self.tally.observe = observer

    def from_client(self, data: bytes) -> bytes | Failure:
        """The client's bytes; gives those to send to the cluster now. Where something in them is wrong, none of them goes on."""
        if self._phase is not Phase.LIVE:
            return b""
        passage = self._inside.from_client(data)
        return self._failed(passage) if passage.failure else passage.data

    def from_upstream(self, data: bytes) -> bytes | Failure:
        """The cluster's bytes; gives those to send to the client now. What was right before a mistake goes out with the farewell."""
        if self._phase is not Phase.LIVE:
            return b""
        passage = self._inside.from_cluster(data)
        if not passage.failure:
            return passage.data
        self._unsent = passage.data
        return self._failed(passage)

    def to_client(self) -> bytes:
        """What the client is to be told now besides what the cluster says. To be asked after either side's bytes."""
        forward = self._forward
        return forward.to_client() if forward is not None and self._phase is Phase.LIVE else b""

    def client_eof(self) -> Cause | None:
        """The client sends no more. Neither protocol has half-closed connections, so that is the tunnel's end: no cause is to be told."""
        return None

    def upstream_eof(self) -> Cause | None:
        """The cluster sends no more; the cause to cut for where it had not said how the command ended."""
        return None if self.complete else Cause(Ending.CLUSTER_GONE, f"kgate: {CLUSTER_STOPPED}")

    def cut(self, cause: Cause) -> bytes:
        """The client's last bytes, to be followed by an orderly close of its connection. From here on nothing goes on in either direction."""
        if self._phase is Phase.OVER:
            return b""
        self._phase = Phase.OVER
        return self._unsent + self._inside.farewell(cause.text)

    def end(self) -> None:
        """Both sides are gone."""
        self._inside.end()

    @property
    def complete(self) -> bool:
        """Whether everything was said: the cluster told how it ended, or the client left by itself. A bare close is right then."""
        return self._phase is Phase.OVER or (self._phase is Phase.LIVE and self._inside.complete)

    @property
    def exit_code(self) -> int | None:
        """The exit code that the cluster told of a command; None where it told none."""
        inside = self._inside
        return exit_code(inside.verdict) if isinstance(inside, CommandWebSocket | CommandSpdy) else None

    def _failed(self, passage: Passage) -> Failure:
        self._phase = Phase.FAILED
        cause = self._inside.cause or Cause(Ending.PROTOCOL, f"kgate: closed: {passage.failure}")
        return Failure(passage.failure, cause)

    def _made(self, ports: tuple[int, ...]) -> Inside:
        kind, tally, subprotocol = self.kind, self.tally, self.subprotocol
        match kind:
            case Kind.COMMAND_WEBSOCKET:
                return CommandWebSocket(WEBSOCKET[subprotocol], tally)
            case Kind.COMMAND_SPDY:
                return CommandSpdy(SPDY[subprotocol], tally)
            case Kind.FORWARD_SPDY:
                return ForwardSpdy(tally)
            case Kind.FORWARD_TUNNELLED:
                return ForwardTunnelled(tally)
            case Kind.FORWARD_LEGACY:
                return LegacyForward(ports, LEGACY[subprotocol], tally)
            case Kind.WATCH_WEBSOCKET:
                return PlainWebSocket(Subject.WATCH, tally)
            case Kind.LOG_WEBSOCKET:
                return PlainWebSocket(Subject.LOG, tally, base64=subprotocol.startswith(b"base64"))
            case Kind.OPAQUE_WEBSOCKET:
                return PlainWebSocket(Subject.OPAQUE, tally)
            case Kind.OPAQUE:
                return Opaque(tally)
        assert_never(kind)
