"""A watch over WebSocket, which kubectl never asks for and a browser's page or Java's fabric8 client does."""

from __future__ import annotations

import ssl

import pytest
from lab.cluster import RealCluster
from lab.gate import ALICE, Gate
from raw_client import RawClient

HEAD = (
    "GET /api/v1/namespaces/{namespace}/pods?watch=true&fieldSelector=metadata.name=box HTTP/1.1\r\nHost: localhost\r\n"
    "Authorization: Bearer {token}\r\nOrigin: https://localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.fixture
def client(gate: Gate) -> RawClient:
    return RawClient(gate.port, ssl.create_default_context(cadata=gate.authority.pem.decode()))


def test_the_first_event_arrives(cluster: RealCluster, client: RawClient) -> None:
    with client:
        client.send(HEAD.format(namespace=cluster.namespace, token=ALICE.token).encode())
        assert client.status() == 101
        assert client.until(b'{"type":"ADDED"').endswith(b'"ADDED"')
