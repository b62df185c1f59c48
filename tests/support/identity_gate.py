"""A gate as ``twistd`` runs it in front of a scripted cluster, for tests of who is asking."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen
from authority import Authority
from live_gate import ALLOW_ALICE, LiveGate
from recording_cluster import RecordingCluster

PODS = "/clusters/lab/api/v1/namespaces/a/pods"


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
        connection = http.client.HTTPSConnection("localhost", self.gate.port, context=context, timeout=15)
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

    def connect(self) -> ssl.SSLSocket:
        """A connection to write bytes on."""
        import socket

        raw = socket.create_connection(("127.0.0.1", self.gate.port), 15)
        return self.gate.context().wrap_socket(raw, server_hostname="localhost")


@contextmanager
def identity_gate(
    folder: Path, identity: Mapping[str, Any], policy: Mapping[str, Any] = ALLOW_ALICE, port: int = 0, **settings: Any
) -> Iterator[IdentityGate]:
    """Run them, with this ``identity`` section."""
    authority = Authority()
    cluster = RecordingCluster(folder, authority)
    (folder / "cluster-ca.crt").write_bytes(authority.certificate)
    (folder / "cluster-token").write_text("the-gates-own-token")
    lab = {"server": f"https://127.0.0.1:{cluster.port}", "certificate_authority": "cluster-ca.crt", "token_file": "cluster-token"}
    gate = LiveGate(folder, authority, {"lab": lab}, policy, {"identity": dict(identity), **settings}, port)
    try:
        gate.start()
        yield IdentityGate(gate, cluster)
    finally:
        gate.stop()
        cluster.stop()
