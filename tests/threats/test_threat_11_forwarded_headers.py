"""Class 11: a client that says where it comes from is not believed, and the cluster is not told so either. A configured balancer is."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Iterator

import pytest
from arena import HEAD, Arena
from ports import free_port
from proxy_header import header, speaks_for

from kgate.wire.proxy_protocol import SIGNATURE

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
    (request,) = [record for record in arena.gate.records()[before:] if record["event"] == "request" and record["allowed"]]
    assert request["source_ip"] == "127.0.0.1" and request["verb"] == "list"


# A balancer at 127.0.0.2 is configured, and speaks PROXY protocol v2; everybody else at 127.0.0.1 is nobody.

BALANCER, NOBODY = "127.0.0.2", "127.0.0.1"


@pytest.fixture(scope="module")
def _balanced(_arena: Arena, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    port = free_port()
    listen = {
        "address": f"127.0.0.1:{port}",
        "tls": {"certificate": "gate.crt", "key": "gate.key"},
        "proxy_protocol": {"trusted": [BALANCER]},
    }
    made = _arena.beside(tmp_path_factory.mktemp("balanced"), settings={"listen": [listen]})
    made.gate.port = port
    yield made
    made.gate.stop()


@pytest.fixture
def balanced(_balanced: Arena) -> Arena:
    _balanced.cluster.reset()
    return _balanced


def asked_from(arena: Arena, source: str, before: list[bytes], *lines: bytes) -> str:
    """Whom the gate takes for the client of a request behind ``before``; empty where it does not listen."""
    records = len(arena.gate.records())
    with socket.create_connection(("127.0.0.1", arena.gate.port), 60, source_address=(source, 0)) as raw:
        for piece in before:
            raw.sendall(piece)
        try:
            with arena.gate.context().wrap_socket(raw, server_hostname="localhost") as tls:
                tls.sendall(b"GET /clusters/lab/api/v1/pods HTTP/1.1\r\n" + HEAD + b"".join(line + b"\r\n" for line in lines) + b"\r\n")
                assert tls.recv(100).startswith(b"HTTP/1.1 200 ")
        except (ConnectionError, ssl.SSLError):
            return ""
    (request,) = [record for record in arena.gate.records()[records:] if record["event"] == "request" and record["allowed"]]
    return str(request["source_ip"])


@pytest.mark.parametrize("client", ["192.0.2.9", "2001:db8::9"])
def test_a_configured_balancer_says_which_client_it_speaks_for(balanced: Arena, client: str) -> None:
    assert asked_from(balanced, BALANCER, [speaks_for(client)]) == client


def test_its_header_may_come_byte_by_byte_and_with_more_than_addresses(balanced: Arena) -> None:
    assert asked_from(balanced, BALANCER, [bytes([byte]) for byte in speaks_for("192.0.2.9")]) == "192.0.2.9"
    more = ipaddress.ip_address("192.0.2.9").packed + bytes(8) + b"\x04\x00\x03abc"
    assert asked_from(balanced, BALANCER, [header(1, 0x11, more)]) == "192.0.2.9"


def test_a_mapped_address_is_the_ipv4_one_that_rules_name(balanced: Arena) -> None:
    assert asked_from(balanced, BALANCER, [speaks_for("::ffff:192.0.2.9")]) == "192.0.2.9"


def test_where_it_speaks_for_itself_its_own_address_counts(balanced: Arena) -> None:
    assert asked_from(balanced, BALANCER, [header(0, 0, b"")]) == BALANCER


def test_nobody_else_may_say_so(balanced: Arena) -> None:
    assert asked_from(balanced, NOBODY, [speaks_for("192.0.2.9")]) == ""
    assert asked_from(balanced, NOBODY, []) == NOBODY


def test_nor_anybody_where_none_is_configured(arena: Arena) -> None:
    assert asked_from(arena, BALANCER, [speaks_for("192.0.2.9")]) == ""


@pytest.mark.parametrize(
    "before",
    [
        [],
        [b"PROXY TCP4 192.0.2.9 127.0.0.1 4660 8443\r\n"],
        [header(1, 0x31, bytes(216))],
        [header(1, 0x12, bytes(12))],
        [header(1, 0x11, bytes(8))],
        [header(2, 0x11, bytes(12))],
        [SIGNATURE + b"\x11\x11\x00\x0c" + bytes(12)],
        [header(1, 0x11, bytes(60000))],
        [speaks_for("192.0.2.9"), speaks_for("192.0.2.10")],
    ],
    ids=["none", "version 1", "a Unix socket", "UDP", "too short", "an unknown command", "version 1 in binary", "60 KB", "two of them"],
)
def test_a_header_that_could_mean_anything_else_ends_the_connection(balanced: Arena, before: list[bytes]) -> None:
    assert asked_from(balanced, BALANCER, before) == ""
    assert balanced.cluster.heads == []


def test_a_balancers_http_headers_are_believed_no_more_than_anybodys(balanced: Arena) -> None:
    assert asked_from(balanced, BALANCER, [speaks_for("192.0.2.9")], b"X-Forwarded-For: 10.0.0.1") == "192.0.2.9"
