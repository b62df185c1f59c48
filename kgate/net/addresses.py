"""Whose an address is, where something is counted by address (security.md classes 16 and 19). A host with IPv6 takes whatever addresses it likes of its
own network, another one for each connection if it likes: of IPv6 a /64 is one (RFC 4291 section 2.5.4, RFC 8981)."""

from __future__ import annotations

from ipaddress import IPv6Network


def whose(address: str) -> str:
    """What is counted for ``address``, which has no zone and is not an IPv4 one inside IPv6."""
    return str(IPv6Network((address, 64), strict=False)) if ":" in address else address
