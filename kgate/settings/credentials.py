"""``identity``: static tokens, and the certificates of people and devices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NewType

from attrs import field, frozen
from cryptography.x509 import CertificateRevocationList

from kgate.documents.values import Duration, Unacceptable, accept
from kgate.identity.certificates import CertificateText, CertificateTexts, PeopleAuthority
from kgate.identity.devices import BodyItems, ItemCondition, ItemText, ItemValue, load_devices
from kgate.identity.robots import Digest, load_tokens
from kgate.identity.tokens import Tokens
from kgate.identity.trust import Trust, load_authorities, load_lists
from kgate.model import Device
from kgate.settings.certificates import authority_findings
from kgate.settings.reading import Place, Reading
from kgate.settings.values import FilePath, ServerUrl


@frozen
class TokensFile:
    """Static tokens."""

    file: FilePath


@frozen
class ClientCertificateAuthority:
    """Who signs people's certificates, PEM; their lists of revoked ones; and how names are read where not from CN and O."""

    authority: FilePath
    crl: tuple[FilePath, ...] = ()
    username: CertificateText | None = None
    groups: CertificateTexts | None = None


ClientCertificateAuthorities = NewType("ClientCertificateAuthorities", tuple[ClientCertificateAuthority, ...])
"""One, or a list of several."""


@frozen
class InventoryApi:
    """An inventory that is asked over HTTPS, and how its answer is read."""

    url: ServerUrl
    items: BodyItems
    name: ItemText
    compliant: ItemCondition | None = None
    posture: Mapping[str, ItemValue] = field(factory=dict)
    certificate_authority: FilePath | None = None
    token_file: FilePath | None = None
    """What the gate shows there, as a bearer token; read again each time."""
    every: Duration = field(default=Duration(60.0))
    keep: Duration = field(default=Duration(900.0))
    """How long what is known holds while the inventory does not answer; then nothing is known."""
    push_sha256: Digest | None = None
    """Digest of the token with which the inventory says that something changed (POST /kgate/v1/devices/changed)."""


@frozen
class DeviceSettings:
    """Who signs devices' certificates, and what is known of devices."""

    authority: FilePath
    crl: tuple[FilePath, ...] = ()
    name: CertificateText | None = None
    """Default: the common name."""
    file: FilePath | None = None
    api: InventoryApi | None = None

    def __attrs_post_init__(self) -> None:
        accept(Unacceptable("goes not with file", "keep one inventory", ("api",)) if self.file and self.api else None)


@frozen(eq=False)
class DeviceSources:
    """What ``identity.devices`` names. ``api_authority`` is PEM: whom to trust for its API."""

    trust: Trust
    listed: Mapping[str, Device]
    api_authority: str | None


def static_tokens(reading: Reading, tokens: TokensFile | None) -> Tokens | None:
    """The file of static tokens."""
    return reading.document(("identity", "tokens", "file"), tokens.file, load_tokens) if tokens is not None else None


def people_authorities(reading: Reading, authorities: ClientCertificateAuthorities) -> tuple[PeopleAuthority, ...]:
    """Who signs people's certificates."""
    found = []
    several = isinstance((reading.sections.root.get("identity") or {}).get("client_certificates"), list)
    for number, each in enumerate(authorities):
        place: Place = ("identity", "client_certificates", *((number,) if several else ()))
        trust = _trust(reading, place, each.authority, each.crl)
        found += [PeopleAuthority(trust, each.username, each.groups)] if trust is not None else []
    return tuple(found)


def device_sources(reading: Reading, devices: DeviceSettings | None) -> DeviceSources | None:
    """Who signs devices' certificates, and the file of devices."""
    if devices is None:
        return None
    place: Place = ("identity", "devices")
    trust = _trust(reading, place, devices.authority, devices.crl)
    listed = reading.document((*place, "file"), devices.file, load_devices) if devices.file is not None else {}
    authority = None
    if devices.api is not None and devices.api.certificate_authority is not None:
        raw = reading.authority((*place, "api"), "certificate_authority", devices.api.certificate_authority)
        authority = raw.decode("ascii", "replace") if raw is not None else None
    return DeviceSources(trust, listed or {}, authority) if trust is not None else None


def _trust(reading: Reading, place: Place, authority: Path, crl: Iterable[Path]) -> Trust | None:
    """Authorities and their lists of revoked certificates; a list that is out of date is said, and refuses everybody of its authority."""
    pem = reading.bytes_of((*place, "authority"), authority)
    findings = reading.judged(authority_findings("authority", pem, reading.now)) if pem is not None else []
    reading.note(place, findings)
    if pem is None or any(finding.serious for finding in findings):
        return None
    try:
        authorities = load_authorities(pem)
    except ValueError as error:
        reading.sections.fault((*place, "authority"), str(error), "name the certificate that signs certificates for clients")
        return None
    lists: list[CertificateRevocationList] = []
    for number, path in enumerate(crl):
        raw = reading.bytes_of((*place, "crl", number), path)
        try:
            lists += load_lists(raw, authorities) if raw is not None else ()
        except Unacceptable as error:
            reading.sections.fault((*place, "crl", number), f"{path} {error.text}", error.hint)
    for each in lists:
        until = each.next_update_utc
        if until is not None and until.timestamp() <= reading.now:
            name = each.issuer.rfc4514_string()
            reading.warn((*place, "crl"), f"the list of {name} is out of date: its certificates are refused", "fetch a new one")
    return Trust(authorities, tuple(lists))
