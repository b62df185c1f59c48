"""Asking a forward proxy for a way to a cluster."""

from __future__ import annotations

from base64 import b64encode

import pytest

from kgate.wire.forward_proxy import Failed, HttpConnect, Opened, Send, Socks5

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


def test_connect() -> None:
    proxy = HttpConnect("cluster", 6443)
    assert proxy.begin() == b"CONNECT cluster:6443 HTTP/1.1\r\nHost: cluster:6443\r\n\r\n"
    assert all(proxy.receive(ESTABLISHED[:at]) is None for at in range(len(ESTABLISHED)))
    assert proxy.receive(ESTABLISHED) == Opened()


def test_connect_with_a_password_to_an_ipv6_address() -> None:
    sent = HttpConnect("fd00::1", 443, "u", "p:w").begin()
    assert sent.startswith(b"CONNECT [fd00::1]:443 HTTP/1.1\r\n")
    assert b"\r\nProxy-Authorization: Basic " + b64encode(b"u:p:w") + b"\r\n" in sent


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "the proxy answered HTTP/1.1 407 Proxy Authentication Required"),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", "the proxy answered HTTP/1.1 302 Found"),
        (b"SSH-2.0-x\r\n\r\n", "the proxy answered SSH-2.0-x"),
        (b"HTTP/1.1\r\n\r\n", "the proxy answered HTTP/1.1"),
        (b"\r\n\r\n", "the proxy answered "),
        (b"HTTP/2 200 OK\r\n\r\n", "the proxy answered HTTP/2 200 OK"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "the proxy answered HTTP/1.1 2000 OK"),
        (b"HTTP/1.1 502 " + b"x" * 100 + b"\r\nX: y\r\n\r\n", "the proxy answered HTTP/1.1 502 " + "x" * 87),
        (ESTABLISHED + b"\x16", "the proxy sent bytes after its answer"),
        (b"x" * 8193, "the proxy's answer is too long"),
    ],
)
def test_connect_refused(answer: bytes, text: str) -> None:
    assert HttpConnect("a", 1).receive(answer) == Failed(text)


def test_an_answer_may_lack_a_phrase_and_may_take_its_time() -> None:
    assert HttpConnect("a", 1).receive(b"HTTP/1.0 200\r\nVia: x\r\n\r\n") == Opened()
    assert HttpConnect("a", 1).receive(b"x" * 8192) is None


@pytest.mark.parametrize("bound", [b"\x01" + bytes(6), b"\x04" + bytes(18), b"\x03\x03abc" + bytes(2)], ids=["IPv4", "IPv6", "a name"])
def test_socks(bound: bytes) -> None:
    proxy = Socks5("cluster", 6443)
    assert proxy.begin() == b"\x05\x01\x00"
    assert proxy.receive(b"\x05") is None
    assert proxy.receive(b"\x05\x00") == Send(b"\x05\x01\x00\x03\x07cluster\x19\x2b")
    reply = b"\x05\x00\x00" + bound
    assert all(proxy.receive(reply[:at]) is None for at in range(len(reply)))
    assert proxy.receive(reply) == Opened()


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (1, "general failure"), (2, "not allowed"), (3, "network unreachable"), (4, "host unreachable"), (5, "connection refused"),
        (6, "TTL expired"),
    ],
)  # fmt: skip
def test_what_socks_says_of_a_way_that_does_not_open(code: int, text: str) -> None:
    """RFC 1928 section 6. Five bytes tell it."""
    proxy = Socks5("a", 1)
    proxy.receive(b"\x05\x00")
    assert proxy.receive(b"\x05%c\x00\x01" % code) is None
    assert proxy.receive(b"\x05%c\x00\x01\x00" % code) == Failed(f"the SOCKS proxy answered: {text}")


def test_socks_refused() -> None:
    assert Socks5("a", 1).receive(b"\x05\xff") == Failed("the SOCKS proxy wants authentication, or is not version 5")
    assert Socks5("a", 1).receive(b"\x04\x5a") == Failed("the SOCKS proxy wants authentication, or is not version 5")
    proxy = Socks5("a", 1)
    proxy.receive(b"\x05\x00")
    assert proxy.receive(b"\x05\x63\x00\x01" + bytes(6)) == Failed("the SOCKS proxy answered: error 99")
    assert proxy.receive(b"\x04\x00\x00\x01" + bytes(6)) == Failed("the SOCKS proxy answered: error 0")
    assert proxy.receive(b"\x05\x00\x00\x02\0") == Failed("the SOCKS proxy answered with an address of kind 2, which there is not")
    assert proxy.receive(b"\x05\x00\x00\x01" + bytes(6) + b"\x16") == Failed("the SOCKS proxy sent bytes after its answer")


@pytest.mark.parametrize(
    ("host", "written"),
    [
        ("10.0.0.5", b"\x01\x0a\x00\x00\x05"),
        ("fd00::1", b"\x04\xfd" + bytes(14) + b"\x01"),
        ("10.example", b"\x03\x0a10.example"),
        ("bücher.example", b"\x03\x15xn--bcher-kva.example"),
    ],
)
def test_socks_has_each_kind_of_address_in_its_own_form(host: str, written: bytes) -> None:
    """Of an address as a name, some proxies ask the DNS (RFC 1928 section 5 has a form for each)."""
    assert Socks5(host, 443).receive(b"\x05\x00") == Send(b"\x05\x01\x00" + written + b"\x01\xbb")


def test_socks_with_a_password() -> None:
    """RFC 1929; a proxy that asks for none is told none."""
    proxy = Socks5("a", 1, "gate", "s:cret")
    assert proxy.begin() == b"\x05\x02\x00\x02"
    assert proxy.receive(b"\x05\x02") == Send(b"\x01\x04gate\x06s:cret")
    assert proxy.receive(b"\x01") is None
    assert proxy.receive(b"\x01\x00") == Send(b"\x05\x01\x00\x03\x01a\x00\x01")
    assert proxy.receive(b"\x05\x00\x00\x01" + bytes(6)) == Opened()
    unasked = Socks5("a", 1, "gate", "s:cret")
    assert unasked.receive(b"\x05\x00") == Send(b"\x05\x01\x00\x03\x01a\x00\x01")


def test_socks_with_a_password_that_is_wrong() -> None:
    proxy = Socks5("a", 1, "gate", "wrong")
    proxy.receive(b"\x05\x02")
    assert proxy.receive(b"\x01\x01") == Failed("the SOCKS proxy does not accept the user and password")
    assert Socks5("a", 1, "gate", "x").receive(b"\x05\xff") == Failed("the SOCKS proxy takes neither nobody nor a user and password")
    assert Socks5("a", 1, "gate", "x").receive(b"\x04\x5a") == Failed("the SOCKS proxy wants authentication, or is not version 5")
    assert Socks5("a", 1).receive(b"\x05\x02") == Failed("the SOCKS proxy wants authentication, or is not version 5")
