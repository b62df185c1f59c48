"""Networks, devices, and how ``unless`` treats what is not known."""

from __future__ import annotations

import pytest

from kgate.model import Action, Cluster, Context, Device, Fact, Ground, Identity, Operation
from kgate.policy.conditions.expression import NAMES, values
from kgate.policy.conditions.network import networks
from kgate.policy.evaluate import evaluate
from kgate.policy.load import load_policy
from kgate.policy.question import Question

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
        (["::ffff:10.0.0.0/104"], "10.1.1.1", True),
        (["::ffff:10.0.0.0/104"], "::ffff:10.1.1.1", True),
        (["!::ffff:10.1.1.1"], "10.1.1.1", False),
        (["::ffff:0:0/96"], "192.0.2.1", True),
        (["::/0"], "10.1.1.1", False),
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


SOMEBODY = Identity("u", ("leads",), acr="gold", amr=("pwd", "otp"), authenticated_at=1000.0, device=Device("d", True, (("os", "linux"),)))
INCIDENT = Fact("incident", '{"open": false, "severity": 2}', until=5000.0)
HERE = Context(2000.0, "10.0.0.1", "kubectl/v1.34", "DE", 64500, (Fact("freeze", '"none"'), INCIDENT))


def answer(rule: str, who: Identity = SOMEBODY, context: Context = HERE) -> str:
    """``allowed until T``, or the words of the denial."""
    text = f"rules:\n  - {{name: a, who: {{users: ['*']}}, clusters: {{names: ['*']}}, {rule}}}\n"
    if "deny" in rule:
        text += '  - {name: b, who: {users: ["*"]}, clusters: {names: ["*"]}, allow: [{verbs: ["*"], resources: ["*"]}]}\n'
    decision = evaluate(load_policy(text, "f"), who, GET, context)
    until = f" until {decision.until:g}" if decision.until is not None else ""
    return f"allowed{until}" if decision.allowed else " and ".join(reason.text for reason in decision.reasons) + until


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("country: [DE, FR]", "allowed"),
        ('country: ["*", "!DE"]', "country is DE, not *, !DE"),
        ("country: [US]", "country is DE, not US"),
        ("asn: [64500]", "allowed"),
        ('asn: ["!64500"]', "the address is in AS64500, not !64500"),
        ('user_agent: ["kubectl/*"]', "allowed"),
        ('user_agent: ["helm/*"]', "the user agent is kubectl/v1.34, not helm/*"),
        ("device: {posture: {os: [linux, macos]}}", "allowed"),
        ("device: {compliant: true, posture: {os: [windows]}}", "os of device d is linux, not windows"),
        ("device: {posture: {disk: [encrypted]}}", "disk of device d is not known"),
        ("authentication: {acr: [gold]}", "allowed"),
        ("authentication: {acr: [platinum]}", "the sign-in's strength (acr) is gold, not platinum; run kgate login --step-up"),
        ("authentication: {amr: [otp, hwk]}", "allowed"),
        ("authentication: {amr: [hwk]}", "the sign-in used pwd, otp, not hwk; run kgate login --step-up"),
        ("authentication: {max_age: 30m}", "allowed until 2800"),
        ("authentication: {max_age: 15m}", "the sign-in is older than 15 min; run kgate login --step-up"),
        ("facts: {incident: {open: false}}", "allowed until 5000"),
        ("facts: {incident: {open: true}}", 'fact incident is {"open": false, "severity": 2}, not {"open": true} until 5000'),
        ("facts: {incident: {severity: [1, 2]}}", "allowed until 5000"),
        ("facts: {incident: {severity: true}}", 'fact incident is {"open": false, "severity": 2}, not {"severity": true} until 5000'),
        ("facts: {freeze: none}", "allowed"),
        ("facts: {freeze: [soft, none]}", "allowed"),
        ("facts: {on_call: u}", "fact on_call is not known"),
        ("""expression: '"leads" in identity.groups || !facts.incident.open'""", "allowed until 5000"),
        ("expression: 'facts.incident.severity < 2'", "expression facts.incident.severity < 2 is false until 5000"),
        ("expression: 'facts.on_call == identity.user'", 'expression facts.on_call == identity.user failed: Key not found in map : "on_call" until 5000'),
        ("expression: 'action.verb == \"get\" && cluster.name == \"c\" && device.compliant && context.asn == 64500'", "allowed"),
    ],
)  # fmt: skip
def test_what_is_asked_and_what_is_said(when: str, said: str) -> None:
    assert answer(f"{ALLOW}, when: {{{when}}}") == said


@pytest.mark.parametrize(
    "when",
    [
        "country: [DE]", "asn: [64500]", 'user_agent: ["*"]', "device: {posture: {os: [linux]}}", "authentication: {acr: ['*']}",
        "authentication: {amr: ['*']}", "authentication: {max_age: 1d}", "facts: {incident: {open: false}}", "expression: 'device.compliant'",
        "expression: '!facts.incident.open'", "expression: 'context.country == context.country'", "expression: 'context.asn > 0'",
    ],
)  # fmt: skip
def test_of_nothing_known_nothing_is_allowed_and_no_deny_stopped(when: str) -> None:
    nobody, nowhere = Identity("u"), Context(2000.0, "")
    for condition in (f"when: {{{when}}}", f"unless: {{{when}}}"):
        assert not answer(f"{ALLOW}, {condition}", nobody, nowhere).startswith("allowed")
        assert answer(f"{DENY}, {condition}", nobody, nowhere) == 'rule "a" denies it'


def test_a_fact_is_unknown_from_its_end_on() -> None:
    rule = f"{ALLOW}, when: {{facts: {{incident: {{open: false}}}}}}"
    assert answer(rule, context=HERE.but(now=4999.9)) == "allowed until 5000"
    assert answer(rule, context=HERE.but(now=5000.0)) == "fact incident is not known"
    expression = f"{ALLOW}, when: {{expression: '!facts.incident.open'}}"
    assert answer(expression, context=HERE.but(now=5000.0)).startswith("expression !facts.incident.open failed")


def test_a_sign_in_is_too_old_at_the_very_instant() -> None:
    rule = f"{ALLOW}, when: {{authentication: {{max_age: 30m}}}}"
    assert answer(rule, context=HERE.but(now=2799.9)) == "allowed until 2800"
    assert answer(rule, context=HERE.but(now=2800.0)) == "the sign-in is older than 30 min; run kgate login --step-up"
    assert answer(f"{ALLOW}, unless: {{authentication: {{max_age: 30m}}}}", context=HERE.but(now=2800.0)) == "allowed"


def test_an_expression_sees_each_name_that_is_documented() -> None:
    action = GET.but(operation=Operation.EXEC, command=("sh",), cluster=Cluster("c", (("env", "prod"),)))
    known = values(Question(SOMEBODY, action, HERE))
    assert known.keys() == NAMES.keys()
    assert values(Question(Identity("u"), GET, Context(0.0, ""))).keys() == NAMES.keys() - {
        "device.name", "device.compliant", "device.posture", "context.country", "context.asn",
    }  # fmt: skip


def test_the_vocabulary_is_closed() -> None:
    assert {Ground.TIME.value, Ground.NETWORK.value, Ground.DEVICE.value} == {"time", "network", "device"}
