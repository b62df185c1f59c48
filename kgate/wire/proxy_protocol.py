"""PROXY protocol version 2: a load balancer says, before anything else, which client it speaks for.

The header is 12 bytes of signature, a version and command byte, an address family byte, a length and so many bytes of addresses and
extensions (haproxy.org, "The PROXY protocol", section 2.2). It is read only from balancers that the configuration names: from anybody else it
would let a client choose its own address (security.md class 11).
"""

from __future__ import annotations

import ipaddress
from struct import Struct
from typing import NamedTuple

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_FIXED = Struct("!12sBBH")
LONGEST = 1024
"""Extensions past this are refused: the header has to come at once."""


class ProxyHeader(NamedTuple):
    """``address`` is None for LOCAL (the balancer's own health check); ``length`` bytes are to be dropped."""

    address: str | None
    length: int


class ProxyHeaderInvalid(NamedTuple):
    """What came is not a version 2 header."""

    text: str


def parse_proxy_header(data: bytes) -> ProxyHeader | ProxyHeaderInvalid | None:
    """The header at the start of ``data``; None where more bytes are needed."""
    if not data.startswith(SIGNATURE[: len(data)]):
        return ProxyHeaderInvalid("no PROXY protocol v2 signature")
    if len(data) < _FIXED.size:
        return None
    _, version_command, family, length = _FIXED.unpack_from(data)
    if version_command not in (0x20, 0x21):
        return ProxyHeaderInvalid(f"PROXY protocol version/command {version_command:#x}")
    if length > LONGEST:
        return ProxyHeaderInvalid(f"PROXY header of {length} bytes")
    end = _FIXED.size + length
    if len(data) < end:
        return None
    if version_command == 0x20:
        return ProxyHeader(None, end)
    return _addressed(family, data[_FIXED.size : end], end)


def _addressed(family: int, body: bytes, end: int) -> ProxyHeader | ProxyHeaderInvalid:
    size = {0x11: 4, 0x21: 16}.get(family)
    if size is None:
        return ProxyHeaderInvalid(f"PROXY address family {family:#x}: only TCP over IPv4 and IPv6 is spoken here")
    if len(body) < 2 * size + 4:
        return ProxyHeaderInvalid("PROXY header shorter than its addresses")
    return ProxyHeader(str(ipaddress.ip_address(body[:size])), end)
