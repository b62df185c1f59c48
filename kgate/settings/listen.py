"""``listen``, ``public_url`` and ``public_certificate_authority``: the addresses that people reach."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from attrs import frozen

from kgate.documents.values import Address, Network, Unacceptable, accept
from kgate.settings.certificates import authority_findings, listener_findings
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


def public_authority(reading: Reading, path: Path | None) -> bytes | None:
    """Who signs the listeners' certificates."""
    pem = reading.bytes_of(("public_certificate_authority",), path) if path is not None else None
    if pem is not None:
        reading.note((), authority_findings("public_certificate_authority", pem, reading.now))
    return pem
