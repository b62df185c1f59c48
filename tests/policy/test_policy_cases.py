"""``tests:`` of a policy file: what is expected, and what is said where it comes out otherwise."""

from __future__ import annotations

import itertools

import pytest

from kgate.errors import InvalidFileError
from kgate.kube.operations import operation_of
from kgate.kube.requestinfo import parse_action
from kgate.model import Action, Cluster, Context, Device, Fact, Grant, Identity, Operation
from kgate.policy.cases import operation_meant, resource_written
from kgate.policy.load import load_policy
from kgate.policy.trial import outcomes

RULES = """\
rules:
  - name: shell
    who: {groups: [developers]}
    clusters: {labels: {env: dev}}
    allow: [{actions: [exec], namespaces: [team-*], commands: [[sh]]}, {verbs: [get], paths: [/metrics]}]
    when: {device: {compliant: true}, time: {hours: "08:00-20:00", zone: UTC}}
    as: {groups: [view]}
tests:
"""
KNOWN = "attach, cp, debug, exec, impersonate, lock, logs, port-forward, proxy, token)"
ALICE = "who: {user: alice, groups: [developers]}"
SHELL = "does: {cluster: dev-1, labels: {env: dev}, action: exec, namespace: team-a, name: web-0, command: [sh]}"


def faults(*lines: str, labels: dict[str, dict[str, str]] | None = None) -> list[str]:
    policy = load_policy(RULES + "".join(f"  - {{{line}}}\n" for line in lines), "p.yaml")
    assert [each.placed.line for each in outcomes(policy)] == list(range(9, 9 + len(lines)))
    return [outcome.fault for outcome in outcomes(policy, labels)]


def test_a_test_that_comes_out_as_expected_says_nothing() -> None:
    assert faults(
        f"{ALICE}, {SHELL}, context: {{device: {{compliant: true}}}}, expect: allow, rule: shell, as: {{user: alice, groups: [view]}}",
        f"{ALICE}, {SHELL}, expect: deny, because: device",
        f'{ALICE}, {SHELL}, context: {{time: "2026-11-24T21:00:00Z", device: {{compliant: true}}}}, expect: deny, because: time',
        f"{ALICE}, does: {{cluster: x, verb: get, path: /version}}, expect: allow",
    ) == ["", "", "", ""]


def test_what_came_out_otherwise_is_said_with_its_reasons() -> None:
    assert faults(
        f"{ALICE}, {SHELL}, expect: allow",
        f"{ALICE}, {SHELL}, expect: deny, because: network",
        f"{ALICE}, {SHELL}, context: {{device: {{compliant: true}}}}, expect: allow, rule: other",
        f"{ALICE}, {SHELL}, context: {{device: {{compliant: true}}}}, expect: allow, as: {{groups: [edit]}}",
    ) == [
        "expected allow, but it is denied: no device is known",
        'expected it because of "network", but it is because: no device is known',
        'expected it by rule "other", but it is by rule "shell"',
        "expected the cluster to see the groups edit, but it sees view",
    ]


def test_labels_come_from_the_configuration_where_the_test_has_none() -> None:
    bare = SHELL.replace("labels: {env: dev}, ", "")
    line = f"{ALICE}, {bare}, context: {{device: {{compliant: true}}}}, expect: allow"
    assert faults(line, labels={"dev-1": {"env": "dev"}}) == [""]
    assert "does not have the label env: dev" in faults(line)[0]


def test_a_mistake_in_a_test_has_its_line() -> None:
    with pytest.raises(InvalidFileError) as caught:
        load_policy(
            RULES + f"  - {{{ALICE}, does: {{cluster: c, action: shell}}, expect: perhaps}}\n  - {{does: {{cluster: c}}}}\n", "p.yaml"
        )
    assert str(caught.value).splitlines() == [
        'p.yaml:9: tests[0].does.action: "shell" is not known (known here: ' + KNOWN,
        'p.yaml:9: tests[0].expect: "perhaps" is not known (known here: allow, deny)',
        'p.yaml:10: "who" is missing in tests[1]',
        "p.yaml:10: tests[1].does: says neither verb nor action (write verb: get)",
        "p.yaml:10: tests[1].does: says neither resource, path nor action (write resource: pods)",
        'p.yaml:10: "expect" is missing in tests[1]',
    ]


@pytest.mark.parametrize("other", ["resource: pods, verb: get", "action: exec"])
def test_a_path_is_a_request_of_its_own(other: str) -> None:
    """A test of an action with a path was one of a plain GET, which told nothing of the action."""
    with pytest.raises(InvalidFileError, match=r'p\.yaml:9: tests\[0\]\.does\.path: "path" does not go with (resource|action)'):
        load_policy(RULES + f"  - {{{ALICE}, does: {{cluster: c, {other}, path: /x}}, expect: deny}}\n", "p.yaml")


def test_a_verb_on_a_resource_is_the_action_that_the_gate_reads_from_a_path() -> None:
    things = [
        "pods",
        "pods/log",
        "pods/exec",
        "pods/attach",
        "pods/portforward",
        "pods/proxy",
        "services/proxy",
        "nodes/proxy",
        "pods/status",
    ]
    things += ["pods/ephemeralcontainers", "serviceaccounts/token", "pods/token", "virtualmachines.kubevirt.io/exec", "x.y/log"]
    for thing, verb in itertools.product(things, ["get", "create", "patch", "watch"]):
        key = resource_written(thing)
        expected = operation_of(key.group, verb, key.resource, key.subresource)
        assert operation_meant(key, verb) is expected, (thing, verb)
    assert operation_meant(resource_written("users"), "impersonate") is Operation.IMPERSONATE


@pytest.mark.parametrize(
    ("method", "target", "does"),
    [
        (
            "POST",
            "/api/v1/namespaces/n/pods/p/exec?command=sh&container=c",
            "action: exec, name: p, namespace: n, container: c, command: [sh]",
        ),
        ("GET", "/api/v1/namespaces/n/pods/p/exec?command=sh", "verb: get, resource: pods/exec, name: p, namespace: n, command: [sh]"),
        ("GET", "/api/v1/namespaces/n/pods/p/attach", "verb: get, resource: pods/attach, name: p, namespace: n"),
        (
            "GET",
            "/api/v1/namespaces/n/pods/p/portforward?ports=80",
            "verb: get, resource: pods/portforward, name: p, namespace: n, ports: [80]",
        ),
        ("GET", "/api/v1/namespaces/n/pods/p/proxy/x", "verb: get, resource: pods/proxy, name: p, namespace: n"),
        (
            "POST",
            "/api/v1/namespaces/n/pods/p/exec?command=tar&command=cf&command=-&command=/etc",
            'action: exec, name: p, namespace: n, command: [tar, cf, "-", /etc]',
        ),
        (
            "POST",
            "/api/v1/namespaces/n/pods/p/exec?command=tar&command=-xmf&command=-",
            'verb: create, resource: pods/exec, name: p, namespace: n, command: [tar, "-xmf", "-"]',
        ),
        ("GET", "/api/v1/pods?fieldSelector=metadata.name%3Dp", "verb: list, resource: pods, field_selector: metadata.name=p"),
        ("GET", "/api/v1/pods?watch=1&fieldSelector=metadata.name%3Dp", "verb: watch, resource: pods, field_selector: metadata.name=p"),
        ("GET", "/api/v1/pods?fieldSelector=metadata.name%21%3Dp", "verb: list, resource: pods, field_selector: metadata.name!=p"),
        (
            "DELETE",
            "/api/v1/pods?fieldSelector=metadata.name%3Dp",
            "verb: deletecollection, resource: pods, field_selector: metadata.name=p",
        ),
        ("GET", "/apis/apps/v1/namespaces/n/deployments/d/scale", "verb: get, resource: deployments.apps/scale, namespace: n, name: d"),
        ("GET", "/api/v1/namespaces/n", "verb: get, resource: namespaces, name: n"),
        ("PUT", "/api/v1/namespaces/n/finalize", "verb: update, resource: namespaces/finalize, name: n"),
        ("HEAD", "/metrics", "verb: head, path: /metrics"),
    ],
)
def test_a_case_is_what_its_request_is(method: str, target: str, does: str) -> None:
    policy = load_policy(RULES + f"  - {{{ALICE}, does: {{cluster: c, {does}}}, expect: deny}}\n", "p.yaml")
    _, case, _ = policy.tests[0].case.question()
    request = parse_action(Cluster("c"), method.encode(), target.encode())
    assert isinstance(request, Action)
    unwritten = dict.fromkeys(("method", "target", "path"), "") | {"follows": False}
    assert case.but(**unwritten) == request.but(**unwritten)


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
def test_a_time_at_the_calendars_end_is_a_mistake(time: str) -> None:
    with pytest.raises(InvalidFileError) as caught:
        load_policy(RULES + f'  - {{{ALICE}, {SHELL}, context: {{time: "{time}"}}, expect: deny}}\n', "p.yaml")
    assert str(caught.value) == "p.yaml:9: tests[0].context.time: the year is out of range (write one from 1970 to 9000)"


POD = "/api/v1/namespaces/a/pods/web"


@pytest.mark.parametrize(
    ("does", "method", "target"),
    [
        (
            "action: exec, namespace: a, name: web, container: app, command: [ls, -l]",
            "GET",
            f"{POD}/exec?command=ls&command=-l&container=app",
        ),
        ("verb: create, resource: pods/exec, namespace: a, name: web, command: [ls]", "POST", f"{POD}/exec?command=ls"),
        ("verb: get, resource: pods/exec, namespace: a, name: web, command: [ls]", "GET", f"{POD}/exec?command=ls"),
        (
            "action: exec, namespace: a, name: web, command: [tar, cf, '-', /etc]",
            "GET",
            f"{POD}/exec?command=tar&command=cf&command=-&command=/etc",
        ),
        (
            "action: cp, namespace: a, name: web, command: [tar, cf, '-', /etc]",
            "GET",
            f"{POD}/exec?command=tar&command=cf&command=-&command=/etc",
        ),
        ("action: attach, namespace: a, name: web", "POST", f"{POD}/attach"),
        ("action: port-forward, namespace: a, name: web, ports: [80, 443]", "GET", f"{POD}/portforward?ports=80,443"),
        ("action: proxy, namespace: a, name: web", "GET", "/api/v1/namespaces/a/services/web/proxy"),
        ("action: proxy, verb: create, resource: pods, namespace: a, name: web", "POST", f"{POD}/proxy/x"),
        ("action: logs, namespace: a, name: web, container: app", "GET", f"{POD}/log?container=app"),
        ("action: debug, namespace: a, name: web", "PATCH", f"{POD}/ephemeralcontainers"),
        ("verb: get, resource: pods/ephemeralcontainers, namespace: a, name: web", "GET", f"{POD}/ephemeralcontainers"),
        ("action: token, namespace: a, name: bot", "POST", "/api/v1/namespaces/a/serviceaccounts/bot/token"),
        ("verb: list, resource: pods", "GET", "/api/v1/pods"),
        ("verb: watch, resource: deployments.apps, namespace: a", "GET", "/apis/apps/v1/namespaces/a/deployments?watch=true"),
        (
            "verb: list, resource: pods, namespace: a, field_selector: metadata.name=web",
            "GET",
            "/api/v1/namespaces/a/pods?fieldSelector=metadata.name%3Dweb",
        ),
        ("verb: watch, resource: pods, label_selector: app=web", "GET", "/api/v1/pods?watch=1&labelSelector=app%3Dweb"),
        ("verb: deletecollection, resource: pods, namespace: a", "DELETE", "/api/v1/namespaces/a/pods"),
        (
            "verb: update, resource: deployments.apps/scale, namespace: a, name: web",
            "PUT",
            "/apis/apps/v1/namespaces/a/deployments/web/scale",
        ),
        ("verb: get, resource: namespaces, name: a", "GET", "/api/v1/namespaces/a"),
        ("verb: delete, resource: namespaces, name: a", "DELETE", "/api/v1/namespaces/a"),
        ("verb: create, resource: namespaces", "POST", "/api/v1/namespaces"),
        ("verb: list, resource: namespaces", "GET", "/api/v1/namespaces"),
        ("verb: get, path: /metrics", "GET", "/metrics"),
        ("verb: post, path: /x", "POST", "/x"),
    ],
)
def test_what_a_case_does_is_what_the_request_for_it_asks(does: str, method: str, target: str) -> None:
    """By the very reading of requests: a policy's tests would prove nothing if they asked something else."""
    policy = load_policy(f"{RULES}  - {{{ALICE}, does: {{cluster: dev-1, {does}}}, expect: deny}}\n", "p.yaml")
    _, asked, _ = policy.tests[0].case.question({"env": "dev"})
    parsed = parse_action(Cluster("dev-1", (("env", "dev"),)), method.encode(), target.encode())
    assert isinstance(parsed, Action)
    if "path:" not in does:
        parsed = parsed.but(method="", target="", path="")
    assert asked == parsed


def test_whom_a_case_is_about_and_what_it_says_of_the_moment() -> None:
    who = "who: {user: alice, groups: [b, a], uid: u, extra: {team: [x, y]}, issuer: idp, robot: ci, acr: gold, amr: [hwk]}"
    context = (
        'context: {time: "2026-11-24T21:00:00Z", address: 10.1.2.3, country: CH, asn: 64500, user_agent: kubectl/v1, facts: {b: {y: 1, x: 2}, a: true}, '
        "device: {name: laptop, compliant: false, posture: {os: linux}}, grants: [shell]}"
    )
    does = "does: {cluster: dev-1, verb: get, resource: pods, namespace: team-a}"
    policy = load_policy(f"{RULES}  - {{{who}, {does}, {context}, expect: deny}}\n", "p.yaml")
    identity, _, moment = policy.tests[0].case.question()
    assert identity == Identity(
        "alice", ("b", "a"), "u", (("team", ("x", "y")),), "idp", acr="gold", amr=("hwk",), robot="ci",
        device=Device("laptop", False, (("os", "linux"),)),
    )  # fmt: skip
    at = 1_795_554_000.0
    assert moment == Context(
        at, "10.1.2.3", "kubectl/v1", "CH", 64500, (Fact("a", "true"), Fact("b", '{"x": 2, "y": 1}')),
        (Grant("test-1", "alice", "shell", "dev-1", "team-a", at, at + 3600, "test", ("approver",)),),
    )  # fmt: skip
