"""What a balancer that speaks PROXY protocol v2 says before everything else."""

from __future__ import annotations

import ipaddress

from kgate.wire.proxy_protocol import SIGNATURE


def header(command: int, family: int, body: bytes) -> bytes:
    """A version 2 header."""
    return SIGNATURE + bytes([0x20 | command, family]) + len(body).to_bytes(2, "big") + body


def speaks_for(address: str) -> bytes:
    """What a balancer says of a client: its address and ports."""
    source = ipaddress.ip_address(address).packed
    return header(1, 0x11 if len(source) == 4 else 0x21, source + bytes(len(source)) + b"\x12\x34\x20\xfb")
