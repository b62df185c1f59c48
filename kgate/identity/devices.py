"""Devices: a machine that proved by a certificate of its own which one it is, whoever sits at it, and what the inventory says of it.

A device is a second fact beside the person. It comes with a token on the same connection, and then goes into the identity; alone it is an identity of
its own, ``device:NAME`` without groups, for machines that nobody sits at. A device certificate that is no good any more is no device: the person is let in all
the same, and what a policy asks of the device is unknown, which never allows.

The inventory says whether the device is compliant, and what else is known (``posture``). It is a file, or the answer of an MDM's API, mapped by
expressions. A device that it does not list is known by name and nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NewType

from attrs import field, frozen
from cryptography.x509.oid import NameOID

from kgate.documents.reading import read_mapping
from kgate.documents.structuring import strict_converter, structure_list, unknown_keys, written
from kgate.documents.values import Unacceptable
from kgate.errors import InvalidFileError, Mistake
from kgate.expressions import Expression, Failed, Kind, Vocabulary
from kgate.identity.certificates import text_of, values
from kgate.identity.credentials import Rejected
from kgate.identity.jose import Flaw, read_json
from kgate.identity.names import DEVICE, name_fault
from kgate.identity.trust import Trust, Vouched, vouch
from kgate.memory import remember
from kgate.model import Device, Identity, Pairs

ISSUER = "device-certificate"
KEPT = 8192
MAX_DEVICES = 200_000
ITEM = Vocabulary({"item": Kind.MAPPING})
BODY = Vocabulary({"body": Kind.ANY})

DeviceName = NewType("DeviceName", str)
BodyItems = NewType("BodyItems", Expression)
ItemText = NewType("ItemText", Expression)
ItemCondition = NewType("ItemCondition", Expression)
ItemValue = NewType("ItemValue", Expression)


class Inventory:
    """What is known of devices, by name; ``replace`` it whole."""

    def __init__(self, devices: Mapping[str, Device] | None = None) -> None:
        self._devices = dict(devices or {})

    def __len__(self) -> int:
        return len(self._devices)

    def find(self, name: str) -> Device:
        """The device as it is known; one that is not listed has a name only."""
        return self._devices.get(name) or Device(name)

    def replace(self, devices: Mapping[str, Device]) -> frozenset[str]:
        """From now on it is these; gives the names of which something else is known than before."""
        old, self._devices = self._devices, dict(devices)
        return frozenset(name for name in old.keys() | devices.keys() if old.get(name) != devices.get(name))


class Devices:
    """Which device a certificate is of. Certificates are kept by digest, as those of people are."""

    def __init__(self, trust: Trust, inventory: Inventory, name: Expression | None = None) -> None:
        self._trust, self._inventory, self._name = trust, inventory, name
        self._known: dict[bytes, tuple[str, Vouched] | Rejected | None] = {}
        self._beside: dict[tuple[Identity, Device], Identity] = {}

    def device(self, der: bytes, now: float) -> tuple[Device, float] | Rejected | None:
        """The device and when its certificate ends; None where the certificate is of no device authority."""
        digest = hashlib.sha256(der).digest()
        if digest not in self._known:
            remember(self._known, digest, self._read(der), KEPT)
        known = self._known[digest]
        if known is None or isinstance(known, Rejected):
            return known
        name, vouched = known
        return vouched.problem(now) or (self._inventory.find(name), vouched.ends)

    def beside(self, identity: Identity, der: bytes, now: float) -> Identity:
        """The identity with the device that it came from, where there is a good one."""
        found = self.device(der, now)
        if found is None or isinstance(found, Rejected):
            return identity
        key = (identity, found[0])
        known = self._beside.get(key)
        if known is None:
            known = remember(self._beside, key, identity.but(device=found[0]), KEPT)
        return known

    def alone(self, der: bytes, now: float) -> Identity | Rejected | None:
        """The device as an identity of its own."""
        found = self.device(der, now)
        if found is None or isinstance(found, Rejected):
            return found
        device, ends = found
        return Identity(DEVICE + device.name, issuer=ISSUER, expires=ends, device=device)

    def _read(self, der: bytes) -> tuple[str, Vouched] | Rejected | None:
        vouched = vouch(der, self._trust)
        if vouched is None or isinstance(vouched, Rejected):
            return vouched
        names = values(vouched.leaf, NameOID.COMMON_NAME)
        name = text_of(self._name, vouched.leaf) if self._name is not None else names[0] if len(names) == 1 else ""
        fault = name.text if isinstance(name, Failed) else name_fault(name)
        if fault is not None or isinstance(name, Failed):
            return Rejected(f"the device certificate names no device: {fault}", "ask whoever manages this machine")
        return name, vouched


# --- the file


@frozen
class DeviceEntry:
    """One device of the file."""

    name: DeviceName
    compliant: bool | None = None
    posture: Mapping[str, str] = field(factory=dict)


def load_devices(text: str, file: str) -> dict[str, Device]:
    """``devices: [{name: laptop-1, compliant: true, posture: {os: linux}}]``. Raises InvalidFileError with every mistake."""
    mistakes: list[Mistake] = []
    root = read_mapping(text, file, mistakes)
    mistakes += unknown_keys(root, ("devices",), file)
    entries = structure_list(_CONVERTER, root, "devices", DeviceEntry, file, mistakes)
    if mistakes:
        raise InvalidFileError(sorted(mistakes, key=lambda mistake: mistake.line))
    return {each.name: Device(each.name, each.compliant, tuple(sorted(each.posture.items()))) for each in entries}


def _device_name(text: str) -> DeviceName:
    fault = name_fault(text)
    if fault is not None:
        raise Unacceptable(fault, "write the name as the device's certificate has it")
    return DeviceName(text)


_CONVERTER = strict_converter()
_CONVERTER.register_structure_hook_func(lambda asked: asked is DeviceName, written(_device_name))


# --- an answer of somebody's API


@frozen(eq=False)
class InventoryMapping:
    """How an answer becomes devices: ``items`` of the body, and of each item its name, whether it is compliant, and its posture."""

    items: BodyItems
    name: ItemText
    compliant: ItemCondition | None = None
    posture: Mapping[str, ItemValue] = field(factory=dict)


def read_inventory(body: bytes, mapping: InventoryMapping) -> dict[str, Device] | Flaw:
    """The devices of an answer. An item without a usable name is left out; of a device whose compliance cannot be told it is unknown, and so is all of one
    that has two items which differ."""
    root = read_json(body)
    if isinstance(root, Flaw):
        return root
    items = mapping.items.evaluate({"body": root})
    if not isinstance(items, list):
        return Flaw(f"gives no list of items: {items.text if isinstance(items, Failed) else mapping.items.text}")
    if len(items) > MAX_DEVICES:
        return Flaw(f"has more than {MAX_DEVICES} devices")
    found: dict[str, Device] = {}
    for item in items:
        device = _device(item, mapping) if isinstance(item, dict) else None
        if device is not None:
            found[device.name] = device if found.get(device.name, device) == device else Device(device.name)
    return found


def _device(item: dict[str, Any], mapping: InventoryMapping) -> Device | None:
    name = mapping.name.evaluate({"item": item})
    if not isinstance(name, str) or name_fault(name) is not None:
        return None
    compliant = mapping.compliant.holds({"item": item}) if mapping.compliant is not None else None
    return Device(name, compliant if isinstance(compliant, bool) else None, _posture(item, mapping.posture))


def _posture(item: dict[str, Any], posture: Mapping[str, ItemValue]) -> Pairs:
    found = ((key, expression.evaluate({"item": item})) for key, expression in posture.items())
    return tuple(sorted((key, _written(value)) for key, value in found if isinstance(value, (str, bool, int))))


def _written(value: str | bool | int) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
