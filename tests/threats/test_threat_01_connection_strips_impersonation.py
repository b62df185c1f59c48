"""Class 01: ``Connection: Impersonate-User`` makes a proxy strip its own header (CVE-2021-31999, CVE-2022-23652, CVE-2025-48865)."""

from __future__ import annotations

import pytest
from arena import Arena

pytestmark = pytest.mark.threat("01")


@pytest.mark.parametrize(
    "named", [b"Impersonate-User", b"close, impersonate-user", b"Impersonate-Group", b"Authorization", b"Audit-ID", b"Host"]
)
def test_a_connection_header_that_names_others_is_refused(arena: Arena, named: bytes) -> None:
    assert arena.get(b"/api/v1/pods", b"Connection: " + named) == 400
    assert arena.cluster.heads == []


def test_the_cluster_always_sees_whom_the_gate_impersonates(arena: Arena) -> None:
    assert arena.get(b"/api/v1/pods", b"Connection: keep-alive") == 200
    (head,) = arena.cluster.heads
    assert b"\r\nimpersonate-user: alice\r\n" in head.lower() + b"\r\n"
    assert head.lower().count(b"impersonate-user") == 1
