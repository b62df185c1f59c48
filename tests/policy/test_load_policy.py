"""Policy files: every mistake at once, and hostile ones refused while the old policy stays."""

from __future__ import annotations

import re
import time

import pytest
from hostile_policies import HARMLESS, HEAD, HOSTILE

from kgate.errors import InvalidFileError
from kgate.policy.load import load_policy

SLOTS = "(write {identity.user}, {identity.groups:team-*}, {identity.uid}, {identity.robot} or {device.name})"


def mistakes(text: str) -> list[str]:
    with pytest.raises(InvalidFileError) as caught:
        load_policy(text, "p.yaml")
    return str(caught.value).splitlines()


def test_every_mistake_at_once() -> None:
    text = """\
rules:
  - name: one
    who: {group: [developers]}
    clusters: {names: [dev-*]}
    allow:
      - {verbs: [get, lst, exec], resources: [pods, deployments]}
      - {verbs: [get], resources: [pods], ports: [80]}
      - {verbs: [get], paths: [metrics]}
    as: {groups: [view, "{x}"]}
  - name: one
    who: {groups: [developers]}
    clusters: {}
    deny: [{actions: [logs], commands: [[a, "**", b]]}]
    when:
      time: {days: [mo], hours: 8-20, zone: Europe/Berln}
      netwrk: [a]
    unless: {}
    limits: {duration: 1 hour, bytes: 1GB}
    record: all
  - foo
ruels: []
"""
    assert mistakes(text) == [
        'p.yaml:3: unknown key "group" in rules[0].who (did you mean "groups"?)',
        'p.yaml:6: rules[0].allow[0].verbs: has "exec", which is not known (exec is an action: write actions: [exec] in an entry of its own)',
        'p.yaml:6: rules[0].allow[0].verbs: has "lst", which is not known (did you mean "list"?)',
        'p.yaml:6: rules[0].allow[0].resources: has "deployments", but the core group has no deployments (did you mean "deployments.apps"?)',
        'p.yaml:7: rules[0].allow[1].ports: "ports" does not go with resources (give it an entry of its own)',
        'p.yaml:8: rules[0].allow[2].paths: has "metrics", which is not a path (a path begins with /)',
        'p.yaml:9: rules[0].as.groups[1]: "{x}" has braces that are no placeholder ' + SLOTS,
        'p.yaml:10: a second one of rules has the name "one", the first is on line 2 (change one)',
        'p.yaml:12: rules[1].clusters: names no cluster (write names: ["*"] for all of them)',
        'p.yaml:13: rules[1].deny[0].commands[0]: is not a command ("**" stands for any further arguments, as the last word only: ["psql", "**"])',
        'p.yaml:15: rules[1].when.time.zone: "Europe/Berln" is not a time zone (write it as Europe/Berlin or UTC)',
        'p.yaml:15: rules[1].when.time.days[0]: "mo" is not a day (write mon, tue, wed, thu, fri, sat, sun)',
        'p.yaml:15: rules[1].when.time.hours: "8-20" is not a span of hours (write it as "08:00-20:00" or "22:00-06:00")',
        'p.yaml:16: unknown key "netwrk" in rules[1].when (did you mean "network"?)',
        "p.yaml:17: rules[1].unless: asks nothing (leave it out, or name time, network, country, device, facts …)",
        'p.yaml:18: rules[1].limits.duration: "1 hour" is not a duration (write it as 30s, 15m, 1h 15m or 7d)',
        'p.yaml:18: rules[1].limits.bytes: "1GB" is not a size (write it as 64KiB, 10MiB or 1GiB)',
        'p.yaml:19: rules[1].record: "all" is not known (known here: full, none, stdout)',
        "p.yaml:20: rules[2]: must be a mapping, not text (write lines of the form key: value below it, further in)",
        'p.yaml:21: unknown key "ruels" (did you mean "rules"?)',
    ]


@pytest.mark.parametrize(
    ("rest", "says"),
    [
        ("", "rules[0]: needs either allow or deny"),
        ("    allow: []\n", "rules[0]: allows or denies nothing"),
        ("    allow: [{}]\n", "allow[0]: says neither resources, paths nor actions"),
        ("    allow: [{verbs: [get]}]\n", "allow[0]: says neither"),
        ("    allow: [{resources: [pods]}]\n", 'allow[0]: "verbs" is missing'),
        ("    allow: [{verbs: [get], actions: [exec]}]\n", 'verbs: "verbs" does not go with actions'),
        ("    allow: [{verbs: [get], resources: [pods], paths: [/x]}]\n", 'resources: "resources" does not go with paths'),
        ("    allow: [{verbs: [post], resources: [pods]}]\n", 'has "post", which is not known'),
        ("    allow: [{verbs: [create], paths: [/x]}]\n", 'has "create", which is not known'),
        ("    allow: [{actions: [shell]}]\n", 'has "shell", which is not known'),
        ("    allow: [{verbs: [get], resources: [pods/exec]}]\n", "granted only under actions (write actions: [exec]"),
        ("    allow: [{verbs: [get], resources: ['*/proxy']}]\n", "granted only under actions (write actions: [proxy]"),
        ("    allow: [{verbs: [get], resources: [serviceaccounts/token]}]\n", "granted only under actions (write actions: [token]"),
        ("    allow: [{verbs: [get], resources: [Pods]}]\n", 'has "Pods", which is not a resource'),
        ("    allow: [{verbs: [get], resources: [pods/]}]\n", "which is not a resource"),
        ("    allow: [{verbs: [get], resources: ['**']}]\n", "which is not a resource"),
        ("    allow: [{verbs: [], resources: [pods]}]\n", "verbs: is an empty list"),
        ("    allow: [{verbs: [get], resources: []}]\n", "resources: is an empty list"),
        ("    allow: [{verbs: [get], resources: [pods], namespaces: []}]\n", "namespaces: is an empty list"),
        ("    allow: [{verbs: [get], resources: [pods], namespaces: ['']}]\n", "namespaces: has an empty word"),
        ("    deny: [{actions: [exec], commands: []}]\n", "deny[0].commands: asks nothing"),
        ("    deny: [{actions: [port-forward], ports: []}]\n", "deny[0].ports: asks nothing"),
        ("    allow: [{actions: [attach], commands: [[sh]]}]\n", "commands: restricts none of these actions: attach"),
        ("    allow: [{actions: [exec], ports: [80]}]\n", "ports: restricts none of these actions: exec"),
        ("    allow: [{actions: [debug], containers: [a]}]\n", "containers: restricts none of these actions: debug"),
        ("    allow: [{actions: [port-forward], ports: [0]}]\n", "0 is not a port"),
        ("    allow: [{actions: [port-forward], ports: [9-8]}]\n", "9-8 is not a port"),
        ("    allow: [{actions: [port-forward], ports: [65536]}]\n", "65536 is not a port"),
        ("    allow: [{actions: [port-forward], ports: [[80]]}]\n", "[80] is not a port"),
        ("    allow: [{actions: [exec], commands: [[]]}]\n", "is not a command"),
        ("    allow: [{actions: [exec], commands: [sh]}]\n", "must be a list, not text"),
        ("    deny: [{actions: [exec]}]\n    as: {user: x}\n", "rules[0].as: does not go with deny"),
        ("    deny: [{actions: [exec]}]\n    record: full\n", "rules[0].record: does not go with deny"),
        ("    allow: [{actions: [exec]}]\n    deny: [{actions: [cp]}]\n", "needs either allow or deny"),
        ("    allow: [{actions: [exec]}]\n    as: {}\n", "as: says nothing"),
        ("    allow: [{actions: [exec]}]\n    as: {user: ''}\n", "as.user: is empty, or has control characters"),
        ('    allow: [{actions: [exec]}]\n    as: {groups: ["a\\nb"]}\n', "as.groups[0]: is empty, or has control characters"),
        ("    allow: [{actions: [exec]}]\n    as: {user: x, extra: {Key: [v]}}\n", "as.extra: has a key that is not in lower case"),
        ("    allow: [{actions: [exec]}]\n    when: {time: {zone: UTC}}\n", "when.time: asks nothing"),
        ("    allow: [{actions: [exec]}]\n    when: {time: {hours: '08:00-20:00'}}\n", '"zone" is missing in rules[0].when.time'),
        ("    allow: [{actions: [exec]}]\n    when: {network: []}\n", "when.network: is an empty list"),
        ("    allow: [{actions: [exec]}]\n    when: {network: [10.0.0.1/8]}\n", "did you mean 10.0.0.0/8?"),
        ("    allow: [{actions: [exec]}]\n    when: {device: {compliant: yes}}\n", "must be true or false, not text"),
        ("    allow: [{actions: [exec]}]\n    limits: {idle: 15}\n", '15 has no unit (write "15s" for seconds)'),
        ("    allow: [{actions: [exec]}]\n    when: {device: {}}\n", "when.device: asks nothing"),
        ("    allow: [{actions: [exec]}]\n    when: {country: [de]}\n", 'has "de", which is not a country code (write two capital letters'),
        ("    allow: [{actions: [exec]}]\n    when: {country: []}\n", "when.country: is an empty list"),
        ("    allow: [{actions: [exec]}]\n    when: {asn: [x]}\n", 'has "x", which is not the number of an autonomous system'),
        ("    allow: [{actions: [exec]}]\n    when: {asn: [4294967296]}\n", "which is not the number of an autonomous system"),
        (
            "    allow: [{actions: [exec]}]\n    when: {authentication: {}}\n",
            "when.authentication: asks nothing (name acr, amr or max_age)",
        ),
        ("    allow: [{actions: [exec]}]\n    when: {authentication: {max_age: 5}}\n", '5 has no unit (write "5s" for seconds)'),
        ("    allow: [{actions: [exec]}]\n    when: {facts: {}}\n", "when.facts: asks nothing"),
        ("    allow: [{actions: [exec]}]\n    when: {facts: {a: {}}}\n", "when.facts.a: does not say what it must be"),
        ("    allow: [{actions: [exec]}]\n    when: {facts: [a]}\n", "when.facts: must be a mapping, not a list"),
        (
            "    allow: [{actions: [exec]}]\n    when: {expression: 'x'}\n",
            'expression: has the unknown name "x" at character 1 (names: action.command',
        ),
        ("    allow: [{actions: [exec]}]\n    when: {expression: 'identity.user'}\n", "when.expression: gives string, not true or false"),
    ],
)
def test_what_makes_no_sense_is_a_mistake(rest: str, says: str) -> None:
    assert says in "\n".join(mistakes(HEAD + rest))


@pytest.mark.parametrize("clusters", ["{}", "{labels: {}}", "{names: [dev], labels: {}}", "{labels: {env: []}}"])
def test_a_rule_says_for_which_clusters_it_is(clusters: str) -> None:
    """What says nothing is not taken for all of them."""
    text = "rules:\n  - name: r\n    who: {groups: [a]}\n    clusters: %s\n    allow: [{actions: [exec]}]\n"
    assert mistakes(text % clusters)[0].startswith("p.yaml:4: rules[0].clusters")


@pytest.mark.parametrize("name", ["a b", "-x", "", "x" * 64, "a/b", "ä", 'a"b', 7])
def test_names_of_rules_can_be_shown_anywhere(name: object) -> None:
    text = HEAD.replace("name: r", f"name: {name!r}" if isinstance(name, str) else f"name: {name}")
    assert "rules[0].name" in mistakes(text + "    allow: [{actions: [exec]}]\n")[0]


def test_a_file_without_rules() -> None:
    assert mistakes("{}") == ['p.yaml:1: "rules" is missing (write rules: [] for none)']
    assert mistakes("rules: {a: b}") == ['p.yaml:1: "rules" must be a list, not a mapping (write rules: [] for none)']
    policy = load_policy("rules: []", "p.yaml")
    assert [str(each) for each in policy.warnings] == ["p.yaml:1: no rule allows anything (every request but discovery is denied)"]


def test_whoever_asks_for_a_recording_of_what_is_never_recorded_is_told() -> None:
    def warnings(actions: str, record: str) -> list[str]:
        return [str(each) for each in load_policy(f"{HEAD}    allow: [{{actions: {actions}}}]\n    record: {record}\n", "p.yaml").warnings]

    for actions in ("[exec]", "[port-forward, attach]", "[cp]", '["*"]'):
        assert warnings(actions, "full") == []
    assert warnings("[port-forward, proxy]", "none") == []
    assert warnings("[port-forward, proxy]", "stdout") == [
        'p.yaml:6: rules[0].record: "stdout" records nothing of what this rule allows (exec, attach and cp are recorded, under actions)'
    ]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_with_its_line_within_a_second_or_so(name: str) -> None:
    began = time.thread_time()
    found = mistakes(HOSTILE[name])
    assert time.thread_time() - began < 2.0
    assert all(re.match(r"p\.yaml(/a\.yaml)?:[1-9]", line) and len(line) < 1000 for line in found)


@pytest.mark.parametrize("name", HARMLESS)
def test_what_only_looks_hostile_loads_as_fast(name: str) -> None:
    began = time.thread_time()
    load_policy(HARMLESS[name], "p.yaml")
    assert time.thread_time() - began < 2.0


def test_a_doubling_expression_and_a_control_character_are_named_as_such() -> None:
    assert "values could grow beyond all bounds" in mistakes(HOSTILE["an expression that doubles"])[0]
    assert mistakes(HOSTILE["a control character"]) == [
        'p.yaml:2: this is not YAML: it has the character U+0007 (take it out, or write "\\u0007" in double quotes)'
    ]


def test_ten_thousand_rules_load_in_seconds() -> None:
    rule = "  - {{name: r{0}, who: {{groups: [g{0}]}}, clusters: {{names: ['*']}}, allow: [{{verbs: [get], resources: [pods]}}]}}\n"
    began = time.thread_time()
    policy = load_policy("rules:\n" + "".join(rule.format(number) for number in range(2_000)), "p.yaml")
    assert len(policy.rules) == 2_000 and time.thread_time() - began < 5.0


def test_expressions_are_so_long_together() -> None:
    def policy(lengths: list[int]) -> str:
        return "rules:\n" + "".join(
            f"  - name: r{number}\n    who: {{users: [a]}}\n    clusters: {{names: [dev]}}\n    allow: [{{verbs: [get], resources: [pods]}}]\n"
            f"    {'when' if number % 2 else 'unless'}: {{expression: \"identity.user != '{'x' * (length - 19)}'\"}}\n"
            for number, length in enumerate(lengths)
        )

    assert len(load_policy(policy([4096] * 128), "p.yaml").rules) == 128
    assert mistakes(policy([4096] * 127 + [4076, 21])) == [
        "p.yaml:646: the expressions of the policy have more than 512 KiB together (ask by who, time or facts what they can say)"
    ]
