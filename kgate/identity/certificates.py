"""Client certificates of people and programs: the common name is the user, each organization a group, as Kubernetes reads them; or as CEL maps them.

``trust`` says which are believed. What a certificate says does not change, so it is kept under the digest of its DER; validity and revocation are held
against the clock on every use, and the identity expires with the certificate. Names come from the subject; alternative names are for servers, unless the
operator's expression takes them: ``certificate.email[0]`` (security.md class 23, SAN confusion).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NewType

from attrs import frozen
from cryptography import x509
from cryptography.x509.oid import NameOID

from kgate.expressions import Expression, Failed, Kind, Vocabulary
from kgate.identity.credentials import Credentials, Rejected
from kgate.identity.names import identity_fault, machine_fault
from kgate.identity.trust import ASK, Trust, Vouched, vouch
from kgate.memory import remember
from kgate.model import Identity

ISSUER = "client-certificate"
KEPT = 4096
CERTIFICATE = Vocabulary({"certificate": Kind.MAPPING})
"""``certificate.common_name``, ``organizations``, ``organizational_units`` (lists), ``serial`` (hexadecimal), ``issuer`` (RFC 4514), and the alternative
names ``dns``, ``email``, ``uri`` (lists)."""

CertificateText = NewType("CertificateText", Expression)
CertificateTexts = NewType("CertificateTexts", Expression)


@frozen(eq=False)
class PeopleAuthority:
    """Authorities whose leaves are people and programs, and how they are named where it is not by CN and O."""

    trust: Trust
    username: Expression | None = None
    groups: Expression | None = None


@frozen
class _Read:
    """What a certificate says, and when it does."""

    identity: Identity
    vouched: Vouched


class ClientCertificates:
    """People and programs with a certificate of one of ``authorities``."""

    def __init__(self, authorities: Sequence[PeopleAuthority]) -> None:
        self._authorities = tuple(authorities)
        self._known: dict[bytes, _Read | Rejected] = {}

    def authenticate(self, credentials: Credentials, now: float) -> Identity | Rejected | None:
        """Whose certificate it is; None where there is none."""
        if credentials.certificate is None:
            return None
        read = self._read(credentials.certificate)
        return read if isinstance(read, Rejected) else read.vouched.problem(now) or read.identity

    def _read(self, der: bytes) -> _Read | Rejected:
        digest = hashlib.sha256(der).digest()
        known = self._known.get(digest)
        if known is None:
            known = remember(self._known, digest, read_certificate(der, self._authorities), KEPT)
        return known


def read_certificate(der: bytes, authorities: Sequence[PeopleAuthority]) -> _Read | Rejected:
    """What the certificate says, held against ``authorities``."""
    for each in authorities:
        vouched = vouch(der, each.trust)
        if vouched is not None:
            return vouched if isinstance(vouched, Rejected) else _identity(vouched, each)
    return Rejected("the client certificate is not signed by the gate's authority for people", ASK)


def _identity(vouched: Vouched, authority: PeopleAuthority) -> _Read | Rejected:
    leaf = vouched.leaf
    users = values(leaf, NameOID.COMMON_NAME)
    user = text_of(authority.username, leaf) if authority.username is not None else users[0] if len(users) == 1 else None
    if user is None:
        return Rejected("the client certificate must have exactly one common name", ASK)
    groups = _texts_of(authority.groups, leaf) if authority.groups is not None else tuple(values(leaf, NameOID.ORGANIZATION_NAME))
    if isinstance(user, Failed) or isinstance(groups, Failed):
        failed = user if isinstance(user, Failed) else groups
        return Rejected(f"the client certificate gives no name: {failed.text if isinstance(failed, Failed) else ''}", ASK)
    groups = tuple(dict.fromkeys(groups))
    fault = identity_fault(user, groups)
    if fault is not None:
        return Rejected(f"the client certificate cannot be used: {fault}", ASK)
    machine = machine_fault(user)
    if machine is not None:
        return Rejected(f"the client certificate {machine}", ASK)
    return _Read(Identity(user, groups, issuer=ISSUER, expires=vouched.ends), vouched)


def text_of(expression: Expression, leaf: x509.Certificate) -> str | Failed:
    """One name by an expression over ``certificate``."""
    found = expression.evaluate({"certificate": described(leaf)})
    return found if isinstance(found, (str, Failed)) else Failed("the expression gives no text")


def _texts_of(expression: Expression, leaf: x509.Certificate) -> tuple[str, ...] | Failed:
    found = expression.evaluate({"certificate": described(leaf)})
    if isinstance(found, list) and all(isinstance(each, str) for each in found):
        return tuple(found)
    return (found,) if isinstance(found, str) else found if isinstance(found, Failed) else Failed("the expression gives no texts")


def described(leaf: x509.Certificate) -> dict[str, object]:
    """What expressions see."""
    names = next((each.value for each in leaf.extensions if isinstance(each.value, x509.SubjectAlternativeName)), None)
    return {
        "common_name": next(iter(values(leaf, NameOID.COMMON_NAME)), ""),
        "organizations": values(leaf, NameOID.ORGANIZATION_NAME),
        "organizational_units": values(leaf, NameOID.ORGANIZATIONAL_UNIT_NAME),
        "serial": f"{leaf.serial_number:x}",
        "issuer": leaf.issuer.rfc4514_string(),
        "dns": names.get_values_for_type(x509.DNSName) if names is not None else [],
        "email": names.get_values_for_type(x509.RFC822Name) if names is not None else [],
        "uri": names.get_values_for_type(x509.UniformResourceIdentifier) if names is not None else [],
    }


def values(certificate: x509.Certificate, kind: x509.ObjectIdentifier) -> list[str]:
    """The subject's attributes of one kind; one that is no text counts as empty."""
    return [value if isinstance(value := each.value, str) else "" for each in certificate.subject.get_attributes_for_oid(kind)]
