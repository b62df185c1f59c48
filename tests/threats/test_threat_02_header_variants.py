"""Class 02: spellings of ``Impersonate-*`` and ``X-Remote-*`` that one side reads and the other does not; the client's own credential (CVE-2025-64484)."""

from __future__ import annotations

import pytest
from arena import ALICE, Arena

pytestmark = pytest.mark.threat("02")

VARIANTS = [
    b"Impersonate-User: root",
    b"impersonate-user: root",
    b"IMPERSONATE-USER: root",
    b"Impersonate_User: root",
    b"Impersonate-Uid: 0",
    b"Impersonate-Group: system:masters",
    b"Impersonate-Extra-%73cope: x",
    b"X-Remote-User: root",
    b"x-remote-group: system:masters",
    b"X-Remote-Extra-scopes: x",
    b"X_Remote_User: root",
]


@pytest.mark.parametrize("line", VARIANTS)
def test_a_header_that_claims_to_be_somebody_is_refused_or_dropped(arena: Arena, line: bytes) -> None:
    status = arena.get(b"/api/v1/pods", line)
    name, value = line.split(b": ")
    assert status in (400, 403) or name.lower() not in arena.cluster.heads[0].lower()
    assert all(value not in head for head in arena.cluster.heads if value != b"x")
    assert all(b"impersonate-user: alice" in head.lower() for head in arena.cluster.heads)


def test_a_second_authorization_header_is_refused(arena: Arena) -> None:
    assert arena.get(b"/api/v1/pods", b"Authorization: Bearer other") in (400, 401)
    assert arena.cluster.heads == []


def test_trailers_cannot_carry_identity(arena: Arena) -> None:
    request = b"POST /clusters/lab/api/v1/namespaces/a/pods HTTP/1.1\r\nHost: localhost\r\n" + ALICE
    request += b"\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nImpersonate-User: root\r\n\r\n"
    arena.ask(request)
    assert all(b"root" not in head for head in arena.cluster.heads)


def test_the_clients_credential_never_reaches_the_cluster(arena: Arena) -> None:
    assert arena.get(b"/api/v1/pods", b"Cookie: a=b", b"Proxy-Authorization: Basic eDp5") in (200, 400)
    for head in arena.cluster.heads:
        assert b"alice-token" not in head and b"Proxy-Authorization" not in head and b"Cookie" not in head
        assert b"authorization: bearer the-gates-own-token" in head.lower()
