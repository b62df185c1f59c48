"""PROXY protocol v2 headers, against a writer of its own and cut anywhere. Who may send one at all: tests/threats, class 11."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgate.wire.proxy_protocol import SIGNATURE, ProxyHeader, ProxyHeaderInvalid, parse_proxy_header

pytestmark = pytest.mark.threat("11")
addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))


def written(source: ipaddress.IPv4Address | ipaddress.IPv6Address, extensions: bytes = b"") -> bytes:
    body = source.packed + bytes(len(source.packed)) + b"\x12\x34\x20\xfb" + extensions
    return SIGNATURE + bytes([0x21, 0x11 if source.version == 4 else 0x21]) + len(body).to_bytes(2, "big") + body


@given(addresses, st.binary(max_size=60), st.binary(max_size=20))
def test_it_is_read_whole_or_waited_for_and_what_follows_is_left(
    source: ipaddress.IPv4Address | ipaddress.IPv6Address, extensions: bytes, behind: bytes
) -> None:
    data = written(source, extensions)
    assert parse_proxy_header(data + behind) == ProxyHeader(str(source), len(data))
    assert all(parse_proxy_header(data[:at]) is None for at in range(len(data)))


@given(st.binary(max_size=80), st.sampled_from([b"\x20", b"\x21", b"\x21\x11\0", b"\x21\x21\0"]), st.binary(max_size=60))
def test_any_bytes_give_an_address_a_sentence_or_a_wait(other: bytes, kind: bytes, body: bytes) -> None:
    read = parse_proxy_header(other)
    assert isinstance(read, ProxyHeaderInvalid) or SIGNATURE.startswith(other[:12])
    data = SIGNATURE + kind + body
    read = parse_proxy_header(data)
    assert not isinstance(read, ProxyHeader) or 16 <= read.length <= len(data)


def test_the_longest_that_is_read() -> None:
    data = written(ipaddress.IPv4Address("192.0.2.1"), bytes(1024 - 12))
    assert parse_proxy_header(data) == ProxyHeader("192.0.2.1", 16 + 1024)


def test_a_balancer_that_speaks_for_itself() -> None:
    assert parse_proxy_header(SIGNATURE + b"\x20\x00\x00\x03abc") == ProxyHeader(None, 19)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"PROXY TCP4 ", "no PROXY protocol v2 signature"),
        (b"\x16\x03\x01", "no PROXY protocol v2 signature"),
        (SIGNATURE + b"\x11\x11\x00\x0c", "PROXY protocol version/command 0x11"),
        (SIGNATURE + b"\x22\x11\x00\x0c", "PROXY protocol version/command 0x22"),
        (SIGNATURE + b"\x21\x12\x00\x0c" + bytes(12), "PROXY address family 0x12: only TCP over IPv4 and IPv6 is spoken here"),
        (SIGNATURE + b"\x21\x11\x00\x0b" + bytes(11), "PROXY header shorter than its addresses"),
        (SIGNATURE + b"\x21\x11" + (1025).to_bytes(2, "big"), "PROXY header of 1025 bytes"),
    ],
)
def test_refused(data: bytes, sentence: str) -> None:
    assert parse_proxy_header(data) == ProxyHeaderInvalid(sentence)
