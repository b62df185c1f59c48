"""Devices: a machine's own certificate, beside a token or alone, and what an inventory says of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from authority import Authority, Leaf
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from kgate.documents.values import Unacceptable
from kgate.errors import InvalidFileError
from kgate.expressions import Kind
from kgate.identity.authenticator import Authenticator
from kgate.identity.certificates import CERTIFICATE, CertificateText, ClientCertificates, PeopleAuthority
from kgate.identity.credentials import Credentials, Rejected
from kgate.identity.devices import (
    BODY,
    ITEM,
    BodyItems,
    Devices,
    Inventory,
    InventoryMapping,
    ItemCondition,
    ItemText,
    ItemValue,
    load_devices,
    read_inventory,
)
from kgate.identity.jose import Flaw
from kgate.identity.trust import Trust, load_authorities, load_lists
from kgate.model import Device, Identity

NOW = datetime.now(UTC).timestamp()
MAKER, PEOPLE = Authority("devices"), Authority("people")
LAPTOP = MAKER.leaf("laptop-1", common_name="laptop-1", client=True)
GOOD = Device("laptop-1", True, (("os", "linux"),))
ALICE = Identity("alice", ("sre",), issuer="x")


class Alice:
    """Everybody with a token is alice, but for a bad one."""

    def authenticate(self, credentials: Credentials, now: float) -> Identity | Rejected:
        return Rejected("bad") if credentials.bearer == "bad" else ALICE


def der(leaf: Leaf) -> bytes:
    return x509.load_pem_x509_certificate(leaf.certificate).public_bytes(Encoding.DER)


def trust(authority: Authority, *lists: bytes) -> Trust:
    authorities = load_authorities(authority.certificate)
    return Trust(authorities, tuple(each for raw in lists for each in load_lists(raw, authorities)))


def gate(inventory: Inventory, *lists: bytes) -> Authenticator:
    people = ClientCertificates([PeopleAuthority(trust(PEOPLE))])
    return Authenticator([Alice()], people, devices=Devices(trust(MAKER, *lists), inventory))


def test_beside_a_token_it_is_a_second_fact() -> None:
    found = gate(Inventory({"laptop-1": GOOD})).authenticate(Credentials("token", der(LAPTOP)), NOW)
    assert isinstance(found, Identity)
    assert (found.user, found.groups, found.device) == ("alice", ("sre",), GOOD)


def test_two_machines_of_one_person_are_two() -> None:
    laptops = [MAKER.leaf(common_name=name, client=True) for name in ("laptop-1", "laptop-2")]
    source = gate(Inventory({"laptop-1": GOOD, "laptop-2": Device("laptop-2", False)}))
    for name, leaf in (*zip(("laptop-1", "laptop-2"), laptops, strict=True),) * 2:
        found = source.authenticate(Credentials("token", der(leaf)), NOW)
        assert isinstance(found, Identity) and found.device is not None and found.device.name == name


def test_it_makes_no_bad_token_good_and_is_not_missed() -> None:
    source = gate(Inventory({"laptop-1": GOOD}))
    assert source.authenticate(Credentials("bad", der(LAPTOP)), NOW) == Rejected("bad")
    assert source.authenticate(Credentials("token"), NOW) == ALICE
    assert isinstance(source.authenticate(Credentials(), NOW), Rejected)


def test_alone_it_is_an_identity_of_its_own() -> None:
    found = gate(Inventory({"laptop-1": GOOD})).authenticate(Credentials(None, der(LAPTOP)), NOW)
    assert isinstance(found, Identity)
    assert (found.user, found.groups, found.device, found.issuer) == ("device:laptop-1", (), GOOD, "device-certificate")
    assert found.expires is not None and found.expires > NOW


def test_a_persons_certificate_is_no_device_and_the_other_way_round() -> None:
    person = PEOPLE.leaf(common_name="carol", organizations=("dev",), client=True)
    found = gate(Inventory()).authenticate(Credentials(None, der(person)), NOW)
    assert isinstance(found, Identity)
    assert (found.user, found.device) == ("carol", None)
    beside = gate(Inventory()).authenticate(Credentials("token", der(person)), NOW)
    assert beside == ALICE


def test_a_device_that_no_inventory_lists_has_a_name_and_nothing_else() -> None:
    found = gate(Inventory()).authenticate(Credentials("token", der(LAPTOP)), NOW)
    assert isinstance(found, Identity)
    assert found.device == Device("laptop-1")


@pytest.mark.threat("23")
@pytest.mark.parametrize("flaw", ["revoked", "expired", "not yet", "for servers", "two authorities"])
def test_a_bad_device_certificate_is_no_device(flaw: str) -> None:
    leaf = MAKER.leaf("laptop-1", common_name="laptop-1", client=flaw != "for servers")
    lists = [MAKER.crl(leaf)] if flaw == "revoked" else []
    now = {"expired": NOW + 8 * 86400, "not yet": NOW - 2 * 86400}.get(flaw, NOW)
    if flaw == "two authorities":
        leaf = Authority("devices").leaf("laptop-1", common_name="laptop-1", client=True)  # the same name, another key
    source = gate(Inventory({"laptop-1": GOOD}), *lists)
    assert source.authenticate(Credentials("token", der(leaf)), now) == ALICE
    assert isinstance(source.authenticate(Credentials(None, der(leaf)), now), Rejected)


def test_what_the_inventory_says_counts_on_the_next_question() -> None:
    inventory = Inventory({"laptop-1": GOOD})
    source = gate(inventory)
    assert inventory.replace({"laptop-1": Device("laptop-1", False), "laptop-2": Device("laptop-2")}) == {"laptop-1", "laptop-2"}
    found = source.authenticate(Credentials("token", der(LAPTOP)), NOW)
    assert isinstance(found, Identity) and found.device is not None
    assert found.device.compliant is False
    assert inventory.replace({"laptop-1": Device("laptop-1", False)}) == {"laptop-2"}


def test_the_name_by_an_expression() -> None:
    name = CERTIFICATE.compile("certificate.dns[0].split('.')[0]", Kind.TEXT)
    leaf = MAKER.leaf("desk-7.corp.example", common_name="7f3a", client=True)
    devices = Devices(trust(MAKER), Inventory(), name)
    assert devices.device(der(leaf), NOW) == (Device("desk-7"), devices.device(der(leaf), NOW)[1])  # type: ignore[index]
    nameless = MAKER.leaf(common_name="7f3a", client=True)
    assert isinstance(devices.device(der(nameless), NOW), Rejected)


# --- people by expressions, revocation


@pytest.mark.threat("23")
def test_names_are_taken_from_where_the_operator_says() -> None:
    """SAN confusion: an alternative name is nobody's name unless an expression takes it."""
    leaf = PEOPLE.leaf("admin.example", common_name="carol", organizations=("dev",), client=True)
    plain = ClientCertificates([PeopleAuthority(trust(PEOPLE))])
    found = plain.authenticate(Credentials(None, der(leaf)), NOW)
    assert isinstance(found, Identity) and found.user == "carol"
    username = CertificateText(CERTIFICATE.compile("certificate.dns[0]"))
    groups = CERTIFICATE.compile("certificate.organizations.map(o, 'corp:' + o)")
    found = ClientCertificates([PeopleAuthority(trust(PEOPLE), username, groups)]).authenticate(Credentials(None, der(leaf)), NOW)
    assert isinstance(found, Identity) and (found.user, found.groups) == ("admin.example", ("corp:dev",))
    bare = PEOPLE.leaf(common_name="carol", client=True)
    refused = ClientCertificates([PeopleAuthority(trust(PEOPLE), username)]).authenticate(Credentials(None, der(bare)), NOW)
    assert isinstance(refused, Rejected) and refused.text.startswith("the client certificate gives no name:")


@pytest.mark.threat("23")
def test_several_authorities_each_by_its_own_rules() -> None:
    other = Authority("contractors")
    groups = CERTIFICATE.compile("['contractors']")
    source = ClientCertificates([PeopleAuthority(trust(PEOPLE)), PeopleAuthority(trust(other), None, groups)])
    for authority, expected in ((PEOPLE, ("dev",)), (other, ("contractors",))):
        found = source.authenticate(Credentials(None, der(authority.leaf(common_name="c", organizations=("dev",), client=True))), NOW)
        assert isinstance(found, Identity) and found.groups == expected


@pytest.mark.threat("23")
def test_revoked() -> None:
    gone, stays = (PEOPLE.leaf(common_name=name, client=True) for name in ("gone", "stays"))
    source = ClientCertificates([PeopleAuthority(trust(PEOPLE, PEOPLE.crl(gone)))])
    assert source.authenticate(Credentials(None, der(gone)), NOW) == Rejected(
        "the client certificate was revoked", "ask for a new certificate"
    )
    assert isinstance(source.authenticate(Credentials(None, der(stays)), NOW), Identity)


def test_a_list_of_many_is_searched_once_for_each_certificate() -> None:
    """A search walks all of it: with 100,000 revoked ones each request took 4 ms."""

    class Counted:
        searched = 0

        def __init__(self, real: x509.CertificateRevocationList) -> None:
            self._real = real

        def __getattr__(self, name: str) -> object:
            Counted.searched += name == "get_revoked_certificate_by_serial_number"
            return getattr(self._real, name)

    (real,) = trust(PEOPLE, PEOPLE.crl()).lists
    lists: Any = (Counted(real),)
    source = ClientCertificates([PeopleAuthority(Trust(load_authorities(PEOPLE.certificate), lists))])
    leaf = der(PEOPLE.leaf(common_name="stays", client=True))
    assert all(isinstance(source.authenticate(Credentials(None, leaf), NOW), Identity) for _ in range(3))
    assert Counted.searched == 1


@pytest.mark.threat("23")
def test_a_list_out_of_date_says_nothing_about_today() -> None:
    leaf = PEOPLE.leaf(common_name="stays", client=True)
    source = ClientCertificates([PeopleAuthority(trust(PEOPLE, PEOPLE.crl(ends=1)))])
    assert isinstance(source.authenticate(Credentials(None, der(leaf)), NOW), Identity)
    refused = source.authenticate(Credentials(None, der(leaf)), NOW + 86400 + 3600)
    assert isinstance(refused, Rejected) and "out of date" in refused.text


OF_LEAVES = x509.IssuingDistributionPoint(None, None, True, False, None, False, False)
NAMED = [x509.UniformResourceIdentifier("http://ca/1.crl")]
COMMON_NAME = x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, "1")])
REASONS = frozenset({x509.ReasonFlags.key_compromise})
PARTIAL = [
    x509.IssuingDistributionPoint(None, None, False, True, None, False, False),
    x509.IssuingDistributionPoint(None, None, False, False, None, False, True),
    x509.IssuingDistributionPoint(None, None, True, False, REASONS, False, False),
    x509.IssuingDistributionPoint(None, None, True, False, None, True, False),
    x509.IssuingDistributionPoint(NAMED, None, True, False, None, False, False),
    x509.IssuingDistributionPoint(None, COMMON_NAME, True, False, None, False, False),
    x509.DeltaCRLIndicator(1),
]
"""Of authorities, of attribute certificates, for some reasons, of other authorities too, of one distribution point, and what changed."""


UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
"""Of an authority's own making: only where it is critical can it matter (RFC 5280 section 5.2)."""


def crl(*extensions: tuple[x509.ExtensionType, bool], key: Any = MAKER, until: datetime | None = None) -> bytes:
    """A list of MAKER's of which nobody knows what it should be."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(load_authorities(MAKER.certificate)[0].subject)
    builder = builder.last_update(datetime.now(UTC) - timedelta(days=2)).next_update(until or datetime.now(UTC) + timedelta(days=1))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(key._key, hashes.SHA256()).public_bytes(Encoding.PEM)


@pytest.mark.threat("23")
@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (PEOPLE.crl(), "holds a list of CN=people, which is no authority here"),
        (Authority("devices").crl(), "holds a list of CN=devices, which is no authority here"),  # the same name, another key
        (crl(key=PEOPLE), "holds a list of CN=devices, which is no authority here"),
        (MAKER.crl() + PEOPLE.crl(), "holds a list of CN=people, which is no authority here"),
        *((crl((each, critical)), "is a partial list (an extension limits it)") for each in PARTIAL for critical in (True, False)),
        (crl((UNKNOWN, True)), "is a partial list (an extension limits it)"),
        (b"", "is not a list of revoked certificates"),
        (b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----", "is not a list of revoked certificates"),
        (MAKER.certificate, "is not a list of revoked certificates"),
    ],
)
def test_a_list_that_is_somebody_elses_or_not_all_is_refused_when_it_is_loaded(raw: bytes, said: str) -> None:
    with pytest.raises(Unacceptable) as caught:
        load_lists(raw, load_authorities(MAKER.certificate))
    assert str(caught.value).startswith(said)


def test_a_list_may_say_what_limits_nothing_and_a_file_may_hold_several() -> None:
    known = [(x509.CRLNumber(1), True), (x509.AuthorityKeyIdentifier(b"x", None, None), True)]
    for raw, count in (
        (crl(*known), 1),
        (crl((OF_LEAVES, True)), 1),
        (crl((OF_LEAVES, False)), 1),
        (crl((UNKNOWN, False)), 1),
        (MAKER.crl() + MAKER.crl(), 2),
    ):
        assert len(load_lists(raw, load_authorities(MAKER.certificate))) == count


@pytest.mark.threat("23")
def test_each_authoritys_certificates_are_judged_by_its_own_lists() -> None:
    """Serial numbers are an authority's own: what one revoked says nothing of another's, and neither does how old its list is."""
    authorities = load_authorities(MAKER.certificate + PEOPLE.certificate)
    gone, stays = MAKER.leaf(common_name="gone", client=True), PEOPLE.leaf(common_name="stays", client=True)

    def ask(leaf: Leaf, *lists: bytes, now: float = NOW) -> Identity | Rejected | None:
        trusted = Trust(authorities, tuple(each for raw in lists for each in load_lists(raw, authorities)))
        return ClientCertificates([PeopleAuthority(trusted)]).authenticate(Credentials(None, der(leaf)), now)

    serial = x509.load_pem_x509_certificate(stays.certificate).serial_number
    same_serial = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(datetime.now(UTC)).build()
    makers = x509.CertificateRevocationListBuilder().issuer_name(authorities[0].subject).add_revoked_certificate(same_serial)
    makers = makers.last_update(datetime.now(UTC) - timedelta(days=2)).next_update(datetime.now(UTC) + timedelta(days=1))
    of_the_other = makers.sign(MAKER._key, hashes.SHA256()).public_bytes(Encoding.PEM)
    assert isinstance(ask(stays, of_the_other, PEOPLE.crl()), Identity)
    assert isinstance(ask(gone, MAKER.crl(gone), PEOPLE.crl()), Rejected)
    assert "cannot be told" in str(ask(stays, MAKER.crl()))  # none of its own authority's
    assert "cannot be told" in str(ask(stays, MAKER.crl(ends=9), PEOPLE.crl(ends=-0.5)))
    assert isinstance(ask(stays, PEOPLE.crl(ends=-0.5), PEOPLE.crl()), Identity)  # one that is in force is enough


@pytest.mark.threat("23")
def test_a_list_holds_until_the_second_of_its_next_update() -> None:
    until = datetime.fromtimestamp(int(NOW) + 3600, UTC)
    source = gate(Inventory(), crl(until=until))
    assert isinstance(source.authenticate(Credentials(None, der(LAPTOP)), until.timestamp() - 0.5), Identity)
    assert "out of date" in str(source.authenticate(Credentials(None, der(LAPTOP)), until.timestamp()))


# --- inventories


def test_a_file_of_devices() -> None:
    text = "devices:\n  - {name: laptop-1, compliant: true, posture: {os: linux}}\n  - {name: laptop-2}\n"
    assert load_devices(text, "f") == {"laptop-1": GOOD, "laptop-2": Device("laptop-2")}
    with pytest.raises(InvalidFileError) as caught:
        load_devices('devices:\n  - {name: a, compliant: maybe}\n  - {nam: b}\n  - {name: "c\\n"}\nmachines: []\n', "f")
    assert [str(each) for each in caught.value.mistakes] == [
        "f:2: devices[0].compliant: must be true or false, not text (write one of these words, without quotes)",
        'f:3: "name" is missing in devices[1]',
        'f:3: unknown key "nam" in devices[1] (did you mean "name"?)',
        "f:4: devices[2].name: has white space at an edge (write the name as the device's certificate has it)",
        'f:5: unknown key "machines" (known here: devices)',
    ]


MAPPING = InventoryMapping(
    BodyItems(BODY.compile("body.value")),
    ItemText(ITEM.compile("item.hostname")),
    ItemCondition(ITEM.compile('item.status == "compliant"')),
    {"os": ItemValue(ITEM.compile("item.os.lowerAscii()")), "encrypted": ItemValue(ITEM.compile("item.disk.encrypted"))},
)


def test_an_answer_mapped_by_expressions() -> None:
    items = [
        {"hostname": "laptop-1", "status": "compliant", "os": "Linux", "disk": {"encrypted": True}},
        {"hostname": "laptop-2", "status": "failed", "os": "Darwin"},
        {"hostname": "laptop-3"},
        {"host": "nameless"},
        {"hostname": "bad\nname"},
        "odd",
    ]
    assert read_inventory(json.dumps({"value": items}).encode(), MAPPING) == {
        "laptop-1": Device("laptop-1", True, (("encrypted", "true"), ("os", "linux"))),
        "laptop-2": Device("laptop-2", False, (("os", "darwin"),)),
        "laptop-3": Device("laptop-3"),
    }


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_records_of_one_device_that_differ_neither_counts(order: int) -> None:
    """One that was enrolled anew, or whose name somebody else's machine took: the good record does not hide the bad one."""
    items = [{"hostname": "laptop-1", "status": "failed"}, {"hostname": "laptop-1", "status": "compliant"}][::order]
    same = [{"hostname": "laptop-2", "status": "compliant"}] * 2
    assert read_inventory(json.dumps({"value": items + same + items}).encode(), MAPPING) == {
        "laptop-1": Device("laptop-1"),
        "laptop-2": Device("laptop-2", True),
    }


def test_an_inventory_has_an_end() -> None:
    assert read_inventory(json.dumps({"value": [0] * 200_000}).encode(), MAPPING) == {}
    assert read_inventory(json.dumps({"value": [0] * 200_001}).encode(), MAPPING) == Flaw("has more than 200000 devices")


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"value": 7}', b'{"value": [], "value": []}', b"\xff"])
def test_an_answer_that_is_no_inventory(body: bytes) -> None:
    assert isinstance(read_inventory(body, MAPPING), Flaw)
