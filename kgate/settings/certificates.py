"""What can be said of certificates and keys before anyone connects."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtensionOID

SOON = 14 * 86400.0
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_KEY = b"PRIVATE KEY-----"


class Finding(NamedTuple):
    """Something to say of the value under ``key``. ``serious``: it does not work so. ``expired``: it did, until lately."""

    key: str
    serious: bool
    text: str
    hint: str = ""
    expired: bool = False


def listener_findings(certificate: bytes, key: bytes, host: str, now: float) -> list[Finding]:
    """What is wrong with a listener's certificate chain and key, for clients that ask for ``host``."""
    chain = _chain(certificate)
    private = _key(key)
    found = [each for each in (chain, private) if isinstance(each, Finding)]
    if isinstance(chain, Finding):
        return found
    leaf = chain[0]
    found += validity_findings("certificate", leaf, now)
    if not isinstance(private, Finding):
        found += _pair_findings(chain, private, "certificate", "key")
    return [*found, *_name_findings(leaf, host)]


def _pair_findings(chain: list[x509.Certificate], private: PrivateKeyTypes, certificate: str, key: str) -> list[Finding]:
    """Whether the key is that of the first, as TLS sends them (RFC 8446 section 4.4.2)."""
    own = [_public(each.public_key()) == _public(private.public_key()) for each in chain]
    if own[0]:
        return []
    if any(own):
        return [
            Finding(certificate, True, "has the key's own certificate behind another", "put it first, and behind it those that signed it")
        ]
    return [Finding(key, True, "does not belong to the certificate", "name the key that the certificate was made with")]


def validity_findings(key: str, certificate: x509.Certificate, now: float) -> list[Finding]:
    """Whether the certificate is in force at ``now``, and for how long."""
    begins, ends = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
    if ends <= now:
        return [Finding(key, True, f"the certificate expired on {_day(ends)}", "renew it", expired=True)]
    if begins > now:
        return [Finding(key, True, f"the certificate is not valid before {_day(begins)}", "check this machine's clock")]
    return [Finding(key, False, f"the certificate expires on {_day(ends)}", "renew it")] if ends - now < SOON else []


def client_pair_findings(certificate: bytes, key: bytes, now: float) -> list[Finding]:
    """What is wrong with the gate's own client certificate for a cluster."""
    chain, private = _chain(certificate, "client_certificate"), _key(key, "client_key")
    found = [each for each in (chain, private) if isinstance(each, Finding)]
    if isinstance(chain, Finding) or isinstance(private, Finding):
        return found
    found += _pair_findings(chain, private, "client_certificate", "client_key")
    return [*found, *validity_findings("client_certificate", chain[0], now)]


def authority_findings(key: str, pem: bytes, now: float) -> list[Finding]:
    """What is wrong with a bundle of authorities, of which at least one must be in force."""
    try:
        bundle = x509.load_pem_x509_certificates(pem)
    except ValueError:
        return [_no_certificate(pem, key)]
    findings = [validity_findings(key, each, now) for each in bundle]
    if all(any(finding.serious for finding in each) for each in findings):
        return findings[0]
    return [finding for each in findings for finding in each if not finding.serious]


def _chain(pem: bytes, key: str = "certificate") -> list[x509.Certificate] | Finding:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        return _no_certificate(pem, key)


def _no_certificate(pem: bytes, key: str) -> Finding:
    """The slips that are made most often have their own words."""
    if not pem.strip():
        return Finding(key, True, "is empty", "put the certificate there")
    if _CERTIFICATE in pem:
        return Finding(key, True, "is a PEM certificate that was cut off or changed", "copy it again, whole")
    if _KEY in pem:
        return Finding(key, True, "is a private key, not a certificate", "name the certificate's file; perhaps the two were swapped")
    return Finding(key, True, "is not a PEM certificate", f"it begins with {_CERTIFICATE.decode()}")


def _key(pem: bytes, key: str = "key") -> PrivateKeyTypes | Finding:
    try:
        return load_pem_private_key(pem, None)
    except TypeError:
        return Finding(key, True, "is encrypted", "the gate starts without anyone to type a password: store the key in clear, mode 0600")
    except (ValueError, UnsupportedAlgorithm):
        if _CERTIFICATE in pem and _KEY not in pem:
            return Finding(key, True, "is a certificate, not a private key", "name the key's file; perhaps the two were swapped")
        return Finding(key, True, "is not a PEM private key", "it begins with -----BEGIN PRIVATE KEY-----")


def _public(key: object) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined, no-any-return]


def _name_findings(leaf: x509.Certificate, host: str) -> list[Finding]:
    names = _names(leaf)
    wild = "*." + host.partition(".")[2]
    if host and host not in names and wild not in names:
        return [
            Finding(
                "certificate", False, f"the certificate is for {', '.join(sorted(names)[:4]) or 'nobody'}, not for {host} of public_url"
            )
        ]
    return []


def _names(leaf: x509.Certificate) -> set[str]:
    try:
        names = leaf.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    except x509.ExtensionNotFound:
        return set()
    if not isinstance(names, x509.SubjectAlternativeName):
        return set()
    return {*map(str.lower, names.get_values_for_type(x509.DNSName)), *map(str, names.get_values_for_type(x509.IPAddress))}


def _day(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%d %H:%M UTC")
