"""Networks, devices, and how ``unless`` treats what is not known."""

from __future__ import annotations

import pytest

from kgate.model import Action, Cluster, Context, Device, Ground, Identity
from kgate.policy.conditions.network import networks
from kgate.policy.evaluate import evaluate
from kgate.policy.load import load_policy

GET = Action(Cluster("c"), "GET", "get", "/x", "/x", "", "v1", "pods", "", "ns", "p")


@pytest.mark.parametrize(
    ("texts", "address", "inside"),
    [
        (["10.0.0.0/8"], "10.255.255.255", True),
        (["10.0.0.0/8"], "11.0.0.0", False),
        (["10.0.0.0/8", "!10.9.0.0/16"], "10.9.1.1", False),
        (["!10.9.0.0/16"], "192.0.2.1", True),
        (["10.0.0.0/8"], "::ffff:10.1.1.1", True),
        (["10.0.0.0/8"], "::10.1.1.1", False),
        (["2001:db8::/32"], "2001:db8::1", True),
        (["0.0.0.0/0"], "2001:db8::1", False),
        (["192.0.2.7"], "192.0.2.7", True),
        (["10.0.0.0/8"], "", None),
        (["10.0.0.0/8"], "10.0.0", None),
        (["0.0.0.0/0"], "010.0.0.1", None),
    ],
)
def test_networks(texts: list[str], address: str, inside: bool | None) -> None:
    assert networks(texts).contains(address) is inside


def decide(rule: str, address: str = "10.0.0.1", device: Device | None = None) -> str:
    """``allowed``, or the grounds of the denial."""
    text = f'rules:\n  - {{name: a, who: {{users: ["*"]}}, clusters: {{names: ["*"]}}, {rule}}}\n'
    if "deny" in rule:
        text += '  - {name: b, who: {users: ["*"]}, clusters: {names: ["*"]}, allow: [{verbs: ["*"], resources: ["*"]}]}\n'
    decision = evaluate(load_policy(text, "f"), Identity("u", device=device), GET, Context(0.0, address))
    return "allowed" if decision.allowed else ",".join(reason.ground.value for reason in decision.reasons)


ALLOW, DENY = 'allow: [{verbs: ["*"], resources: ["*"]}]', 'deny: [{verbs: ["*"], resources: ["*"]}]'


@pytest.mark.parametrize(
    ("rule", "inside", "outside", "unknown"),
    [
        (f"{ALLOW}, when: {{network: [10.0.0.0/8]}}", "allowed", "network", "network"),
        (f"{ALLOW}, unless: {{network: [10.0.0.0/8]}}", "network", "allowed", "network"),
        (f"{DENY}, when: {{network: [10.0.0.0/8]}}", "denied-by-rule", "allowed", "denied-by-rule"),
        (f"{DENY}, unless: {{network: [10.0.0.0/8]}}", "allowed", "denied-by-rule", "denied-by-rule"),
    ],
)
def test_the_unknown_never_allows(rule: str, inside: str, outside: str, unknown: str) -> None:
    assert [decide(rule, address) for address in ("10.0.0.1", "192.0.2.1", "?")] == [inside, outside, unknown]


@pytest.mark.parametrize(
    ("rule", "compliant", "not_compliant", "unknown"),
    [
        (f"{ALLOW}, when: {{device: {{compliant: true}}}}", "allowed", "device", "device"),
        (f"{ALLOW}, when: {{device: {{compliant: false}}}}", "device", "allowed", "device"),
        (f"{DENY}, when: {{device: {{compliant: false}}}}", "allowed", "denied-by-rule", "denied-by-rule"),
    ],
)
def test_devices(rule: str, compliant: str, not_compliant: str, unknown: str) -> None:
    devices = (Device("d", True), Device("d", False), Device("d"))
    assert [decide(rule, device=device) for device in devices] == [compliant, not_compliant, unknown]
    assert decide(rule, device=None) == unknown


def test_unless_needs_all_of_its_conditions_to_bar() -> None:
    rule = f"{ALLOW}, unless: {{network: [10.0.0.0/8], device: {{compliant: true}}}}"
    assert decide(rule, "10.0.0.1", Device("d", True)) == "network,device"
    assert decide(rule, "10.0.0.1", Device("d", False)) == "allowed"
    assert decide(rule, "192.0.2.1", None) == "allowed"
    assert decide(rule, "10.0.0.1", None) == "network,device"


def test_the_vocabulary_is_closed() -> None:
    assert {Ground.TIME.value, Ground.NETWORK.value, Ground.DEVICE.value} == {"time", "network", "device"}
