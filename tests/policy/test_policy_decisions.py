"""What the policy of the documentation decides, one line each, and what it says where it denies."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from kgate.kube.requestinfo import parse_action
from kgate.model import Action, Cluster, Context, Decision, Device, Ground, Identity, Impersonation, Limits, Operation, Reason, Recording
from kgate.policy.evaluate import Policy, evaluate
from kgate.policy.facets import remember_short
from kgate.policy.load import load_policy

POLICY = """
rules:
  - name: developers-read-dev
    who: {groups: [developers]}
    clusters: {names: [dev-*]}
    allow:
      - {verbs: [get, list, watch], resources: [pods, pods/log, services, deployments.apps]}
      - {verbs: [get], paths: [/metrics]}
    as: {groups: [view]}
  - name: developers-shell
    who: {groups: [developers]}
    clusters: {labels: {env: [dev, staging]}}
    allow:
      - actions: [exec, attach, port-forward]
        namespaces: [team-*]
        containers: ["!istio-proxy"]
        ports: [8080]
        commands: [["psql", "**"], ["sh"]]
    when:
      time: {days: [mon, tue, wed, thu, fri], hours: "08:00-20:00", zone: Europe/Berlin}
      device: {compliant: true}
    limits: {duration: 1h, idle: 15m, bytes: 1GiB}
    record: stdout
  - name: administrators
    who: {groups: [admins]}
    clusters: {names: ["*"]}
    allow: [{verbs: ["*"], resources: ["*"]}, {verbs: ["*"], paths: ["*"]}, {actions: ["*"]}]
    as: {groups: ["system:masters"]}
  - name: everything-but-channels
    who: {groups: [operators]}
    clusters: {names: ["*"]}
    allow: [{verbs: ["*"], resources: ["*"]}]
  - name: no-secrets
    who: {groups: ["*"]}
    clusters: {names: [prod-*]}
    deny: [{verbs: ["*"], resources: [secrets]}]
  - name: no-system-namespace
    who: {users: ["*", "!root"]}
    clusters: {names: [prod-*]}
    deny: [{verbs: ["*"], resources: ["*"], namespaces: [kube-system]}]
"""
DEV = Cluster("dev-1", (("env", "dev"),))
PROD = Cluster("prod-eu", (("env", "prod"),))
ALICE = Identity("alice", ("developers",), device=Device("laptop", True))
ROOT = Identity("root", ("admins",))
OPERATOR = Identity("oscar", ("operators",))
MALLORY = Identity("mallory")
TUESDAY_NOON = datetime.fromisoformat("2026-11-24T12:00:00+01:00").timestamp()
TUESDAY_NIGHT = datetime.fromisoformat("2026-11-24T21:00:00+01:00").timestamp()
CONTEXT = Context(TUESDAY_NOON, "10.0.0.1")


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy(POLICY, "policy.yaml")


def asks(what: str, cluster: Cluster = DEV, **given: Any) -> Action:
    """``get pods/web-0 -n team-a``, ``list pods``, ``exec web-0 -n team-a -- sh``, ``GET /metrics``."""
    words, _, argv = what.partition(" -- ")
    verb, thing, *rest = words.split(" ")
    namespace = rest[1] if rest[:1] == ["-n"] else ""
    if thing.startswith("/"):
        return Action(cluster, verb.upper(), verb, thing, thing, **given)
    operations = {each.value: each for each in Operation if each not in (Operation.LOGS, Operation.DEBUG)}
    if verb in operations:
        sub = {"cp": "exec", "port-forward": "portforward"}.get(verb, verb)
        container = given.pop("container", "app")
        command = tuple(argv.split()) if argv else ()
        return Action(
            cluster, "POST", "create", "/x", "/x", "", "v1", "pods", sub, namespace, thing, operations[verb], container, command, **given
        )  # fmt: skip
    kind, _, name = thing.partition("/")
    name, _, sub = name.partition("/")
    resource, _, group = kind.partition(".")
    operation = Operation.LOGS if sub == "log" else None
    return Action(cluster, "GET", verb, "/x", "/x", group, "v1", resource, sub, namespace, name, operation, **given)


YES, NO = True, False
TABLE: list[tuple[Identity, Action, bool, str]] = [
    (ALICE, asks("get pods/web-0 -n team-a"), YES, "developers-read-dev"),
    (ALICE, asks("list pods"), YES, "developers-read-dev"),
    (ALICE, asks("watch deployments.apps -n team-a"), YES, "developers-read-dev"),
    (ALICE, asks("get pods/web-0/log -n team-a"), YES, "developers-read-dev"),
    (ALICE, asks("get pods/web-0/status -n team-a"), NO, ""),
    (ALICE, asks("get deployments/web -n team-a"), NO, ""),  # the core group has none
    (ALICE, asks("delete pods/web-0 -n team-a"), NO, ""),
    (ALICE, asks("get pods/web-0 -n team-a", PROD), NO, ""),
    (ALICE, asks("get /metrics"), YES, "developers-read-dev"),
    (ALICE, asks("post /metrics"), NO, ""),
    (ALICE, asks("get /metrics/x"), NO, ""),
    (ALICE, asks("exec web-0 -n team-a -- sh"), YES, "developers-shell"),
    (ALICE, asks("exec web-0 -n team-a -- psql -h db"), YES, "developers-shell"),
    (ALICE, asks("exec web-0 -n team-a -- sh -c id"), NO, ""),
    (ALICE, asks("exec web-0 -n team-a"), NO, ""),
    (ALICE, asks("exec web-0 -n payments -- sh"), NO, ""),
    (ALICE, asks("exec web-0 -n team-a -- sh", container="istio-proxy"), NO, ""),
    (ALICE, asks("exec web-0 -n team-a -- sh", container=""), NO, ""),
    (ALICE, asks("attach web-0 -n team-a"), YES, "developers-shell"),
    (ALICE, asks("cp web-0 -n team-a -- tar cf - /x"), NO, ""),
    (ALICE, asks("port-forward web-0 -n team-a"), YES, "developers-shell"),
    (ALICE, asks("port-forward web-0 -n team-a", ports=(8080,)), YES, "developers-shell"),
    (ALICE, asks("port-forward web-0 -n team-a", ports=(22,)), NO, ""),
    (ALICE, asks("port-forward web-0 -n team-a", ports=(8080, 22)), NO, ""),
    (ALICE, asks("proxy web-0 -n team-a"), NO, ""),
    (OPERATOR, asks("delete deployments.apps/web -n x"), YES, "everything-but-channels"),
    (OPERATOR, asks("patch deployments.apps/web/scale -n x"), YES, "everything-but-channels"),
    (OPERATOR, asks("get pods/web-0/log -n x"), YES, "everything-but-channels"),
    (OPERATOR, asks("exec web-0 -n x -- sh"), NO, ""),
    (OPERATOR, asks("attach web-0 -n x"), NO, ""),
    (OPERATOR, asks("port-forward web-0 -n x"), NO, ""),
    (OPERATOR, asks("proxy web-0 -n x"), NO, ""),
    (OPERATOR, asks("token robot -n x"), NO, ""),
    (OPERATOR, asks("impersonate root"), NO, ""),
    (OPERATOR, asks("cp web-0 -n x -- tar cf - /x"), NO, ""),
    (OPERATOR, asks("get /metrics"), NO, ""),
    (OPERATOR, asks("get secrets/s -n x"), YES, "everything-but-channels"),
    (OPERATOR, asks("get secrets/s -n x", PROD), NO, "no-secrets"),
    (OPERATOR, asks("list secrets", PROD), NO, "no-secrets"),
    (OPERATOR, asks("get pods/p -n kube-system", PROD), NO, "no-system-namespace"),
    (OPERATOR, asks("list pods", PROD), NO, "no-system-namespace"),  # of all namespaces, so of that one
    (OPERATOR, asks("list pods/etcd", PROD), NO, "no-system-namespace"),  # whatever has this name, in all namespaces
    (OPERATOR, asks("watch pods/etcd", PROD), NO, "no-system-namespace"),
    (OPERATOR, asks("list namespaces/shop", PROD), YES, "everything-but-channels"),
    (OPERATOR, asks("list pods -n shop", PROD), YES, "everything-but-channels"),
    (OPERATOR, asks("list nodes", PROD), YES, "everything-but-channels"),  # outside namespaces
    (OPERATOR, asks("list widgets.example.com", PROD), NO, "no-system-namespace"),  # who knows
    (OPERATOR, asks("get widgets.example.com/w", PROD), YES, "everything-but-channels"),
    (ROOT, asks("list pods", PROD), YES, "administrators"),
    (ROOT, asks("exec etcd -n kube-system -- sh", PROD), YES, "administrators"),
    (ROOT, asks("cp web-0 -n x -- tar cf - /x"), YES, "administrators"),
    (ROOT, asks("get secrets/s -n x", PROD), NO, "no-secrets"),  # any deny wins
    (ROOT, asks("post /anything"), YES, "administrators"),
    (MALLORY, asks("get pods/web-0 -n team-a"), NO, ""),
    (MALLORY, asks("get secrets/s -n x", PROD), NO, "no-secrets"),  # "*" is whoever has no group, too
    *(
        (MALLORY, asks(f"get {path}"), YES, "")
        for path in ("/api", "/apis", "/version", "/api/v1", "/apis/apps", "/apis/apps/v1", "/openapi/v3")
    ),
    *(
        (MALLORY, asks(f"get {path}"), NO, "")
        for path in ("/", "/api/", "/api/v1/x", "/apis/a/b/c", "/versions", "/openapix", "/healthz", "/logs")
    ),
    (MALLORY, asks("post /api"), NO, ""),
    (ROOT, asks("get /api"), YES, ""),  # by nobody's rule, so as nobody's as
]


@pytest.mark.parametrize(("who", "action", "allowed", "rule"), TABLE)
def test_the_table(policy: Policy, who: Identity, action: Action, allowed: bool, rule: str) -> None:
    decision = evaluate(policy, who, action, CONTEXT)
    assert (decision.allowed, decision.rule) == (allowed, rule), decision.reasons


@pytest.mark.parametrize(
    "path", ["secrets?fieldSelector=metadata.name%3Ddb", "secrets?watch=1&fieldSelector=metadata.name=db", "watch/secrets/db"]
)
@pytest.mark.parametrize("rules", ["deny: [{verbs: [list, watch], resources: [secrets], namespaces: [payments]}]", ""])
def test_one_name_in_every_namespace_is_in_that_namespace_too(path: str, rules: str) -> None:
    """``kubectl get secrets -A --field-selector metadata.name=db``."""
    whoever = 'who: {users: ["*"]}, clusters: {names: ["*"]}'
    denied = f"- {{name: no, {whoever}, {rules}}}" if rules else ""
    namespaces = "" if rules else ', namespaces: ["!payments"]'
    policy = load_policy(f"rules:\n{denied}\n- {{name: all, {whoever}, allow: [{{verbs: ['*'], resources: ['*']{namespaces}}}]}}", "p.yaml")
    everywhere = parse_action(DEV, b"GET", f"/api/v1/{path}".encode())
    shop = parse_action(DEV, b"GET", f"/api/v1/{path}".replace("secrets", "namespaces/shop/secrets").encode())
    assert isinstance(everywhere, Action) and isinstance(shop, Action) and everywhere.name == shop.name == "db"
    assert (evaluate(policy, ALICE, everywhere, CONTEXT).allowed, evaluate(policy, ALICE, shop, CONTEXT).allowed) == (False, True)


@pytest.mark.parametrize("target", [b"/api/v1/namespaces/payments/pods/x/proxy/", b"/api/v1/proxy/namespaces/payments/pods/x/"])
@pytest.mark.parametrize("method", [b"GET", b"DELETE"])
def test_a_deny_of_a_proxied_resource_takes_the_old_form_of_its_path_too(method: bytes, target: bytes) -> None:
    whoever = 'who: {users: ["*"]}, clusters: {names: ["*"]}'
    denied = f"- {{name: no, {whoever}, deny: [{{verbs: [get], resources: [pods/proxy], namespaces: [payments]}}]}}"
    policy = load_policy(f"rules:\n{denied}\n- {{name: all, {whoever}, allow: [{{actions: [proxy]}}]}}", "p.yaml")
    action = parse_action(DEV, method, target)
    assert isinstance(action, Action) and action.operation is Operation.PROXY
    decision = evaluate(policy, ALICE, action, CONTEXT)
    assert (decision.allowed, decision.rule) == (False, "no")


def reasons(decision: Decision) -> list[tuple[Ground, str, str]]:
    assert not decision.allowed
    return [(each.ground, each.rule, each.text) for each in decision.reasons]


@pytest.mark.parametrize(
    ("asked", "entry", "why"),
    [
        ("list pods", "namespaces: [a]", "the request is for every namespace, not a"),
        ("list pods", 'namespaces: [a, "{identity.user}"]', "the request is for every namespace, not a, {identity.user}"),
        ("get pods/x", "namespaces: [a]", "the request is for something outside of namespaces, not in a"),
        (
            "get pods/x",
            'namespaces: [a, "{identity.user}"]',
            "the request is for something outside of namespaces, not in a, {identity.user}",
        ),
        ("list pods -n a", "names: [x]", "the request is for every name, not x"),
        ("deletecollection pods -n a", "names: [x]", "the request is for every name, not x"),
        ("create pods -n a", "names: [x]", "the request names no object in its path, so it is not known to be x"),
    ],
)
def test_what_names_no_namespace_or_object_is_told_what_it_is(asked: str, entry: str, why: str) -> None:
    rule = f'{{name: r, who: {{users: ["*"]}}, clusters: {{names: ["*"]}}, allow: [{{verbs: ["*"], resources: [pods], {entry}}}]}}'
    (reason,) = evaluate(load_policy(f"rules: [{rule}]", "p"), ALICE, asks(asked), CONTEXT).reasons
    assert reason.text.partition(" (for")[0] == why


@pytest.mark.parametrize(
    ("asked", "given", "why"),
    [
        ("exec web-0 -n a -- sh", {"container": ""}, "the request names no container"),
        ("exec web-0 -n a -- sh", {"container": "mesh"}, "container is mesh, not app"),
        ("exec web-0 -n a", {}, "command is not named, not ls **"),
        ("port-forward web-0 -n a", {"ports": (22, 8080)}, "port is 22, 8080, not 8080, 9000-9010"),
        ("proxy web-0:http -n a", {}, "port is http, not 8080, 9000-9010"),
        ("proxy web-0 -n a", {}, "port is not named, not 8080, 9000-9010"),
        ("exec web-0 -n a -- ls", {"container": "a-" + "y" * 79}, f"container is a-{'y' * 78}…, not app"),
        ("exec web-0 -n a -- ls", {"container": "b-" + "y" * 78}, f"container is b-{'y' * 78}, not app"),
        ("exec web-0 -n a -- ls", {"container": "\x07" + "y" * 79}, f"container is \ufffd{'y' * 79}, not app"),
    ],
)
def test_what_an_entry_asks_beyond_the_resource_is_said_in_its_own_words(asked: str, given: dict[str, Any], why: str) -> None:
    entry = "{actions: [exec, port-forward, proxy], containers: [app], commands: [[ls, '**']], ports: [8080, 9000-9010]}"
    policy = load_policy(f'rules: [{{name: r, who: {{users: ["*"]}}, clusters: {{names: ["*"]}}, allow: [{entry}]}}]', "p")
    assert why in [reason.text for reason in evaluate(policy, ALICE, asks(asked, **given), CONTEXT).reasons]


@pytest.mark.parametrize(
    ("clusters", "why"),
    [
        ("names: [dev-*]", "cluster is prod-eu, not dev-*"),
        ('names: ["*", "!prod-eu"]', "cluster is prod-eu, which is excluded"),
        ("names: [prod-*], labels: {env: [dev, test]}", "cluster prod-eu does not have the label env: dev, test"),
        ("labels: {env: prod, region: eu}", "cluster prod-eu does not have the label env: prod and region: eu"),
        ("sets: [tame]", "cluster prod-eu is not in tame"),
        ("names: [dev-*], sets: [tame]", "cluster is prod-eu, not dev-*"),
    ],
)
def test_another_cluster_is_told_by_what_it_lacks(clusters: str, why: str) -> None:
    rule = f'{{name: r, who: {{users: ["*"]}}, clusters: {{{clusters}}}, allow: [{{verbs: [get], resources: [pods]}}]}}'
    (reason,) = evaluate(
        load_policy(f"clusters: {{tame: {{names: [dev-*]}}}}\nrules: [{rule}]", "p"), ALICE, asks("get pods/x -n a", PROD), CONTEXT
    ).reasons
    assert reason.text == why


def test_of_a_long_list_the_first_six_are_named() -> None:
    def says(number: int) -> str:
        names = ", ".join(f"n{each}" for each in range(number))
        text = f'rules: [{{name: r, who: {{users: ["*"]}}, clusters: {{names: ["*"]}}, allow: [{{verbs: [get], resources: [pods], names: [{names}]}}]}}]'
        return evaluate(load_policy(text, "p"), ALICE, asks("get pods/x -n a"), CONTEXT).reasons[0].text

    assert says(6) == "name is x, not n0, n1, n2, n3, n4, n5" and says(7) == f"{says(6)}, …"


DENIALS: list[tuple[Identity, Action, list[tuple[Ground, str, str]]]] = [
    (ALICE, asks("delete pods/web-0 -n team-a"), [(Ground.VERB, "developers-read-dev", "verb is delete, not get, list, watch")]),
    (ALICE, asks("get pods/web-0 -n x", PROD), [(Ground.CLUSTER, "developers-read-dev", "cluster is prod-eu, not dev-*")]),
    (
        ALICE,
        asks("get secrets/s -n x"),
        [(Ground.RESOURCE, "developers-read-dev", "resource is secrets, not pods, pods/log, services, deployments.apps")],
    ),
    (ALICE, asks("exec web-0 -n payments -- sh"), [(Ground.NAMESPACE, "developers-shell", "namespace is payments, not team-*")]),
    (ALICE, asks("exec web-0 -n team-a -- rm -rf /"), [(Ground.COMMAND, "developers-shell", "command is rm -rf /, not psql **, sh")]),
    (
        ALICE,
        asks("exec web-0 -n team-a -- sh", container="istio-proxy"),
        [(Ground.CONTAINER, "developers-shell", "container is istio-proxy, which is excluded")],
    ),
    (ALICE, asks("port-forward web-0 -n team-a", ports=(22,)), [(Ground.PORT, "developers-shell", "port is 22, not 8080")]),
    (ALICE, asks("proxy web-0 -n team-a"), [(Ground.ACTION, "developers-shell", "action is proxy, not exec, attach, port-forward")]),
    (ALICE, asks("get /healthz"), [(Ground.PATH, "developers-read-dev", "path is /healthz, not /metrics")]),
    (ALICE, asks("delete secrets/s -n x"), [(Ground.NO_RULE, "", "no rule allows it")]),
    (OPERATOR, asks("exec web-0 -n x -- sh"), [(Ground.ACTION, "everything-but-channels", "exec is granted only by name, under actions")]),
    (OPERATOR, asks("get secrets/s -n x", PROD), [(Ground.DENIED, "no-secrets", 'rule "no-secrets" denies it')]),
    (MALLORY, asks("get pods/p -n x"), [(Ground.WHO, "", "no rule is for mallory")]),
    (ALICE.but(expires=CONTEXT.now), asks("get pods/p -n x"), [(Ground.EXPIRED, "", "the credential has expired; sign in again")]),
    (ALICE, asks("get pods/p -n x").but(verb=""), [(Ground.UNKNOWN_VERB, "", "kgate cannot tell what the request does")]),
    (ROOT, asks("get pods/p -n x").but(verb=""), [(Ground.UNKNOWN_VERB, "", "kgate cannot tell what the request does")]),
    (
        ALICE.but(networks=("192.0.2.0/24",)),
        asks("get pods/p -n x"),
        [(Ground.NETWORK, "", "the credential may not be used from 10.0.0.1")],
    ),
    (ROOT.but(clusters=("dev-*",)), asks("get /api", PROD), [(Ground.CLUSTER, "", "the credential is for dev-*, not for prod-eu")]),
]


@pytest.mark.parametrize(("who", "action", "says"), DENIALS)
def test_a_denial_names_the_nearest_miss(policy: Policy, who: Identity, action: Action, says: list[tuple[Ground, str, str]]) -> None:
    assert reasons(evaluate(policy, who, action, CONTEXT)) == says


def test_outside_of_hours_the_time_is_what_is_missing(policy: Policy) -> None:
    decision = evaluate(policy, ALICE, asks("exec web-0 -n team-a -- sh"), Context(TUESDAY_NIGHT, "10.0.0.1"))
    assert reasons(decision) == [(Ground.TIME, "developers-shell", "time is outside 08:00-20:00 Europe/Berlin")]
    assert decision.until == datetime.fromisoformat("2026-11-25T08:00:00+01:00").timestamp()


def test_everything_that_is_missing_in_the_context_is_named(policy: Policy) -> None:
    stranger = ALICE.but(device=Device("phone", False))
    decision = evaluate(policy, stranger, asks("exec web-0 -n team-a -- sh"), Context(TUESDAY_NIGHT, "10.0.0.1"))
    assert [each.text for each in decision.reasons] == ["time is outside 08:00-20:00 Europe/Berlin", "device phone is not compliant"]


@pytest.mark.parametrize(("device", "says"), [(None, "no device is known"), (Device("laptop"), "nothing is known of device laptop")])
def test_an_unknown_device_never_allows(policy: Policy, device: Device | None, says: str) -> None:
    decision = evaluate(policy, ALICE.but(device=device), asks("exec web-0 -n team-a -- sh"), CONTEXT)
    assert reasons(decision) == [(Ground.DEVICE, "developers-shell", says)]


def test_what_an_allow_grants_is_that_of_the_first_rule_that_matches(policy: Policy) -> None:
    decision = evaluate(policy, ALICE, asks("exec web-0 -n team-a -- sh"), CONTEXT)
    assert decision.limits == Limits(3600.0, 900.0, 2**30)
    assert decision.record is Recording.STDOUT
    assert decision.impersonate == Impersonation("alice", ("developers",))
    assert decision.until == datetime.fromisoformat("2026-11-24T20:00:00+01:00").timestamp()
    assert decision.reasons == (Reason(Ground.ALLOWED, "developers-shell", 'rule "developers-shell" allows it'),)
    assert decision.revision == policy.revision
    reads = evaluate(policy, ALICE, asks("get pods/p -n x"), CONTEXT)
    assert reads.impersonate == Impersonation("alice", ("view",)) and reads.limits == Limits() and reads.until is None


def test_a_decision_that_was_given_before_ends_when_this_one_does(policy: Policy) -> None:
    shell = asks("exec web-0 -n team-a -- sh")
    assert evaluate(policy, ALICE, shell, CONTEXT).until == TUESDAY_NOON + 8 * 3600
    assert evaluate(policy, ALICE, shell, Context(TUESDAY_NOON + 86400, "10.0.0.1")).until == TUESDAY_NOON + 86400 + 8 * 3600
    assert evaluate(policy, ALICE, shell, CONTEXT).until == TUESDAY_NOON + 8 * 3600


@pytest.mark.parametrize(
    ("who", "people"),
    [
        ('{robots: ["*"]}', ["ci"]),
        ("{robots: [ci]}", ["ci"]),
        ('{robots: ["!ci"]}', ["alice", "mallory", "root"]),
        ('{groups: ["*"]}', ["alice", "ci", "mallory", "root"]),
        ('{groups: [developers, "!contractors"]}', ["alice"]),
        ('{groups: ["!developers"]}', ["ci", "mallory", "root"]),
        ('{users: ["*", "!a*"]}', ["ci", "mallory", "root"]),
        ('{users: ["*"], groups: [admins]}', ["root"]),
        ('{issuers: ["https://idp.example.com"]}', ["root"]),
    ],
)
def test_who(who: str, people: list[str]) -> None:
    everyone = (
        ALICE,
        Identity("ci", robot="ci"),
        MALLORY,
        Identity("root", ("admins",), issuer="https://idp.example.com"),
        Identity("ann", ("developers", "contractors")),
    )
    policy = load_policy(f'rules: [{{name: r, who: {who}, clusters: {{names: ["*"]}}, allow: [{{verbs: [get], resources: [pods]}}]}}]', "f")
    allowed = [each.user for each in everyone if evaluate(policy, each, asks("get pods/p -n x"), CONTEXT).allowed]
    assert [name for name in allowed if name != "ann"] == people


def test_a_decision_ends_with_its_credential(policy: Policy) -> None:
    soon = ALICE.but(expires=CONTEXT.now + 60)
    assert evaluate(policy, soon, asks("get pods/p -n x"), CONTEXT).until == CONTEXT.now + 60
    assert evaluate(policy, soon, asks("exec web-0 -n team-a -- sh"), CONTEXT).until == CONTEXT.now + 60
    assert evaluate(policy, soon, asks("delete pods/p -n x"), CONTEXT).until == CONTEXT.now + 60
    assert evaluate(policy, soon, asks("get /api"), CONTEXT).until == CONTEXT.now + 60


def test_a_decision_ends_with_what_comes_first(policy: Policy) -> None:
    later = ALICE.but(expires=CONTEXT.now + 30 * 86400)
    assert evaluate(policy, later, asks("exec web-0 -n team-a -- sh"), CONTEXT).until == TUESDAY_NOON + 8 * 3600


def test_the_revision_is_that_of_the_text() -> None:
    one, other = load_policy(POLICY, "a"), load_policy(POLICY + "# a comment\n", "a")
    assert one.revision == load_policy(POLICY, "b").revision != other.revision
    assert len(one.revision) == 12


def test_a_deny_stands_before_discovery() -> None:
    closed = load_policy(
        'rules: [{name: shut, who: {users: [mallory]}, clusters: {names: ["*"]}, deny: [{verbs: ["*"], paths: ["/api*", /version]}]}]', "f"
    )
    assert evaluate(closed, MALLORY, asks("get /api"), CONTEXT).rule == "shut"
    assert evaluate(closed, MALLORY, asks("get /openapi/v3"), CONTEXT).allowed
    assert evaluate(closed, ALICE, asks("get /api"), CONTEXT).allowed


def test_discovery_is_everybodys_own_whatever_a_rule_on_paths_would_give(policy: Policy) -> None:
    """Administrators are ``system:masters`` by the rule that lets them at every path, but they discover as themselves."""
    reasons = (Reason(Ground.ALLOWED, text="discovery and questions about oneself are open to whoever signed in"),)
    assert evaluate(policy, ROOT, asks("get /api"), CONTEXT) == Decision(
        True, policy.revision, reasons=reasons, impersonate=Impersonation("root", ("admins",))
    )
    assert evaluate(policy, ROOT, asks("get /metrics"), CONTEXT).impersonate == Impersonation("root", ("system:masters",))


def test_a_deny_of_get_denies_a_channel_that_was_opened_by_post() -> None:
    closed = load_policy(
        "rules:\n"
        '  - {name: all, who: {users: ["*"]}, clusters: {names: ["*"]}, allow: [{actions: ["*"]}]}\n'
        '  - {name: no-exec, who: {users: ["*"]}, clusters: {names: ["*"]}, deny: [{verbs: [get], resources: [pods/exec]}]}\n',
        "f",
    )
    assert evaluate(closed, ALICE, asks("exec web-0 -n x -- sh"), CONTEXT).rule == "no-exec"
    assert evaluate(closed, ALICE, asks("attach web-0 -n x"), CONTEXT).rule == "all"


def test_exec_includes_cp_unless_commands_say_otherwise() -> None:
    def allows(entry: str) -> bool:
        policy = load_policy(f'rules: [{{name: r, who: {{users: ["*"]}}, clusters: {{names: ["*"]}}, allow: [{entry}]}}]', "f")
        return evaluate(policy, ALICE, asks("cp web-0 -n x -- tar cf - /x"), CONTEXT).allowed

    assert allows("{actions: [exec]}")
    assert allows("{actions: [cp]}")
    assert not allows("{actions: [exec, '!cp']}")
    assert not allows("{actions: [exec], commands: [[sh]]}")
    assert allows("{actions: [exec, cp], commands: [[sh]]}")
    assert allows("{actions: [exec], commands: [[tar, '**']]}")
    assert not allows("{actions: [attach]}")


@pytest.mark.threat("09")
@pytest.mark.parametrize("operation", ["exec", "attach", "port-forward", "proxy", "token", "cp"])
@pytest.mark.parametrize("verb", ["get", "create", "list"])
def test_no_verb_on_resources_opens_a_channel(policy: Policy, operation: str, verb: str) -> None:
    """WebSocket exec is a GET, SPDY's a POST; kubectl proxy is any method at all: rules on verbs and resources grant none of them."""
    assert not evaluate(policy, OPERATOR, asks(f"{operation} web-0 -n x -- sh").but(verb=verb), CONTEXT).allowed


def test_a_proxy_is_named_by_what_is_behind_scheme_and_port() -> None:
    policy = load_policy(
        "rules:\n"
        '  - {name: all, who: {users: ["*"]}, clusters: {names: ["*"]}, allow: [{actions: [proxy], resources: [services], ports: [80, 443]}]}\n'
        '  - {name: not-db, who: {users: ["*"]}, clusters: {names: ["*"]}, deny: [{actions: [proxy], names: [db]}]}\n',
        "f",
    )

    def rule(name: str, resource: str = "services") -> str:
        return evaluate(policy, ALICE, asks(f"proxy {name} -n x").but(resource=resource), CONTEXT).rule

    assert [rule(name) for name in ("web:80", "https:web:443", "web:8080", "web", "web:http")] == ["all", "all", "", "", ""]
    assert [rule(name) for name in ("db:80", "https:db:443", "db")] == ["not-db"] * 3
    assert rule("web:80", "nodes") == ""


def test_texts_of_the_request_are_harmless_in_the_reasons(policy: Policy) -> None:
    hostile = asks("get pods/p -n x").but(resource="x\x1b]0;title\x07\u202e" + "y" * 200)
    text = evaluate(policy, ALICE, hostile, CONTEXT).reasons[0].text
    assert text.isprintable() and len(text) < 200


def test_what_is_long_is_looked_at_anew_each_time_for_it_comes_from_nobody_but_who_wants_to_fill_memory() -> None:
    memo: dict[str, int] = {}
    remember_short(memo, "x" * 512, 1)
    remember_short(memo, "x" * 513, 2)
    assert list(memo.values()) == [1]


def test_discovery_ends_where_the_window_of_a_deny_opens() -> None:
    policy = load_policy(
        """
rules:
  - name: closed
    who: {users: ["*"]}
    clusters: {names: ["*"]}
    deny: [{verbs: ["*"], paths: ["/api"]}]
    when: {time: {hours: "08:00-20:00", zone: UTC}}
""",
        "p.yaml",
    )
    six = 1_800_000_000.0 // 86400 * 86400 + 6 * 3600
    action = Action(Cluster("dev"), "GET", "get", "/api", "/api")
    before = evaluate(policy, Identity("alice"), action, Context(six, "192.0.2.1"))
    assert before.allowed and before.until == six + 2 * 3600
    assert not evaluate(policy, Identity("alice"), action, Context(six + 2 * 3600, "192.0.2.1")).allowed


@pytest.mark.parametrize("resource", ["selfsubjectaccessreviews", "selfsubjectrulesreviews"])
def test_everybody_may_ask_what_they_may_do_unless_that_is_denied(resource: str) -> None:
    action = Action(Cluster("dev"), "POST", "create", "/x", "/x", "authorization.k8s.io", "v1", resource)
    nobody = load_policy("rules: []", "p.yaml")
    assert evaluate(nobody, Identity("mallory"), action, Context(0.0, "192.0.2.1")).allowed
    text = 'rules: [{name: r, who: {users: ["*"]}, clusters: {names: ["*"]}, deny: [{verbs: [create], resources: ["*.authorization.k8s.io"]}]}]'
    assert not evaluate(load_policy(text, "p.yaml"), Identity("mallory"), action, Context(0.0, "192.0.2.1")).allowed


@pytest.mark.parametrize(
    "other",
    [
        {"verb": "list"},
        {"verb": "deletecollection"},
        {"subresource": "status"},
        {"resource": "subjectaccessreviews"},
        {"api_group": "authentication.k8s.io"},
        {"resource": "tokenreviews", "api_group": "authentication.k8s.io"},
    ],
    ids=str,
)
def test_nothing_else_is_open_that_is_called_alike(other: dict[str, Any]) -> None:
    own = Action(Cluster("dev"), "POST", "create", "/x", "/x", "authorization.k8s.io", "v1", "selfsubjectaccessreviews")
    nobody = load_policy("rules: []", "p.yaml")
    assert evaluate(nobody, MALLORY, own, CONTEXT).allowed and not evaluate(nobody, MALLORY, own.but(**other), CONTEXT).allowed


@pytest.mark.parametrize(
    ("allow", "deny", "allowed"),
    [
        ("{verbs: ['*'], resources: ['*']}", "", True),
        ("{verbs: [get], resources: ['*']}", "", False),
        ("{verbs: ['*'], resources: [pods]}", "", False),
        ("{verbs: ['*'], resources: ['*', '!secrets']}", "", False),
        ("{verbs: ['*'], resources: ['*']}", "{verbs: [delete], resources: [secrets]}", False),
        ("{verbs: ['*'], resources: ['*']}", "{verbs: ['*'], resources: [secrets], namespaces: [other]}", False),
    ],
)
def test_who_asks_for_everything_is_told_yes_only_where_nothing_is_missing(allow: str, deny: str, allowed: bool) -> None:
    rules = f"rules:\n  - {{name: a, who: {{users: ['*']}}, clusters: {{names: ['*']}}, allow: [{allow}]}}\n"
    rules += f"  - {{name: d, who: {{users: ['*']}}, clusters: {{names: ['*']}}, deny: [{deny}]}}\n" if deny else ""
    every = Action(Cluster("dev"), "", "*", "", "", "*", "", "*", "", "*")
    assert evaluate(load_policy(rules, "p.yaml"), Identity("alice"), every, Context(0.0, "192.0.2.1")).allowed is allowed
