"""Who signs client certificates, and which of those are revoked: what people's and devices' certificates have in common.

The listener's TLS has verified the chain when a certificate arrives here. That is not enough by itself, so everything is held against the configured
authorities once more (security.md class 23): the leaf must be signed by one of them *directly*, be meant for clients (extendedKeyUsage clientAuth, RFC 5280
section 4.2.1.12; a certificate without one is good for anything in Go's eyes and for nothing in ours) and be no authority itself.

Where an authority has lists of revoked certificates (CRL, RFC 5280 section 5), one that it signed must be in force: a list that is past its
``nextUpdate`` says nothing about today, and what cannot be judged is refused. Lists are files; a new one is a new configuration, which decides what
lives again.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID

from kgate.documents.values import Unacceptable
from kgate.identity.credentials import Rejected

ASK = "ask for a new certificate"
_PEM = b"-----BEGIN X509 CRL-----"
_KNOWN_EXTENSIONS = (x509.CRLNumber, x509.AuthorityKeyIdentifier, x509.IssuerAlternativeName, x509.FreshestCRL)
_OF_LEAVES = x509.IssuingDistributionPoint(None, None, True, False, None, False, False)
"""``onlyContainsUserCerts`` (RFC 5280 section 5.2.5): all that an authority revoked but for other authorities, which nobody is here. A name of the
distribution point would limit it to the certificates that bear that name."""


@frozen(eq=False)
class Trust:
    """Authorities whose leaves are treated alike; ``lists`` are their CRLs, none where revocation is not looked at."""

    authorities: tuple[x509.Certificate, ...]
    lists: tuple[x509.CertificateRevocationList, ...] = ()


@frozen(eq=False)
class Vouched:
    """A leaf that an authority signed, for clients. ``revoked``: a list of that authority's names it. ``told`` is until when the lists say anything."""

    leaf: x509.Certificate
    begins: float
    ends: float
    revoked: bool
    told: float

    def problem(self, now: float) -> Rejected | None:
        """What is wrong with it at ``now`` (Unix seconds)."""
        if now < self.begins:
            return Rejected("the client certificate is not valid yet", "check this machine's clock")
        if now >= self.ends:
            return Rejected("the client certificate has expired", ASK)
        if self.revoked:
            return Rejected("the client certificate was revoked", ASK)
        if now >= self.told:
            return Rejected(
                "whether the client certificate was revoked cannot be told: the list is out of date", "ask whoever runs this gate"
            )
        return None


def vouch(der: bytes, trust: Trust) -> Vouched | Rejected | None:
    """The certificate, held against the authorities; None where none of them signed it."""
    try:
        leaf = x509.load_der_x509_certificate(der)
        issuer = next((each for each in trust.authorities if _signed_by(leaf, each)), None)
        if issuer is None:
            return None
        if _is_authority(leaf) or not _for_clients(leaf):
            return Rejected("the certificate is not meant for clients", "ask for one with the extended key usage clientAuth")
        str(leaf.subject)  # read only now: what is no text there is an error
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return Rejected("the client certificate cannot be read", ASK)
    begins = max(each.not_valid_before_utc.timestamp() for each in (leaf, issuer))
    ends = min(each.not_valid_after_utc.timestamp() for each in (leaf, issuer))
    lists = [each for each in trust.lists if _list_of(each, issuer)]
    revoked = any(each.get_revoked_certificate_by_serial_number(leaf.serial_number) is not None for each in lists)
    told = max(map(_until, lists), default=float("-inf")) if trust.lists else float("inf")
    return Vouched(leaf, begins, ends, revoked, told)


def load_authorities(pem: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates of a bundle. Raises ValueError where it has none, or one that is no authority."""
    authorities = tuple(x509.load_pem_x509_certificates(pem))
    for authority in authorities:
        if not _is_authority(authority):
            raise ValueError(f"{authority.subject.rfc4514_string()} is not a certificate authority")
    return authorities


def load_lists(raw: bytes, authorities: Sequence[x509.Certificate]) -> tuple[x509.CertificateRevocationList, ...]:
    """The lists of a file, PEM (several) or DER. Raises Unacceptable where one cannot be used or is of no authority here."""
    try:
        parts = [_PEM + part for part in raw.split(_PEM)[1:]]
        lists = tuple(map(x509.load_pem_x509_crl, parts)) if parts else (x509.load_der_x509_crl(raw),)
    except ValueError:
        raise Unacceptable("is not a list of revoked certificates", "it is PEM (-----BEGIN X509 CRL-----) or DER") from None
    for each in lists:
        if not any(_list_of(each, authority) for authority in authorities):
            raise Unacceptable(
                f"holds a list of {each.issuer.rfc4514_string()}, which is no authority here", "name its list, or its authority"
            )
        if any(_limits(extension) for extension in each.extensions):
            raise Unacceptable("is a partial list (an extension limits it)", "name the complete one")
    return lists


def _limits(extension: x509.Extension[x509.ExtensionType]) -> bool:
    """Whether a list may leave certificates out for it that matter here. What is known to limit a list does so, though somebody forgot to call it critical;
    of what is unknown that alone tells (RFC 5280 section 5.2)."""
    if isinstance(extension.value, (x509.IssuingDistributionPoint, x509.DeltaCRLIndicator)):
        return extension.value != _OF_LEAVES
    return extension.critical and not isinstance(extension.value, _KNOWN_EXTENSIONS)


def _until(each: x509.CertificateRevocationList) -> float:
    """When it is out of date."""
    until = each.next_update_utc
    return until.timestamp() if until is not None else float("inf")


def _list_of(each: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    try:
        return each.issuer == authority.subject and each.is_signature_valid(authority.public_key())  # type: ignore[arg-type]
    except (TypeError, UnsupportedAlgorithm):
        return False


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
