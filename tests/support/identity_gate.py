"""A gate as ``twistd`` runs it in front of a scripted cluster, for tests of who is asking."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen
from authority import Authority
from live_gate import ALLOW_ALICE, LiveGate
from recording_cluster import OK, RecordingCluster

PODS = "/clusters/lab/api/v1/namespaces/a/pods"


EVENT = b'{"type": "ADDED", "object": {}}\n'
WATCHING = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(EVENT), EVENT)


@frozen
class Watch:
    """A live watch as its client sees it."""

    tls: ssl.SSLSocket

    def read_until(self, word: bytes) -> bytes:
        """What comes, up to and including ``word``, or to the end."""
        received = b""
        while word not in received:
            data = self.tls.recv(65536)
            if not data:
                break
            received += data
        return received

    def end(self) -> str:
        """Wait for its end; what the client was told."""
        return self.read_until(b"0\r\n\r\n").decode("utf-8", "replace")

    def lives(self, seconds: float = 0.6) -> bool:
        """Whether nothing comes for a while."""
        self.tls.settimeout(seconds)
        try:
            return self.tls.recv(1) != b"" and False
        except TimeoutError:
            return True
        finally:
            self.tls.settimeout(60)


@frozen
class IdentityGate:
    """Both of them."""

    gate: LiveGate
    cluster: RecordingCluster

    def ask(self, token: str = "", path: str = PODS, certificate: tuple[Path, Path] | None = None) -> tuple[int, str]:
        """Status and message of a request on a connection of its own."""
        context = self.gate.context()
        if certificate is not None:
            context.load_cert_chain(*certificate)
        connection = http.client.HTTPSConnection("localhost", self.gate.port, context=context, timeout=60)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
            answer = connection.getresponse()
            body = answer.read().decode()
            return answer.status, json.loads(body).get("message", "") if answer.status >= 400 and body.startswith("{") else body
        finally:
            connection.close()

    def whoami(self, token: str = "", certificate: tuple[Path, Path] | None = None) -> dict[str, Any]:
        """Who the gate takes the holder for."""
        status, body = self.ask(token, "/kgate/v1/whoami", certificate)
        assert status == 200, body
        found: dict[str, Any] = json.loads(body)
        return found

    def connect(self, certificate: tuple[Path, Path] | None = None) -> ssl.SSLSocket:
        """A connection to write bytes on."""
        context = self.gate.context()
        if certificate is not None:
            context.load_cert_chain(*certificate)
        raw = socket.create_connection(("127.0.0.1", self.gate.port), 60)
        return context.wrap_socket(raw, server_hostname="localhost")

    @contextmanager
    def watch(self, token: str = "", certificate: tuple[Path, Path] | None = None) -> Iterator[Watch]:
        """A watch that the cluster keeps open; it is live when this gives it."""
        self.cluster.answer = lambda connection, head: connection.send(WATCHING if b"watch=1" in head else OK)
        with self.connect(certificate) as tls:
            shown = f"Authorization: Bearer {token}\r\n" if token else ""
            tls.sendall(f"GET {PODS}?watch=1 HTTP/1.1\r\nHost: localhost\r\n{shown}\r\n".encode())
            watch = Watch(tls)
            first = watch.read_until(b"ADDED")
            assert b" 200 " in first.partition(b"\r\n")[0], first
            yield watch


@contextmanager
def identity_gate(
    folder: Path,
    identity: Mapping[str, Any],
    policy: Mapping[str, Any] = ALLOW_ALICE,
    port: int = 0,
    authority: Authority | None = None,
    **settings: Any,
) -> Iterator[IdentityGate]:
    """Run them, with this ``identity`` section. ``authority`` signs their certificates."""
    authority = authority or Authority()
    cluster = RecordingCluster(folder, authority)
    gate = LiveGate(folder, authority, {"lab": cluster.access(folder)}, policy, {"identity": dict(identity), **settings}, port)
    try:
        gate.start()
        yield IdentityGate(gate, cluster)
    finally:
        gate.stop()
        cluster.stop()
