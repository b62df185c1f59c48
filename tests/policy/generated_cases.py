"""Hypothesis strategies for policies and requests that meet often.

Two free draws almost never meet: a rule has a dozen keys, and one that does not fit makes all the others irrelevant. So each case is about one kind of
request, and each rule and entry restricts only a few things and leaves the rest open; ``test_generated_cases_are_not_vacuous`` holds the outcome.

A strategy that is made anew for each draw costs Hypothesis more than the draw, so each is made once.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import policy_oracle as oracle
from hypothesis import strategies as st

from kgate.model import Action, Cluster, Context, Device, Fact, Grant, Identity, Operation

START = 1_792_800_000  # 2026-10-24, the day before clocks go back in Berlin
ANY = ["*"]
Strategy = st.SearchStrategy[Any]


@cache
def listing(*words: str) -> st.SearchStrategy[list[str]]:
    """Some of the words; the first three may be excluded too."""
    return st.lists(st.sampled_from([*words, *(f"!{word}" for word in words[:3])]), min_size=1, max_size=3, unique=True)


@cache
def some_of(keys: tuple[str, ...], most: int) -> st.SearchStrategy[list[str]]:
    """At most ``most`` of the keys."""
    return st.lists(st.sampled_from(keys), max_size=most, unique=True)


@st.composite
def sparse(draw: st.DrawFn, keys: dict[str, Strategy], most: int) -> dict[str, Any]:
    """A mapping with at most ``most`` of the keys."""
    return {key: draw(keys[key]) for key in draw(some_of(tuple(sorted(keys)), most))}


def usually(usual: Any, otherwise: Strategy) -> Strategy:
    """``usual`` in three of four draws."""
    plain = st.just(usual)
    return st.integers(0, 3).flatmap(lambda drawn: otherwise if drawn == 3 else plain)


def one_or_two(matcher: Strategy) -> Strategy:
    """A named set: one list of matchers, or several of which one will do."""
    return matcher | st.lists(matcher, min_size=1, max_size=2)


NAMES = listing("a", "b*", "*", "system:masters", "system:*")
PEOPLE = {
    "users": NAMES, "groups": NAMES, "issuers": listing("tokens", "*"), "robots": listing("ci", "*"), "devices": listing("laptop", "lap*", "*"),
}  # fmt: skip
OWN = st.lists(
    st.sampled_from(["{identity.groups:team-*}", "team-{identity.user:*1}", "team-1", "{identity.user}", "!team-2", "!kube-*", "team-*"]),
    min_size=1,
    max_size=3,
    unique=True,
)
SELECTORS = {
    "label_selector": st.fixed_dictionaries({"app": listing("web", "w*", "db")}),
    "field_selector": st.fixed_dictionaries({}, optional={"spec.nodeName": listing("n1", "n*"), "metadata.name": listing("a", "b*")}).map(
        lambda keys: keys or {"spec.nodeName": ["n1"]}
    ),
}
PLACES = {"names": listing("dev", "prod*", "*"), "labels": st.fixed_dictionaries({"env": listing("dev", "*", "prod") | st.just("dev")})}
SOMEBODY = sparse(PEOPLE, 2).map(lambda keys: keys or {"groups": ANY})
SOMEWHERE = sparse(PLACES, 2).map(lambda keys: keys or {"names": ANY})
SETS = {
    "people": st.fixed_dictionaries({name: one_or_two(SOMEBODY) for name in ("leads", "crew")}),
    "clusters": st.fixed_dictionaries({name: one_or_two(SOMEWHERE) for name in ("calm", "wild")}),
}
"""The named sets of a policy; rules name them whether anybody is in them or not."""
IN_SETS = st.builds(lambda words, keys: {"people": words, **keys}, listing("leads", "crew", "*"), sparse(PEOPLE, 1))
ON_SETS = st.builds(lambda words, keys: {"sets": words, **keys}, listing("calm", "wild", "*"), sparse(PLACES, 1))
WHO = usually({"users": ANY}, SOMEBODY | IN_SETS)
CLUSTERS = usually({"names": ANY}, sparse(PLACES, 1).map(lambda keys: keys or {"names": ["dev"]}) | ON_SETS)
SHARED = {"namespaces": listing("team-1", "team-*", "*", "kube-system"), "names": NAMES}
RESOURCES = listing("*", "pods", "secrets", "pods/log", "pods/*", "*/scale", "deployments.apps", "*.apps", "pods.*", "*.*", "nodes")
CHANNELS_TOO = st.one_of(RESOURCES, listing("pods/exec", "*/proxy", "pods/*"))
VERBS = usually(ANY, listing("get", "list", "*", "create", "delete*"))
COMMANDS = st.lists(st.sampled_from([["sh"], ["sh", "**"], ["**"], ["psql", "-*"], ["tar", "**"]]), min_size=1, max_size=2)
PORTS = st.lists(st.sampled_from([80, 8080, "8000-9000"]), min_size=1, max_size=2, unique=True)
RESTRICTED = {
    "containers": (listing("app", "*", "istio"), ("exec", "attach", "cp", "logs")),
    "commands": (COMMANDS, ("exec", "cp")),
    "ports": (PORTS, ("port-forward", "proxy")),
}


def by_resource(resources: Strategy = RESOURCES, *, own: bool = False) -> Strategy:
    """An entry on verbs and resources. ``own``: its namespaces may be templates."""
    shared = {**SHARED, "namespaces": st.one_of(SHARED["namespaces"], OWN)} if own else SHARED
    more = sparse({**shared, **SELECTORS, "containers": RESTRICTED["containers"][0]}, 1)
    return st.builds(lambda verbs, named, keys: {"verbs": verbs, "resources": named, **keys}, VERBS, usually(ANY, resources), more)


BY_PATH = st.fixed_dictionaries(
    {"verbs": usually(ANY, listing("get", "post", "*")), "paths": listing("/metrics", "/api*", "*", "/healthz")}
)
ACTIONS = usually(ANY, listing("exec", "cp", "port-forward", "*", "attach", "logs", "debug", "proxy", "impersonate", "token"))
TARGETS = listing("pods", "*", "users", "serviceaccounts", "nodes")


@cache
def restrictions(concerned: tuple[str, ...]) -> Strategy:
    """What else an entry on actions says, if only those of ``RESTRICTED`` concern them."""
    return sparse({**SHARED, "resources": TARGETS, **{key: RESTRICTED[key][0] for key in concerned}}, 2)


@st.composite
def by_action(draw: st.DrawFn) -> dict[str, Any]:
    """An entry on actions."""
    actions = draw(ACTIONS)
    concerned = tuple(key for key, (_, those) in RESTRICTED.items() if any(oracle.listed(actions, [each]) for each in those))
    return {"actions": actions, **draw(restrictions(concerned))}


TIME = st.builds(
    lambda zone, keys: {"zone": zone, **(keys or {"hours": "08:00-20:00"})},
    st.sampled_from(["Europe/Berlin", "UTC", "America/Havana", "Australia/Lord_Howe"]),
    sparse(
        {
            "days": st.lists(st.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]), min_size=1, max_size=5, unique=True),
            "hours": st.sampled_from(["08:00-20:00", "22:00-06:00", "02:15-02:45", "00:00-24:00", ["01:30-02:30", "23:00-00:00"]]),
            "dates": st.sampled_from([["2026-10-25"], ["2026-10-24..2026-10-25"], ["2027-01-01"]]),
        },
        2,
    ),
)
GENERATED = [text for text in oracle.EXPRESSIONS if "on_call" not in text and "incident" not in text and "cluster.labels" not in text]
KINDS_OF_CONTEXT = {
    "time": TIME,
    "network": st.sampled_from([["10.0.0.0/8"], ["10.0.0.0/8", "!10.1.0.0/16"], ["!192.0.2.0/24"], ["2001:db8::/32"]]),
    "device": st.fixed_dictionaries({}, optional={"compliant": st.booleans(), "posture": st.just({"os": ["linux", "mac*"]})}).map(
        lambda keys: keys or {"compliant": True}
    ),
    "country": listing("DE", "FR", "*"),
    "asn": st.sampled_from([[64500], ["!64500"], [64501, 64502]]),
    "user_agent": listing("kubectl/*", "helm", "*"),
    "authentication": st.sampled_from([{"acr": ["gold"]}, {"amr": ["otp"]}, {"max_age": "2h"}, {"amr": ["*"], "max_age": "30h"}]),
    "facts": st.sampled_from(
        [
            {"freeze": "none"},
            {"freeze": ["none", "soft"]},
            {"incident": {"open": False}},
            {"incident": {"open": True, "n": [1, 2]}},
            {"n": 1},
        ]
    ),
    "expression": st.sampled_from(GENERATED),
}
CONDITIONS = sparse(KINDS_OF_CONTEXT, 2).map(lambda keys: keys or {"network": ["10.0.0.0/8"]})
AS_USER = st.sampled_from(["someone", "someone", "x-{identity.user}", "{identity.groups:team-*}", "sys{identity.user}"])
AS_GROUPS = st.sampled_from([["view"], [], ["{identity.groups}", "view"], ["{identity.groups:*}-x", "sys{identity.groups:a*}"]])
AS = sparse({"user": AS_USER, "groups": AS_GROUPS, "uid": st.just("u")}, 3).map(lambda keys: keys or {"groups": ["x"]})
OFFER = {"request": {"approvers": {"groups": ["sre"]}, "duration": "2h"}}
ALLOWED = by_resource(own=True)
ENTRIES = {"resource": ALLOWED, "operation": st.one_of(by_action(), by_action(), ALLOWED), "path": BY_PATH}
DENIED = {"resource": by_resource(CHANNELS_TOO), "operation": st.one_of(by_action(), by_resource(CHANNELS_TOO)), "path": BY_PATH}
ALLOW = {kind: st.lists(entry, min_size=1, max_size=3) for kind, entry in ENTRIES.items()}
DENY = {kind: st.lists(entry, min_size=1, max_size=2) for kind, entry in DENIED.items()}
ELSE = st.builds(lambda keys, offer: keys | offer, sparse({"as": AS}, 1), st.sampled_from([*[{}] * 9, OFFER]))
GUARDS = st.sampled_from([0, 0, 0, 1, 2]).flatmap(
    {most: sparse({"when": CONDITIONS, "unless": CONDITIONS}, most) for most in (0, 1, 2)}.__getitem__
)


@st.composite
def rules(draw: st.DrawFn, kind: str) -> list[dict[str, Any]]:
    """The rules of a policy, as plain data."""
    made = []
    for number in range(draw(st.integers(2, 6))):
        rule: dict[str, Any] = {"name": f"r{number}", "who": draw(WHO), "clusters": draw(CLUSTERS)}
        if draw(st.integers(0, 4)) == 0:
            rule["deny"] = draw(DENY[kind])
        else:
            rule["allow"] = draw(ALLOW[kind])
            rule |= draw(ELSE)
        made.append({**rule, **draw(GUARDS)})
    return made


IDENTITIES = st.builds(
    Identity,
    user=st.sampled_from(["a", "b1", "c", "a", "b1", "c", "system:admin"]),
    groups=st.lists(st.sampled_from(["a", "b2", "c", "team-team-1", "atem:x", "system:masters"]), max_size=2, unique=True).map(tuple),
    uid=st.sampled_from(["", "7"]),
    issuer=st.sampled_from(["tokens", "client-certificate", "impersonated"]),
    robot=st.sampled_from(["", "", "ci"]),
    expires=usually(None, st.sampled_from([START + 7200.0, START - 1.0, START + 40_000.0])),
    networks=usually((), st.just(("10.0.0.0/8",))),
    clusters=usually((), st.just(("dev*",))),
    device=st.sampled_from(
        [
            None,
            Device("laptop"),
            Device("laptop", True, (("os", "linux"),)),
            Device("laptop", False, (("os", "bsd"),)),
            Device("desk", True),
        ]
    ),
    acr=st.sampled_from(["", "gold", "tin"]),
    amr=st.sampled_from([(), ("otp",), ("pwd",)]),
    authenticated_at=st.sampled_from([None, START - 3600.0, float(START), START + 86400.0]),
)
CLUSTER = st.sampled_from([Cluster("dev", (("env", "dev"),)), Cluster("prod-1", (("env", "prod"),)), Cluster("other")])
GRANTS = st.builds(
    Grant,
    id=st.just("G"),
    user=st.sampled_from(["a", "b1", "c"]),
    rule=st.integers(0, 5).map("r{}".format),
    cluster=st.sampled_from(["dev", "prod-1", "other"]),
    namespace=st.sampled_from(["", "", "team-1"]),
    begins=st.sampled_from([START - 1.0, START + 86400.0]),
    until=st.sampled_from([START + 7 * 86400.0, START + 2 * 86400.0]),
    approvers=st.just(("bob",)),
    revoked_by=st.sampled_from(["", "", "bob"]),
)
FACTS = st.builds(
    lambda told, until: Fact(*told, until),
    st.sampled_from(
        [
            ("freeze", '"none"'),
            ("freeze", '"hard"'),
            ("incident", '{"open": false}'),
            ("incident", '{"n": 1, "open": true}'),
            ("n", "1"),
            ("n", "true"),
        ]
    ),
    st.sampled_from([None, None, START + 86400.0, START + 2.5 * 86400]),
)
CONTEXTS = st.builds(
    Context,
    now=st.integers(0, 4 * 86400).map(lambda ahead: float(START + ahead)),
    address=st.sampled_from(["10.2.3.4", "10.1.0.1", "192.0.2.1", "2001:db8::1", "::ffff:10.2.3.4", "unknown"]),
    user_agent=st.sampled_from(["", "kubectl/v1", "helm"]),
    country=st.sampled_from(["", "DE", "US"]),
    asn=st.sampled_from([None, 64500, 64501]),
    facts=st.lists(FACTS, max_size=3, unique_by=lambda fact: fact.name).map(tuple),
    grants=st.lists(GRANTS, max_size=4).map(tuple),
)
PATHS = ["/metrics", "/api", "/api/v1", "/apis/apps/v1", "/apis/a/b/c", "/version", "/openapi/v3/x", "/healthz", "/apix"]
THINGS = [
    ("", "pods", ""), ("", "pods", "log"), ("", "secrets", ""), ("apps", "deployments", ""), ("apps", "deployments", "scale"), ("", "nodes", ""),
    ("", "pods", "status"),
]  # fmt: skip
SUBRESOURCES = {
    Operation.EXEC: "exec", Operation.CP: "exec", Operation.ATTACH: "attach", Operation.PORT_FORWARD: "portforward", Operation.PROXY: "proxy",
    Operation.LOGS: "log", Operation.DEBUG: "ephemeralcontainers", Operation.TOKEN: "token", Operation.IMPERSONATE: "",
    Operation.LOCK: "",
}  # fmt: skip
OPERATION_VERBS = {Operation.LOCK: "lock", Operation.IMPERSONATE: "impersonate", Operation.DEBUG: "patch", Operation.LOGS: "get"}
NAMESPACES = st.sampled_from(["", "team-1", "team-2", "kube-system"])
OBJECTS = st.sampled_from(["", "a", "b1", "system:masters", "c"])
CONTAINERS = st.sampled_from(["", "app", "istio"])
RUN = st.sampled_from([(), ("sh",), ("sh", "-c", "x"), ("psql", "-h"), ("tar", "cf", "-")])


@st.composite
def actions(draw: st.DrawFn, kind: str) -> Action:
    """A request of the kind."""
    cluster = draw(CLUSTER)
    if kind == "path":
        path = draw(st.sampled_from(PATHS))
        return Action(cluster, "GET", draw(st.sampled_from(["get", "get", "post", "head", ""])), path, path)
    if kind == "resource":
        group, resource, sub = draw(st.sampled_from(THINGS))
        verb = draw(st.sampled_from(["get", "list", "watch", "create", "delete", "deletecollection", ""]))
        operation = Operation.LOGS if sub == "log" else None
        return Action(
            cluster, "GET", verb, "/x", "/x", group, "v1", resource, sub, draw(NAMESPACES), draw(OBJECTS), operation, draw(CONTAINERS),
            field_selector=draw(st.sampled_from(["", "", "spec.nodeName=n1", "spec.nodeName!=n1", "spec.nodeName==x,metadata.name=a"])),
            label_selector=draw(st.sampled_from(["", "", "app=web", "app in (web,db)", "app!=web", "app in (web,db),app=db,!x", "app"])),
        )  # fmt: skip
    operation = draw(st.sampled_from(list(Operation)))
    resources = ["users", "groups", "serviceaccounts"] if operation is Operation.IMPERSONATE else ["pods", "pods", "nodes"]
    name = draw(st.sampled_from(["a", "a:8080", "https:a:80", "a:http", "b1:99"]) if operation is Operation.PROXY else OBJECTS)
    command = draw(RUN) if operation in (Operation.EXEC, Operation.CP) else ()
    ports = draw(st.sampled_from([(), (80,), (80, 8500), (22,)]))
    return Action(
        cluster, "POST", OPERATION_VERBS.get(operation, "create"), "/x", "/x", "", "v1", draw(st.sampled_from(resources)), SUBRESOURCES[operation],
        draw(NAMESPACES), name, operation, draw(CONTAINERS), command, ports,
    )  # fmt: skip


Question = tuple[Identity, Action, Context]
KINDS = st.sampled_from(["resource", "operation", "operation", "path"])
RULES = {kind: rules(kind) for kind in ENTRIES}
NAMED = st.fixed_dictionaries(SETS)


@cache
def questions(kind: str, least: int, most: int) -> st.SearchStrategy[list[Question]]:
    """So many questions of a kind."""
    return st.lists(st.tuples(IDENTITIES, actions(kind), CONTEXTS), min_size=least, max_size=most)


@st.composite
def cases(draw: st.DrawFn, most: int = 12, least: int = 1) -> tuple[dict[str, Any], list[Question]]:
    """A policy, as plain data, and questions of one kind."""
    kind = draw(KINDS)
    policy = {"rules": draw(RULES[kind]), **draw(NAMED)}
    return policy, draw(questions(kind, least, most))
