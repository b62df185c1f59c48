"""Class 12: a cluster's redirect is neither followed nor passed on (CVE-2018-1002102, CVE-2020-8559, CVE-2022-3172), nor one of its name.

Whoever makes a cluster's name lead elsewhere (DNS rebinding) cannot show a certificate for it, and without that learns nothing: not the request, not
the gate's credential.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from arena import ALICE, Arena
from authority import Authority
from live_gate import ALLOW_ALICE
from recording_cluster import RecordingCluster

pytestmark = pytest.mark.threat("12")


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"303 See Other", b"307 Temporary", b"308 Permanent"])
@pytest.mark.parametrize("location", [b"https://evil.example.com/", b"/api/v1/secrets", b"//evil.example.com/"])
def test_a_redirect_is_a_bad_gateway(arena: Arena, status: bytes, location: bytes) -> None:
    answer = b"HTTP/1.1 " + status + b"\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"
    arena.cluster.answer = lambda connection, _head: connection.send(answer)
    with arena.client() as client:
        client.send(b"GET /clusters/lab/api/v1/pods HTTP/1.1\r\nHost: localhost\r\n" + ALICE + b"\r\n\r\n")
        assert client.status() == 502
        assert b"evil" not in client.last_head + client.last_body
    assert len(arena.cluster.heads) == 1


def test_not_modified_is_no_redirect(arena: Arena) -> None:
    arena.cluster.answer = lambda connection, _head: connection.send(b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n')
    assert arena.get(b"/openapi/v3", b'If-None-Match: "a"') == 304


@pytest.mark.parametrize(
    ("names", "authority", "words"),
    [
        (("evil.example.com",), "ours", "certificate"),
        (("127.0.0.1", "localhost"), "another", "certificate verify failed"),
    ],
    ids=["a certificate of another name", "a certificate of another authority"],
)
def test_a_name_that_leads_elsewhere_is_told_nothing(
    arena: Arena, tmp_path: Path, names: tuple[str, ...], authority: str, words: str
) -> None:
    elsewhere = RecordingCluster(tmp_path, arena.gate.authority if authority == "ours" else Authority(), *names)
    cluster = {"server": f"https://localhost:{elsewhere.port}", "certificate_authority": "cluster-ca.crt", "token_file": "cluster-token"}
    other = arena.beside(tmp_path / "gate", {"lab": cluster})
    try:
        with other.client() as client:
            client.send(b"GET /clusters/lab/api/v1/pods HTTP/1.1\r\nHost: localhost\r\n" + ALICE + b"\r\n\r\n")
            assert client.status() == 503
            assert b"cluster lab cannot be reached: " in client.last_body and words.encode() in client.last_body
        assert elsewhere.heads == [] and elsewhere.connections == []
    finally:
        other.gate.stop()
        elsewhere.stop()


OWN = b"/api/v1/namespaces/a/services/web/proxy"


def test_a_proxied_server_s_redirect_within_itself_goes_on_and_none_is_followed(arena: Arena, tmp_path: Path) -> None:
    """The API server leads it below its own path, which a client may have anywhere; one to elsewhere it hands on as it is."""
    (rule,) = ALLOW_ALICE["rules"]
    other = arena.beside(tmp_path / "gate", policy={"rules": [{**rule, "allow": [{"actions": ["proxy"]}]}]})

    def answer(location: bytes) -> tuple[int, bytes]:
        head = b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
        other.cluster.answer = lambda connection, _head: connection.send(head)
        with other.client() as client:
            client.send(b"GET /clusters/lab" + OWN + b"/admin/ HTTP/1.1\r\nHost: localhost\r\n" + ALICE + b"\r\n\r\n")
            return client.status(), client.last_head + client.last_body

    try:
        status, said = answer(OWN + b"/login?next=%2F")
        assert status == 302 and b"\r\nlocation: ../login?next=%2F\r\n" in said and b"cookie" not in said.lower()
        for location in (b"https://evil.example.com/", b"//evil.example.com/", b"/api/v1/secrets", OWN + b"/../evil"):
            status, said = answer(location)
            assert status == 502 and b"evil" not in said and b"location" not in said.lower()
        assert len(other.cluster.heads) == 5
    finally:
        other.gate.stop()
