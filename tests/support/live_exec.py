"""A live ``kubectl exec`` without kubectl: what its client sends over a WebSocket, and what a cluster answers that lets it be."""

from __future__ import annotations

from live_gate import LiveGate
from raw_client import RawClient

SWITCHED = b"""HTTP/1.1 101 Switching Protocols\r
Connection: Upgrade\r
Upgrade: websocket\r
Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r
Sec-WebSocket-Protocol: v5.channel.k8s.io\r
\r
"""
"""The cluster's answer (RFC 6455 section 1.3's own example)."""
EXEC = b"""GET /clusters/lab/api/v1/namespaces/a/pods/web/exec?command=sh&stdin=true&stdout=true HTTP/1.1\r
Host: localhost\r
Connection: Upgrade\r
Upgrade: websocket\r
Sec-WebSocket-Version: 13\r
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
Sec-WebSocket-Protocol: v5.channel.k8s.io\r
"""


def live_exec(gate: LiveGate, token: str) -> RawClient:
    """An exec that the gate let in and the cluster switched."""
    client = RawClient(gate.port, gate.context())
    client.send(EXEC + b"Authorization: Bearer %b\r\n\r\n" % token.encode())
    assert client.status() == 101, client.last_head
    return client


def goes_on(client: RawClient) -> bool:
    """Whether nothing comes for a moment, the end neither."""
    client.tls.settimeout(0.3)
    try:
        return client.receive() != b"" and False
    except TimeoutError:
        return True
    finally:
        client.tls.settimeout(20)
