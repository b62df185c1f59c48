"""Client certificates: whose they are, and which are refused though TLS took them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kgate.identity.certificates import CERTIFICATE, ClientCertificates, PeopleAuthority, described
from kgate.identity.credentials import Credentials, Rejected
from kgate.identity.devices import Devices, Inventory
from kgate.identity.trust import Trust, load_authorities
from kgate.model import Identity

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
KEY = ec.generate_private_key(ec.SECP256R1())
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


def name(user: str | Sequence[str], groups: Sequence[str] = ()) -> x509.Name:
    users = [user] if isinstance(user, str) else user
    return x509.Name(
        [
            *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in groups),
            *(x509.NameAttribute(NameOID.COMMON_NAME, each) for each in users),
        ]
    )


def certificate(
    subject: x509.Name,
    issuer: x509.Name,
    signer: ec.EllipticCurvePrivateKey,
    *,
    key: ec.EllipticCurvePrivateKey = KEY,
    authority: bool = False,
    usage: Sequence[x509.ObjectIdentifier] | None = (CLIENT,),
    days: int = 365,
) -> x509.Certificate:
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number(), BEGIN, BEGIN + timedelta(days=days))
    builder = builder.add_extension(x509.BasicConstraints(authority, None), critical=True)
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usage), critical=False)
    return builder.sign(signer, hashes.SHA256())


CA_KEY, OTHER_KEY = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
CA = certificate(name("people"), name("people"), CA_KEY, key=CA_KEY, authority=True, usage=None, days=3650)
IMPOSTOR = certificate(name("people"), name("people"), OTHER_KEY, key=OTHER_KEY, authority=True, usage=None, days=3650)
SOURCE = ClientCertificates([PeopleAuthority(Trust((CA,)))])


def ask(leaf: x509.Certificate, now: float = NOW, source: ClientCertificates = SOURCE) -> Identity | Rejected | None:
    return source.authenticate(Credentials(certificate=leaf.public_bytes(Encoding.DER)), now)


def signed(subject: x509.Name, **how: object) -> x509.Certificate:
    return certificate(subject, CA.subject, CA_KEY, **how)  # type: ignore[arg-type]


def test_the_common_name_is_the_user_and_each_organization_a_group() -> None:
    assert ask(signed(name("alice", ["developers", "sre"]))) == Identity(
        "alice", ("developers", "sre"), issuer="client-certificate", expires=(BEGIN + timedelta(days=365)).timestamp()
    )


def test_no_certificate_is_not_this_sources() -> None:
    assert SOURCE.authenticate(Credentials("token"), NOW) is None


@pytest.mark.threat("23")
def test_validity_counts_on_each_use() -> None:
    leaf = signed(name("alice"), days=10)
    end = (BEGIN + timedelta(days=10)).timestamp()
    assert isinstance(ask(leaf, end - 1), Identity)
    assert str(ask(leaf, end)) == "the client certificate has expired; ask for a new certificate"
    assert isinstance(ask(leaf, BEGIN.timestamp()), Identity)
    assert str(ask(leaf, BEGIN.timestamp() - 1)) == "the client certificate is not valid yet; check this machine's clock"
    assert isinstance(ask(leaf, end - 1), Identity)


@pytest.mark.threat("23")
def test_it_ends_with_its_authority() -> None:
    short = certificate(name("people"), name("people"), CA_KEY, key=CA_KEY, authority=True, usage=None, days=5)
    source = ClientCertificates([PeopleAuthority(Trust((short,)))])
    assert isinstance(ask(signed(name("alice")), BEGIN.timestamp() + 1, source), Identity)
    assert isinstance(ask(signed(name("alice")), NOW, source), Rejected)


@pytest.mark.threat("23")
def test_it_begins_when_it_says_however_long_its_authority_was_there() -> None:
    builder = x509.CertificateBuilder(CA.subject, name("late"), KEY.public_key(), 7, BEGIN + timedelta(days=9), BEGIN + timedelta(days=99))
    leaf = builder.add_extension(x509.ExtendedKeyUsage([CLIENT]), critical=False).sign(CA_KEY, hashes.SHA256())
    assert "not valid yet" in str(ask(leaf, BEGIN.timestamp() + 9 * 86400 - 1))
    assert isinstance(ask(leaf, BEGIN.timestamp() + 9 * 86400), Identity)


def test_what_expressions_see_of_a_certificate() -> None:
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "dev"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "team-a"),
            x509.NameAttribute(NameOID.COMMON_NAME, "alice"),
        ]
    )
    builder = x509.CertificateBuilder(CA.subject, subject, KEY.public_key(), 0xAB, BEGIN, BEGIN + timedelta(days=9))
    others = [x509.DNSName("a.example"), x509.RFC822Name("alice@example.com"), x509.UniformResourceIdentifier("spiffe://x/alice")]
    builder = builder.add_extension(x509.SubjectAlternativeName(others), critical=False)
    assert described(builder.sign(CA_KEY, hashes.SHA256())) == {
        "common_name": "alice",
        "organizations": ["dev"],
        "organizational_units": ["team-a"],
        "serial": "ab",
        "issuer": "CN=people",
        "dns": ["a.example"],
        "email": ["alice@example.com"],
        "uri": ["spiffe://x/alice"],
    }
    assert described(signed(name([])))["dns"] == [] and described(signed(name([])))["common_name"] == ""


@pytest.mark.parametrize(
    ("username", "groups", "says"),
    [
        ("certificate.organizations", "[]", "gives no name: the expression gives no text"),
        ("certificate.dns[0]", "[]", "gives no name: "),
        ("certificate.common_name", "1", "gives no name: the expression gives no texts"),
        ("certificate.common_name", "['a', 1]", "gives no name: the expression gives no texts"),
        ("certificate.common_name", "certificate.dns[0]", "gives no name: "),
    ],
)
def test_an_expression_that_gives_no_name_lets_nobody_in(username: str, groups: str, says: str) -> None:
    authority = PeopleAuthority(Trust((CA,)), CERTIFICATE.compile(username), CERTIFICATE.compile(groups))
    answer = ask(signed(name("alice", ["dev"])), NOW - 100 * 86400, ClientCertificates([authority]))
    assert isinstance(answer, Rejected) and says in answer.text


@pytest.mark.threat("23")
def test_it_begins_with_its_authority() -> None:
    builder = x509.CertificateBuilder(CA.subject, CA.subject, CA_KEY.public_key(), 1, BEGIN + timedelta(days=9), BEGIN + timedelta(days=99))
    late = builder.add_extension(x509.BasicConstraints(True, None), critical=True).sign(CA_KEY, hashes.SHA256())
    source = ClientCertificates([PeopleAuthority(Trust((late,)))])
    assert "not valid yet" in str(ask(signed(name("alice")), BEGIN.timestamp() + 8 * 86400, source))
    assert isinstance(ask(signed(name("alice")), BEGIN.timestamp() + 9 * 86400, source), Identity)


@pytest.mark.threat("23")
@pytest.mark.parametrize(
    ("leaf", "says"),
    [
        (certificate(name("alice"), CA.subject, OTHER_KEY), "not signed by the gate's authority"),
        (certificate(name("alice"), IMPOSTOR.subject, OTHER_KEY), "not signed by the gate's authority"),
        (certificate(name("alice"), name("alice"), KEY), "not signed by the gate's authority"),
        (signed(name("alice"), usage=(SERVER,)), "not meant for clients"),
        (signed(name("alice"), usage=None), "not meant for clients"),
        (signed(name("alice"), authority=True), "not meant for clients"),
        (CA, "not meant for clients"),
        (signed(name(["alice", "root"])), "exactly one common name"),
        (signed(name([])), "exactly one common name"),
        (signed(name("alice\nroot")), "cannot be used: the user name"),
        (signed(name("alice", ["a\u2028b"])), "cannot be used: the name of a group"),
        (signed(name("device:kiosk")), "names a machine (device:…)"),
        (signed(name(" alice")), "cannot be used: the user name has white space"),
    ],
)
def test_refused(leaf: x509.Certificate, says: str) -> None:
    answer = ask(leaf)
    assert isinstance(answer, Rejected) and says in str(answer)


@pytest.mark.threat("23")
def test_alternative_names_are_for_servers() -> None:
    builder = x509.CertificateBuilder(CA.subject, name([]), KEY.public_key(), 7, BEGIN, BEGIN + timedelta(days=365))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("root"), x509.RFC822Name("root@x")]), critical=False)
    leaf = builder.add_extension(x509.ExtendedKeyUsage([CLIENT]), critical=False).sign(CA_KEY, hashes.SHA256())
    assert "exactly one common name" in str(ask(leaf))


@pytest.mark.parametrize("der", [b"", b"\x30", b"x" * 100, CA.public_bytes(Encoding.DER)[:-1]])
def test_what_is_no_certificate(der: bytes) -> None:
    assert str(SOURCE.authenticate(Credentials(certificate=der), NOW)).startswith("the client certificate cannot be read")


def test_two_authorities() -> None:
    source = ClientCertificates(
        [
            PeopleAuthority(
                Trust(
                    (
                        IMPOSTOR,
                        CA,
                    )
                )
            )
        ]
    )
    assert isinstance(ask(signed(name("alice")), source=source), Identity)
    assert isinstance(ask(certificate(name("bob"), IMPOSTOR.subject, OTHER_KEY), source=source), Identity)


def test_an_authority_must_be_one() -> None:
    pem = CA.public_bytes(Encoding.PEM) + IMPOSTOR.public_bytes(Encoding.PEM)
    assert len(load_authorities(pem)) == 2
    with pytest.raises(ValueError, match="CN=alice is not a certificate authority"):
        load_authorities(signed(name("alice")).public_bytes(Encoding.PEM))
    with pytest.raises(ValueError, match="PEM"):
        load_authorities(b"nothing")


def resigned(leaf: x509.Certificate, old: bytes, new: bytes) -> bytes:
    """The leaf as DER with other bytes of the same length in it, and a signature of the authority's under that: authorities sign what they are given."""
    changed = leaf.tbs_certificate_bytes.replace(old, new)
    assert len(old) == len(new) and changed != leaf.tbs_certificate_bytes
    der = leaf.public_bytes(Encoding.DER)
    algorithm = der[der.index(leaf.tbs_certificate_bytes) + len(leaf.tbs_certificate_bytes) :][:12]  # ecdsa-with-SHA256
    inner = changed + algorithm + _tlv(3, b"\0" + CA_KEY.sign(changed, ec.ECDSA(hashes.SHA256())))
    return _tlv(0x30, inner)


def _tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    return bytes([tag]) + (bytes([size]) if size < 128 else bytes([0x82]) + size.to_bytes(2, "big")) + content


def test_a_subject_that_is_no_text_makes_nobody_and_breaks_nothing() -> None:
    leaf = certificate(name("alice@"), CA.subject, CA_KEY)
    good = resigned(leaf, b"alice@", b"alicia")
    assert SOURCE.authenticate(Credentials(certificate=good), NOW) == ask(certificate(name("alicia"), CA.subject, CA_KEY))
    bad = resigned(leaf, b"alice@", b"alic\xff\xfe")
    found = SOURCE.authenticate(Credentials(certificate=bad), NOW)
    assert isinstance(found, Rejected) and found.text == "the client certificate cannot be read"
    device = Devices(Trust((CA,)), Inventory()).beside(Identity("bob"), bad, NOW)
    assert device == Identity("bob")
