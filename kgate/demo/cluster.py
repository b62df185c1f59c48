"""A demo cluster with its network: ``listen`` and it is there, ``stop`` and it is gone."""

from __future__ import annotations

import base64
import os
import ssl
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from kgate.demo.api import Api
from kgate.demo.certificates import LOCAL, Authority
from kgate.demo.connection import Connection
from kgate.demo.samples import plant
from kgate.demo.schema import Object
from kgate.demo.world import World
from kgate.net.contexts import server_context
from kgate.net.listener import Listener, bind
from kgate.net.tls import TlsTransport
from kgate.net.turn import Turn


class _TurnClock:
    """A reactor's timers, each of them a turn: what it leads to is flushed at its end."""

    def __init__(self, reactor: Any, turn: Turn) -> None:
        self._reactor, self._turn = reactor, turn

    def seconds(self) -> float:
        """Monotonic enough for delays."""
        return float(self._reactor.seconds())

    def callLater(self, delay: float, work: Callable[..., object], *arguments: Any, **named: Any) -> Any:
        """See IReactorTime."""

        def call() -> None:
            work(*arguments, **named)

        return self._reactor.callLater(delay, self._turn.wrap(call))


class DemoCluster:
    """A cluster called ``name`` whose only credential is ``token``.

    ``reactor`` has timers and descriptors; ``now`` gives Unix seconds. ``names`` are the host names and addresses in its certificate.
    ``samples``: with a few namespaces and workloads to look at.
    """

    def __init__(
        self, name: str, reactor: Any, token: str, now: Callable[[], float], names: Sequence[str] = LOCAL, *, samples: bool = True
    ) -> None:
        self.name, self.token = name, token
        self._reactor, self._turn = reactor, Turn()
        self.world = World(name, token, _TurnClock(reactor, self._turn), now)
        self._api = Api(self.world)
        self._context, self.authority = _context(name, now(), names)
        self._listener: Listener | None = None
        self._connections: set[Connection] = set()
        if samples:
            plant(self.world)

    def listen(self, port: int = 0, host: str = "127.0.0.1") -> int:
        """Accept clients; gives the port. Raises KgateError where it cannot be had."""
        sock = bind(host, port, shared=False)
        serve: Any = self._serve
        self._listener = Listener(self._reactor, self._turn, sock, lambda: self._context, serve, ())
        self._listener.start()
        return self._listener.port

    def _serve(self, transport: TlsTransport, address: str) -> Connection:
        return Connection(transport, self._turn, self._reactor.seconds, self._api.answer)

    def stop(self) -> None:
        """Accept no more, and end everything that runs."""
        if self._listener is not None:
            self._listener.stop()
        self.world.stop()

    def kubeconfig(self, server: str) -> Object:
        """For whoever holds the token: the gate, or somebody who uses ``kubectl --as``."""
        cluster = {"server": server, "certificate-authority-data": base64.b64encode(self.authority).decode()}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": self.name, "cluster": cluster}],
            "users": [{"name": "gate", "user": {"token": self.token}}],
            "contexts": [{"name": self.name, "context": {"cluster": self.name, "user": "gate", "namespace": "default"}}],
            "current-context": self.name,
        }

    def write_kubeconfig(self, path: Path, port: int, host: str = "127.0.0.1") -> None:
        """Write it, readable by the owner alone."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            yaml.safe_dump(self.kubeconfig(f"https://{host}:{port}"), file, sort_keys=False)


def _context(name: str, now: float, names: Sequence[str]) -> tuple[ssl.SSLContext, bytes]:
    """A server context with a fresh leaf, and the certificate of the authority that signed it."""
    authority = Authority(f"{name} demo authority", now)
    pair = authority.server(names)
    with tempfile.TemporaryDirectory(prefix="kgate-demo-") as directory:
        certificate, key = Path(directory, "tls.crt"), Path(directory, "tls.key")
        certificate.write_bytes(pair.certificate)
        key.write_bytes(pair.key)
        return server_context(certificate, key), authority.certificate
