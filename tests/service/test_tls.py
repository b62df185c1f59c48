"""How clients connect: what ALPN agrees on, which TLS, with a certificate or without."""

from __future__ import annotations

import contextlib
import socket
import ssl

import pytest
from arena import Arena
from authority import Authority
from running import PODS, Make


@pytest.fixture(scope="module")
def arena(make_shared: Make) -> Arena:
    """A gate that serves."""
    made = make_shared()
    made.gate.start()
    return made


@pytest.mark.parametrize(
    ("offered", "agreed"),
    [
        (["h2", "http/1.1"], "h2"),
        (["http/1.1", "h2"], "h2"),
        (["h2"], "h2"),
        (["http/1.1"], "http/1.1"),
        ([], None),
        (["spdy/3", "http/1.1"], "http/1.1"),
        (["spdy/3"], None),
    ],
)
def test_what_is_spoken_is_what_alpn_agrees_on(arena: Arena, offered: list[str], agreed: str | None) -> None:
    context = arena.gate.context()
    if offered:
        context.set_alpn_protocols(offered)
    with ssl_connection(arena, context) as tls:
        assert tls.selected_alpn_protocol() == agreed
        if agreed == "h2":
            tls.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
            assert tls.recv(9)[3] == 4
        else:
            tls.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert tls.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")


def ssl_connection(arena: Arena, context: ssl.SSLContext, name: str | None = "localhost") -> ssl.SSLSocket:
    """A TLS connection of the caller's own making."""
    raw = socket.create_connection(("127.0.0.1", arena.gate.port), 60)
    return context.wrap_socket(raw, server_hostname=name)


def health(arena: Arena, context: ssl.SSLContext, name: str | None = "localhost") -> bytes:
    """What a client of that context reads of /healthz; nothing where it is not served."""
    with contextlib.suppress(ssl.SSLError, ConnectionError), ssl_connection(arena, context, name) as tls:
        tls.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return tls.recv(1000)
    return b""


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_is_1_2_or_1_3(arena: Arena, version: ssl.TLSVersion) -> None:
    context = arena.gate.context()
    context.minimum_version = context.maximum_version = version
    with ssl_connection(arena, context) as tls:
        assert tls.version() == {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version]


def test_tls_is_nothing_older(arena: Arena) -> None:
    context = arena.gate.context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        ssl_connection(arena, context)


def test_a_client_certificate_is_as_good_as_a_token_and_neither_is_a_401(arena: Arena, authority: Authority) -> None:
    carol = authority.leaf(common_name="carol", organizations=("developers",), client=True)
    certificate, key = carol.write(arena.gate.folder, "carol")
    context = arena.gate.context()
    context.load_cert_chain(certificate, key)
    head = b"GET /clusters/lab/api/v1/pods HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with ssl_connection(arena, context) as tls:
        tls.sendall(head)
        assert tls.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert b"\r\nimpersonate-user: carol\r\n" in arena.cluster.heads[-1].lower()
    assert arena.ask(head) == 401
    assert arena.get(PODS) == 200


def test_a_client_certificate_of_somebody_elses_is_refused(arena: Arena) -> None:
    context = arena.gate.context()
    context.load_cert_chain(*Authority("somebody else").leaf(common_name="carol", client=True).write(arena.gate.folder, "carol"))
    assert health(arena, context) == b""


def test_a_client_without_sni_is_served(arena: Arena) -> None:
    context = arena.gate.context()
    context.check_hostname = False
    assert health(arena, context, None).startswith(b"HTTP/1.1 200 ")
