"""``listen``, ``public_url`` and ``public_certificate_authority``: the addresses that people reach."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from attrs import frozen

from kgate.documents.values import Address, Network, Unacceptable, accept
from kgate.settings.certificates import listener_findings
from kgate.settings.reading import Place, Reading
from kgate.settings.values import FilePath


@frozen
class Tls:
    """A listener's certificate chain and key, PEM."""

    certificate: FilePath
    key: FilePath


@frozen
class ProxyProtocol:
    """Balancers whose PROXY protocol v2 header is required and believed; nobody else may send one."""

    trusted: tuple[Network, ...]

    def __attrs_post_init__(self) -> None:
        accept(None if self.trusted else Unacceptable("is an empty list", "name the balancers' networks", ("trusted",)))


@frozen
class Listen:
    """One public address."""

    address: Address
    tls: Tls
    proxy_protocol: ProxyProtocol | None = None


def check_listeners(reading: Reading, listen: Iterable[Listen], public_url: str) -> None:
    """Certificates and addresses."""
    seen: dict[object, int] = {}
    for number, each in enumerate(listen):
        place: Place = ("listen", number)
        if each.address.port and seen.setdefault(each.address, number) != number:
            reading.sections.fault((*place, "address"), f"{each.address} stands here twice", "take one out")
        certificate = reading.bytes_of((*place, "tls", "certificate"), each.tls.certificate)
        key = reading.bytes_of((*place, "tls", "key"), each.tls.key)
        if certificate is not None and key is not None:
            reading.note((*place, "tls"), listener_findings(certificate, key, urlsplit(public_url).hostname or "", reading.now))
    if "listen" in reading.sections.values and not seen and not reading.sections.values["listen"]:
        reading.sections.fault(("listen",), "is an empty list", "name at least one address")


def check_addresses(reading: Reading, listen: Sequence[Listen], admin: Address | None, workers: int) -> None:
    """Each must be one that the others leave free, and the same for all workers."""
    for number, each in enumerate(listen):
        for other in listen[:number]:
            wide = next((one for one in (each, other) if _takes(one.address, each.address) and _takes(one.address, other.address)), None)
            if wide is not None and each.address != other.address:
                narrow = other if wide is each else each
                text = f"{wide.address} takes {narrow.address} too"
                reading.sections.fault(("listen", number, "address"), text, f"take {narrow.address} out, or give it another port")
        if admin is not None and (_takes(each.address, admin) or _takes(admin, each.address)):
            reading.sections.fault(("admin", "address"), f"{admin} is taken by listen[{number}] ({each.address})", "give it another port")
        if not each.address.port and workers > 1:
            text = "port 0 would be another one for each of the workers"
            reading.sections.fault(("listen", number, "address"), text, "choose a port, or leave workers out")


def _takes(one: Address, other: Address) -> bool:
    """Whether nobody can listen on ``other`` beside ``one``: ``[::]`` is every address, IPv4's too."""
    if one.port != other.port or not one.port:
        return False
    here, there = ipaddress.ip_address(one.host), ipaddress.ip_address(other.host)
    return here == there or (here.is_unspecified and here.version >= there.version)


def public_authority(reading: Reading, path: Path | None) -> bytes | None:
    """Who signs the listeners' certificates."""
    return reading.authority((), "public_certificate_authority", path)
