"""Client certificates: the common name is the user, each organization a group, as Kubernetes reads them.

The listener's TLS has verified the chain when a certificate arrives here. That is not enough by itself, so everything is held against the configured
authority once more (security.md class 23): the leaf must be signed by it *directly*, be meant for clients (extendedKeyUsage clientAuth, RFC 5280
section 4.2.1.12; a certificate without one is good for anything in Go's eyes and for nothing in ours) and be no authority itself. What a
certificate says does not change, so the answer is kept under the digest of its DER; its validity is held against the clock on every use, and the
identity expires with it. Names come from the subject alone; alternative names are for servers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from attrs import frozen
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kgate.identity.credentials import Credentials, Rejected
from kgate.identity.names import identity_fault
from kgate.model import Identity

ISSUER = "client-certificate"
KEPT = 4096
_ASK = "ask for a new certificate"


@frozen
class _Read:
    """What a certificate says, and when it does."""

    identity: Identity
    begins: float
    ends: float


class ClientCertificates:
    """People and programs with a certificate of one of ``authorities``."""

    def __init__(self, authorities: Sequence[x509.Certificate]) -> None:
        self._authorities = tuple(authorities)
        self._known: dict[bytes, _Read | Rejected] = {}

    def authenticate(self, credentials: Credentials, now: float) -> Identity | Rejected | None:
        """Whose certificate it is; None where there is none."""
        if credentials.certificate is None:
            return None
        read = self._read(credentials.certificate)
        if isinstance(read, Rejected):
            return read
        if now < read.begins:
            return Rejected("the client certificate is not valid yet", "check this machine's clock")
        return read.identity if now < read.ends else Rejected("the client certificate has expired", _ASK)

    def _read(self, der: bytes) -> _Read | Rejected:
        digest = hashlib.sha256(der).digest()
        known = self._known.get(digest)
        if known is None:
            if len(self._known) >= KEPT:
                self._known.clear()
            known = self._known[digest] = read_certificate(der, self._authorities)
        return known


def load_authorities(pem: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates of a bundle. Raises ValueError where it has none, or one that is no authority."""
    authorities = tuple(x509.load_pem_x509_certificates(pem))
    for authority in authorities:
        if not _is_authority(authority):
            raise ValueError(f"{authority.subject.rfc4514_string()} is not a certificate authority")
    return authorities


def read_certificate(der: bytes, authorities: Sequence[x509.Certificate]) -> _Read | Rejected:
    """What the certificate says, held against ``authorities``."""
    try:
        leaf = x509.load_der_x509_certificate(der)
        issuer = next((each for each in authorities if _signed_by(leaf, each)), None)
        if issuer is None:
            return Rejected("the client certificate is not signed by the gate's authority for people", _ASK)
        if _is_authority(leaf) or not _for_clients(leaf):
            return Rejected("the certificate is not meant for clients", "ask for one with the extended key usage clientAuth")
        return _identity(leaf, issuer)
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return Rejected("the client certificate cannot be read", _ASK)


def _identity(leaf: x509.Certificate, issuer: x509.Certificate) -> _Read | Rejected:
    users = _values(leaf, NameOID.COMMON_NAME)
    groups = tuple(dict.fromkeys(_values(leaf, NameOID.ORGANIZATION_NAME)))
    if len(users) != 1:
        return Rejected("the client certificate must have exactly one common name", _ASK)
    fault = identity_fault(users[0], groups)
    if fault is not None:
        return Rejected(f"the client certificate cannot be used: {fault}", _ASK)
    begins = max(each.not_valid_before_utc.timestamp() for each in (leaf, issuer))
    ends = min(each.not_valid_after_utc.timestamp() for each in (leaf, issuer))
    return _Read(Identity(users[0], groups, issuer=ISSUER, expires=ends), begins, ends)


def _signed_by(leaf: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _for_clients(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.CLIENT_AUTH in usage


def _values(certificate: x509.Certificate, kind: x509.ObjectIdentifier) -> list[str]:
    return [value if isinstance(value := each.value, str) else "" for each in certificate.subject.get_attributes_for_oid(kind)]
