"""What an API server also tells over WebSocket, which kubectl never asks for: a watch, as Java's fabric8 client does, and a log."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import pytest
from lab.cluster import RealCluster
from lab.gate import ALICE, Gate
from raw_client import RawClient

HEAD = (
    "GET /api/v1/namespaces/{namespace}/{target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nOrigin: https://localhost\r\n"
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.fixture
def asked(cluster: RealCluster, gate: Gate) -> Callable[[str], RawClient]:
    def ask(target: str) -> RawClient:
        client = RawClient(gate.port, ssl.create_default_context(cadata=gate.authority.certificate.decode()))
        client.send(HEAD.format(namespace=cluster.namespace, target=target, token=ALICE.token).encode())
        return client

    return ask


@pytest.mark.parametrize(
    ("target", "first"),
    [
        ("pods?watch=true&fieldSelector=metadata.name=box", b'{"type":"ADDED"'),
        ("pods/talker/log?limitBytes=13", b"tick 1"),
        ("pods/talker/log?follow=true", b"tick 1"),
    ],
)
def test_it_begins_as_over_http(asked: Callable[[str], RawClient], target: str, first: bytes) -> None:
    with asked(target) as client:
        assert client.status() == 101
        assert client.until(first).endswith(first)
