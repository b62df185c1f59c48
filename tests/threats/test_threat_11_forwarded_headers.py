"""Class 11: a client that says where it comes from is not believed, and the cluster is not told so either."""

from __future__ import annotations

import pytest
from arena import Arena

pytestmark = pytest.mark.threat("11")

LINES = [
    b"X-Forwarded-For: 10.0.0.1",
    b"X-Real-Ip: 10.0.0.1",
    b"Forwarded: for=10.0.0.1",
    b"X-Forwarded-Host: lab.example.com",
    b"X-Forwarded-Proto: http",
    b"X-Envoy-External-Address: 10.0.0.1",
    b"X-Original-Url: /api/v1/secrets",
    b"X-HTTP-Method-Override: DELETE",
]


@pytest.mark.parametrize("line", LINES)
def test_the_line_counts_nowhere(arena: Arena, line: bytes) -> None:
    before = len(arena.gate.records())
    assert arena.get(b"/api/v1/pods", line) == 200
    assert line.split(b":")[0].lower() not in arena.cluster.heads[0].lower()
    (request,) = [record for record in arena.gate.records()[before:] if record["event"] == "request"]
    assert request["source_ip"] == "127.0.0.1" and request["verb"] == "list"
