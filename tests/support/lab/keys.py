"""Certificates for the gate that the suite starts: an authority and a leaf, never one for both, and expired ones where a test needs them."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


@frozen
class Signed:
    """A certificate with its key, as PEM."""

    certificate: bytes
    key: bytes

    def write(self, certificate: Path, key: Path) -> None:
        """Writes both; the key only for its owner."""
        certificate.write_bytes(self.certificate)
        key.touch(0o600)
        key.write_bytes(self.key)


class Authority:
    """A certificate authority that lives as long as the test run."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        builder = _validity(_builder(self._name, self._name, self._key), 0, 30)
        builder = builder.add_extension(x509.BasicConstraints(True, 0), True).add_extension(usage, True)
        self._certificate = builder.sign(self._key, hashes.SHA256())
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM)

    def server(self, *names: str, ends_in_days: float = 20) -> Signed:
        """A leaf for a server; a negative ``ends_in_days`` has already expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _validity(_builder(_name(names[0]), self._name, key), -60, ends_in_days)
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), False)
        return self._sign(builder, key, ExtendedKeyUsageOID.SERVER_AUTH)

    def person(self, user: str, *groups: str) -> Signed:
        """A leaf for a client: CN is the user, each O a group."""
        key = ec.generate_private_key(ec.SECP256R1())
        return self._sign(_validity(_builder(_name(user, *groups), self._name, key), 0, 20), key, ExtendedKeyUsageOID.CLIENT_AUTH)

    def _sign(self, builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, use: x509.ObjectIdentifier) -> Signed:
        builder = builder.add_extension(x509.BasicConstraints(False, None), True).add_extension(x509.ExtendedKeyUsage([use]), False)
        certificate = builder.sign(self._key, hashes.SHA256())
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return Signed(certificate.public_bytes(serialization.Encoding.PEM), private)


def _name(common: str, *organisations: str) -> x509.Name:
    return x509.Name(
        [*(x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in organisations), x509.NameAttribute(NameOID.COMMON_NAME, common)]
    )


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    return builder.serial_number(x509.random_serial_number())


def _validity(builder: x509.CertificateBuilder, begins_in_days: float, ends_in_days: float) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return builder.not_valid_before(now + begins_in_days * DAY - DAY / 24).not_valid_after(now + ends_in_days * DAY)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
