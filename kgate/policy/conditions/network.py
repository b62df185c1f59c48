"""``network: [10.0.0.0/8, "!10.9.0.0/16"]``: where the connection comes from. An address that cannot be read is unknown.

An IPv4 address inside IPv6 (``::ffff:10.0.0.1``, as a dual-stack listener reports it) is the IPv4 address, and so is a network of them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv6Network

from attrs import frozen

from kgate.documents.globs import split_exclusions
from kgate.documents.values import Network, Unacceptable, network
from kgate.model import Ground
from kgate.policy.question import Question

_MAPPED = IPv6Network("::ffff:0:0/96")
_FIRST_MAPPED = int(_MAPPED.network_address)
Span = tuple[int, int, int]
"""IP version, first and last address of a network."""


@frozen
class Networks:
    """A list of networks, as written and as spans of addresses."""

    texts: tuple[str, ...]
    included: tuple[Span, ...]
    excluded: tuple[Span, ...]
    ground = Ground.NETWORK

    def contains(self, text: str) -> bool | None:
        """Whether the address lies in one of them; None where it is no address."""
        address = _address(text)
        if address is None:
            return None
        return (not self.included or _within(address, self.included)) and not _within(address, self.excluded)

    def holds(self, asked: Question) -> bool | None:
        """Whether the client's address lies in one of them."""
        return self.contains(asked.context.address)

    def edge(self, asked: Question) -> float | None:
        """Never by itself."""
        return None

    def miss(self, asked: Question) -> str:
        """Which address is outside of what."""
        return f"address {asked.context.address or 'unknown'} is not in {self}"

    def hit(self, asked: Question) -> str:
        """Which address is inside of what."""
        return f"address {asked.context.address or 'unknown'} is in {self}"

    def __str__(self) -> str:
        return ", ".join(self.texts[:6]) + (", …" if len(self.texts) > 6 else "")


def networks(texts: Iterable[str]) -> Networks:
    """The list that ``texts`` write. Raises Unacceptable for the first that is no network, or where there is none."""
    texts = tuple(texts)
    if not texts:
        raise Unacceptable("is an empty list", "leave the key out, or name a network")
    included, excluded = split_exclusions(texts)
    return Networks(texts, tuple(_span(network(text)) for text in included), tuple(_span(network(text)) for text in excluded))


def _span(each: Network) -> Span:
    if isinstance(each, IPv6Network) and each.subnet_of(_MAPPED):
        return 4, int(each.network_address) - _FIRST_MAPPED, int(each.broadcast_address) - _FIRST_MAPPED
    return each.version, int(each.network_address), int(each.broadcast_address)


def _within(address: tuple[int, int], spans: tuple[Span, ...]) -> bool:
    version, value = address
    return any(version == kind and first <= value <= last for kind, first, last in spans)


@lru_cache(maxsize=4096)
def _address(text: str) -> tuple[int, int] | None:
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (4, int(mapped)) if mapped is not None else (parsed.version, int(parsed))
