"""A gate in front of a scripted cluster, and ways to talk to both."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from live_gate import ALLOW_ALICE, TOKENS, LiveGate
from raw_client import Http2Client, RawClient
from recording_cluster import RecordingCluster

ALICE = b"Authorization: Bearer " + TOKENS["alice"].encode()
HEAD = b"Host: localhost\r\n" + ALICE + b"\r\n"


class Arena:
    """A gate, the cluster behind it, and ways to talk to both."""

    def __init__(self, gate: LiveGate, cluster: RecordingCluster) -> None:
        self.gate, self.cluster = gate, cluster
        self.head = HEAD

    def client(self, alpn: list[str] | None = None) -> RawClient:
        """A client of the gate that sends what it is told."""
        return RawClient(self.gate.port, self.gate.context(), alpn)

    def http2(self) -> Http2Client:
        """The same over HTTP/2."""
        return Http2Client(self.gate.port, self.gate.context())

    def ask(self, raw: bytes) -> int:
        """The status of the first answer to ``raw``; 0 where there was none."""
        with self.client() as client:
            client.send(raw)
            return client.status()

    def beside(
        self,
        folder: Path,
        clusters: Mapping[str, Any] | None = None,
        policy: Mapping[str, Any] = ALLOW_ALICE,
        settings: Mapping[str, Any] | None = None,
    ) -> Arena:
        """Another gate before the same cluster, of other settings; to be stopped by whoever asked for it."""
        lab = self.gate.config["clusters"]["lab"] | self.cluster.access(folder)
        gate = LiveGate(folder, self.gate.authority, clusters or {"lab": lab}, policy, settings).start()
        self.cluster.reset()
        return Arena(gate, self.cluster)

    def get(self, target: bytes, *lines: bytes) -> int:
        """GET ``target`` below the cluster as alice, with further header lines."""
        return self.ask(b"GET /clusters/lab" + target + b" HTTP/1.1\r\n" + HEAD + b"".join(line + b"\r\n" for line in lines) + b"\r\n")
