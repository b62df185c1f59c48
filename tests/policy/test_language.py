"""Named sets, devices, templates, selectors and policies of several files."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kgate.documents.values import Unacceptable, is_plain
from kgate.errors import InvalidFileError
from kgate.model import Action, Cluster, Context, Device, Ground, Identity, Impersonation
from kgate.policy.evaluate import evaluate
from kgate.policy.load import join, load_policy
from kgate.policy.selectors import field_values, label_values
from kgate.policy.templates import names_of, namespaces_of, seen, template
from kgate.settings.policies import policy_files, policy_text

NOW = Context(0.0, "10.0.0.1")
PROD, DEV = Cluster("p-1", (("env", "prod"),)), Cluster("d-1", (("env", "dev"),))
GET = Action(DEV, "GET", "get", "/x", "/x", "", "v1", "pods", "", "shop", "web-0")
LIST = GET.but(verb="list", name="", namespace="")


def said(policy: str, who: Identity, action: Action = GET) -> str:
    """The rule that allows, or the words of the denial."""
    decision = evaluate(load_policy(policy, "p.yaml"), who, action, NOW)
    return decision.rule if decision.allowed else " and ".join(reason.text for reason in decision.reasons)


SETS = """\
people:
  leads: [{users: [alice]}, {groups: [leads], issuers: [tokens]}]
  contractors: {users: ["*@partner.example"]}
clusters:
  production: {labels: {env: [prod]}}
  tame: [{names: [d-*]}, {labels: {env: ["!prod"]}}]
rules:
  - name: frozen
    who: {people: ["*", "!leads"]}
    clusters: {sets: [production]}
    deny: [{verbs: ["*"], resources: ["*"]}]
  - {name: lead, who: {people: [leads]}, clusters: {sets: [production]}, allow: [{verbs: ["*"], resources: ["*"]}]}
  - {name: all, who: {users: ["*"], people: ["!contractors"]}, clusters: {sets: [tame]}, allow: [{verbs: ["*"], resources: ["*"]}]}
"""


@pytest.mark.parametrize(
    ("who", "cluster", "answer"),
    [
        (Identity("alice"), PROD, "lead"),
        (Identity("bob", ("leads",), issuer="tokens"), PROD, "lead"),
        (Identity("bob", ("leads",), issuer="other"), PROD, "no rule is for"),
        (Identity("bob"), DEV, "all"),
        (Identity("bob@partner.example"), DEV, "no rule is for bob@partner.example"),
        (Identity("bob@partner.example"), PROD, 'rule "frozen" denies it'),
        (Identity("alice"), Cluster("x"), "cluster x is not in production"),
        (Identity("bob"), Cluster("x", (("env", "test"),)), "all"),
    ],
)
def test_named_sets(who: Identity, cluster: Cluster, answer: str) -> None:
    policy = SETS if answer != "no rule is for" else SETS.replace('{users: ["*"], people: ["!contractors"]}', "{users: [nobody]}")
    assert said(policy, who, GET.but(cluster=cluster)).startswith(answer)


def test_a_set_that_is_not_there_is_a_mistake_with_its_line() -> None:
    wrong = SETS.replace("people: [leads]", "people: [leds, 'a*']").replace("sets: [tame]", "sets: [wild]")
    with pytest.raises(InvalidFileError) as caught:
        load_policy(wrong.replace("  contractors:", "  'no name':"), "p.yaml")
    assert str(caught.value).splitlines() == [
        "p.yaml:3: people.no name: \"no name\" is not a name for a set (use letters, digits, dot, dash and underscore, at most 63)",
        'p.yaml:12: rules[1].who.people[0]: there is no set "leds" (did you mean "leads"?)',
        'p.yaml:13: rules[2].who.people[0]: there is no set "contractors" (known here: leads, no name)',
        'p.yaml:13: rules[2].clusters.sets[0]: there is no set "wild" (known here: production, tame)',
    ]  # fmt: skip


def test_who_by_device() -> None:
    policy = "rules: [{name: r, who: {devices: [kiosk-*]}, clusters: {names: ['*']}, allow: [{verbs: ['*'], resources: ['*']}]}]"
    assert said(policy, Identity("a", device=Device("kiosk-7"))) == "r"
    assert said(policy, Identity("a", device=Device("laptop"))) == said(policy, Identity("a")) == "no rule is for a"


# --- templates

OWN = """\
rules:
  - name: own
    who: {users: ["*"]}
    clusters: {names: ["*"]}
    allow: [{verbs: ["*"], resources: ["*"], namespaces: ["{identity.groups:team-*}", "dev-{identity.user:*@corp.example}", "pub-*", "!pub-secret"]}]
    as: {user: "gate:{identity.user}", groups: ["{identity.groups:team-*}-viewers", all], extra: {source/team: ["{identity.groups:team-*}"]}}
"""
ALICE = Identity("alice@corp.example", ("team-shop", "leads", "team-pay"))


@pytest.mark.parametrize(
    ("namespace", "answer"),
    [
        ("shop", "own"),
        ("pay", "own"),
        ("dev-alice", "own"),
        ("pub-x", "own"),
        ("pub-secret", "namespace is pub-secret, which is excluded (for alice@corp.example that is dev-alice, pay, shop)"),
        (
            "leads",
            "namespace is leads, not {identity.groups:team-*}, dev-{identity.user:*@corp.example}, pub-*, !pub-secret (for alice@corp.",
        ),
        ("dev-bob", "namespace is dev-bob, not"),
        ("", "the request is for every namespace, not"),
    ],
)
def test_the_callers_own_namespaces(namespace: str, answer: str) -> None:
    assert said(OWN, ALICE, LIST.but(namespace=namespace)).startswith(answer)


def test_the_names_that_a_cluster_sees() -> None:
    seen_as = evaluate(load_policy(OWN, "p"), ALICE, GET, NOW).impersonate
    assert seen_as == Impersonation(
        "gate:alice@corp.example", ("shop-viewers", "pay-viewers", "all"), extra=(("source/team", ("shop", "pay")),)
    )


@pytest.mark.parametrize("hostile", ["*", "", "a/b", "..", "a" * 64, "-a", "a\n", "Ä", "kube system"])
def test_what_is_no_namespace_is_nobodys(hostile: str) -> None:
    who = Identity(f"{hostile}@corp.example", (f"team-{hostile}",))
    for namespace in ("other", hostile, f"dev-{hostile}", "*"):
        if namespace and namespace != "dev--a":
            assert said(OWN, who, GET.but(namespace=namespace)) != "own", namespace


@pytest.mark.parametrize(
    ("as_", "who", "seen_as"),
    [
        ('{user: "{identity.user}"}', Identity("system:admin"), None),
        ('{user: "{identity.groups:x-*}"}', Identity("a", ("x-1", "x-2")), None),
        ('{user: "{identity.groups:x-*}"}', Identity("a"), None),
        ('{user: "{identity.groups:x-*}"}', Identity("a", ("x-1",)), Impersonation("1", ("x-1",))),
        ('{groups: ["{identity.groups:x-*}", view]}', Identity("a", ("x-system:masters", "x-sys")), Impersonation("a", ("sys", "view"))),
        ('{groups: ["sys{identity.user:a*}"]}', Identity("atem:masters"), Impersonation("atem:masters")),
        ('{groups: ["{identity.user}\\n"]}', Identity("a"), None),
        ('{uid: "{identity.uid}-{device.name}"}', Identity("a", uid="7", device=Device("d")), Impersonation("a", uid="7-d")),
        ('{uid: "{device.name}"}', Identity("a"), None),
    ],
)
def test_nobody_becomes_one_of_kubernetes_own_by_a_template(as_: str, who: Identity, seen_as: Impersonation | None) -> None:
    policy = (
        f"rules: [{{name: r, who: {{users: ['*']}}, clusters: {{names: ['*']}}, allow: [{{verbs: ['*'], resources: ['*']}}], as: {as_}}}]"
    )
    try:
        decision = evaluate(load_policy(policy, "p"), who, GET, NOW)
    except InvalidFileError:
        assert seen_as is None
        return
    assert (decision.impersonate, decision.allowed) == (seen_as, seen_as is not None)
    assert decision.allowed or decision.reasons[0].ground is Ground.IMPERSONATION


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{identity.name}", "has braces that are no placeholder"),
        ("a{", "has braces that are no placeholder"),
        ("{identity.user:a}", "has braces that are no placeholder"),
        ("{identity.user:*a*}", "has braces that are no placeholder"),
        ("{identity.groups}{identity.groups}", "has two placeholders for groups"),
        ("system:{identity.user}", "makes names that begin with system:"),
        (" {identity.user}", "white space at an edge"),
        ("view\u00a0", "white space at an edge"),
        ("vi\x07ew", "has control characters"),
    ],
)
def test_a_wrong_template_is_refused(text: str, fault: str) -> None:
    with pytest.raises(Unacceptable, match=fault):
        seen(text)


@pytest.mark.parametrize(
    ("text", "user", "stands_for"),
    [
        ("{identity.user:*@corp.example}", "alice@corp.example", ("alice",)),
        ("{identity.user:*@corp.example}", "alice@corp.example.evil.example", ()),
        ("{identity.user:*@corp.example}", "mallory-of-evil.example", ()),
        ("{identity.user:*@corp.example}", "@corp.example", ()),
        ("{identity.user:team-*}", "team-", ()),
        ("{identity.user:team-*}", "a-team-shop", ()),
        ("{identity.user:aa*aa}", "aaa", ()),
        ("{identity.user:aa*aa}", "aaxaa", ("x",)),
        ("gate:{identity.user:a*}-{device.name}", "ab", ()),
    ],
)
def test_a_placeholder_is_what_the_star_stands_for_and_nothing_where_it_stands_for_nothing(
    text: str, user: str, stands_for: tuple[str, ...]
) -> None:
    assert template(text).expand(Identity(user)) == stands_for


@example(" a\u2003", ["a "])
@example("a\x07", ["a\n"])
@given(st.text(), st.lists(st.text(), max_size=3))
def test_a_template_gives_only_names_that_are_good_for_its_place(user: str, groups: list[str]) -> None:
    who = Identity(user, tuple(groups))
    for text in ("{identity.user}", "a-{identity.groups}", "{identity.groups:a*}", "sys{identity.user}"):
        assert all(name and name.isascii() and "/" not in name and "*" not in name for name in namespaces_of(template(text), who))
        assert all(is_plain(name) and name == name.strip() and not name.startswith("system:") for name in names_of(template(text), who))


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ('deny: [{actions: [exec], namespaces: ["{identity.user}"]}]', "deny[0].namespaces: has a template"),
        ('allow: [{actions: [exec], namespaces: ["!{identity.user}"]}]', "excludes a template"),
        ('allow: [{actions: [exec], namespaces: ["{identity.user}-*"]}]', "has a star outside of a placeholder"),
        ("allow: [{actions: [exec], label_selector: {a: [b]}}]", '"label_selector" does not go with actions'),
        ("allow: [{verbs: [list], resources: [pods], label_selector: {}}]", "label_selector: asks nothing"),
    ],
)
def test_templates_and_selectors_where_they_make_no_sense(entry: str, fault: str) -> None:
    with pytest.raises(InvalidFileError) as caught:
        load_policy(f"rules: [{{name: r, who: {{users: ['*']}}, clusters: {{names: ['*']}}, {entry}}}]", "p")
    assert fault in str(caught.value)


# --- selectors

SELECTING = """\
rules:
  - name: by-team
    who: {users: ["*"]}
    clusters: {names: ["*"]}
    allow: [{verbs: ["*"], resources: [pods], label_selector: {team: [shop, pay-*]}}]
  - name: by-node
    who: {users: ["*"]}
    clusters: {names: ["*"]}
    allow: [{verbs: ["*"], resources: [events], field_selector: {involvedObject.name: [web-*], metadata.namespace: [shop]}}]
"""


@pytest.mark.parametrize(
    ("labels", "answer"),
    [
        ("team=shop", "by-team"),
        ("x!=y,team==pay-eu,!z", "by-team"),
        ("team in (shop, pay-us),tier", "by-team"),
        ("team in (shop,other)", "the request must select by label team: shop, pay-*"),
        ("team in (shop,other),team=shop", "by-team"),
        ("team=shop,team=pay-eu", "the request must"),
        ("team=other", "the request must"),
        ("team!=other", "the request must"),
        ("team notin (other)", "the request must"),
        ("team", "the request must"),
        ("", "the request must"),
        ("team=shop,(", "the request must"),
        ("team=shop,x in y", "the request must"),
        ("team=shop)", "the request must"),
        ("team=shop(x)", "the request must"),
        ("team in (shop) in (x)", "the request must"),
    ],
)
def test_a_list_by_label(labels: str, answer: str) -> None:
    assert said(SELECTING, Identity("a"), LIST.but(label_selector=labels)).startswith(answer)


def test_what_names_one_object_has_no_labels_to_go_by() -> None:
    assert said(SELECTING, Identity("a"), GET.but(label_selector="team=shop")).startswith("the request must select by label")
    denying = SELECTING.replace("allow: [{verbs: ['*'], resources: [pods]", "deny: [{verbs: ['*'], resources: [pods]")
    assert said(denying.replace("allow", "deny", 1), Identity("a"), LIST.but(label_selector="team=shop")) == 'rule "by-team" denies it'
    assert said(denying.replace("allow", "deny", 1), Identity("a"), GET) == 'rule "by-team" denies it'
    assert "denies" not in said(denying.replace("allow", "deny", 1), Identity("a"), LIST.but(label_selector="team=other"))


@pytest.mark.parametrize(
    ("fields", "namespace", "answer"),
    [
        ("involvedObject.name=web-1", "shop", "by-node"),
        ("involvedObject.name==web-1,type!=Normal", "shop", "by-node"),
        ("involvedObject.name=web-1", "pay", "the request must select by field metadata.namespace: shop"),
        ("involvedObject.name=db-1", "shop", "the request must select by field involvedObject.name: web-*"),
        ("involvedObject.name!=web-1", "shop", "the request must"),
        ("involvedObject.name=web-1\\,x", "shop", "the request must"),
        ("", "shop", "the request must"),
    ],
)
def test_a_list_by_field(fields: str, namespace: str, answer: str) -> None:
    action = LIST.but(resource="events", namespace=namespace, field_selector=fields)
    assert said(SELECTING, Identity("a"), action).startswith(answer)


def test_of_several_selectors_the_ones_that_are_missing_are_named() -> None:
    both = SELECTING.replace("team: [shop, pay-*]", "team: [shop], tier: [web], env: [dev]")
    answer = "the request must select by label team: shop, env: dev"
    assert said(both, Identity("a"), LIST.but(label_selector="tier=web,team!=pay")) == answer


@given(st.text("ab=!,() inot", max_size=30))
def test_any_selector_is_read_or_confines_nothing(text: str) -> None:
    for values in (*label_values(text).values(), *field_values(text).values()):
        assert all(isinstance(value, str) for value in values)


@pytest.mark.threat("19")
@pytest.mark.parametrize("text", ["a={}!", "a!={}!", "a{}=!", "a in ({})!", "a notin{}!", "!{}!", "{}a={}b={}", "a in ({}", "{}"])
@pytest.mark.parametrize("filler", [" ", "b", ",", "("])
def test_a_long_selector_is_read_in_time_that_grows_as_it_does(text: str, filler: str) -> None:
    """As long as a request's target may be. Where both sides of a value could take its spaces, each way to share them was tried: 20 seconds."""
    selector = text.replace("{}", filler * 60_000)
    began = time.thread_time()
    label_values(selector), field_values(selector)
    assert time.thread_time() - began < 1


# --- several files

RULE = "{{name: {name}, who: {{people: [all]}}, clusters: {{names: ['*']}}, {kind}: [{{verbs: ['*'], resources: [{thing}]}}]}}"
TEST = "  - {who: {user: a}, does: {cluster: c, verb: get, resource: pods}, expect: allow}"
ALLOW, DENY = RULE.format(name="a", kind="allow", thing="pods"), RULE.format(name="d", kind="deny", thing="secrets")


def test_a_directory_is_one_policy(tmp_path: Path) -> None:
    (tmp_path / "20-rules.yaml").write_text(f"rules: [{ALLOW}]\ntests:\n" + TEST)
    (tmp_path / "10-people.yml").write_text("people: {all: {users: ['*']}}\n")
    (tmp_path / "30-denies.yaml").write_text(f"rules: [{DENY}]\n")
    (tmp_path / ".hidden.yaml").write_text("rubbish")
    (tmp_path / "notes.txt").write_text("rubbish")
    assert [path.name for path in policy_files(tmp_path)] == ["10-people.yml", "20-rules.yaml", "30-denies.yaml"]
    text = policy_text(tmp_path, Path.read_bytes)
    policy = load_policy(text, str(tmp_path))
    assert [rule.name for rule in policy.rules] == ["a", "d"]
    assert [(test.file, test.line) for test in policy.tests] == [(f"{tmp_path}/20-rules.yaml", 3)]
    assert evaluate(policy, Identity("x"), GET, NOW).rule == "a"
    again = load_policy(policy.source, "kept")
    assert again.revision == policy.revision and len(again.rules) == 2


def test_mistakes_have_the_file_that_they_are_in() -> None:
    with pytest.raises(InvalidFileError) as caught:
        load_policy(join([("a.yaml", f"rules: [{ALLOW}]"), ("b.yaml", f"\nrules:\n  - {ALLOW}\n  - {{}}\n")]), "dir")
    assert str(caught.value).splitlines()[:3] == [
        'dir/a.yaml:1: rules[0].who.people[0]: there is no set "all"',
        'dir/b.yaml:3: a rule "a" is in dir/a.yaml too (give it another name)',
        'dir/b.yaml:3: rules[0].who.people[0]: there is no set "all"',
    ]


def test_a_single_file_cannot_pass_for_several() -> None:
    with pytest.raises(InvalidFileError, match="a second document begins here"):
        load_policy(f"rules: [{DENY}]\n" + join([("x", "rules: []")]), "p")


@pytest.mark.parametrize(
    ("name", "shown"), [("a\nb.yaml", r"a\nb.yaml"), (os.fsdecode(b"\xff.yaml"), r"\udcff.yaml"), ("\u202e.yaml", r"\u202e.yaml")]
)
def test_a_file_of_a_directory_whose_name_cannot_be_shown_is_a_mistake(tmp_path: Path, name: str, shown: str) -> None:
    """Its name stands in the text that is decided by and kept: a line end in it would be one there."""
    (tmp_path / name).write_text("rules: []\n")
    with pytest.raises(InvalidFileError) as refused:
        policy_text(tmp_path, Path.read_bytes)
    assert str(refused.value) == f"{tmp_path}: the name {shown} has characters that cannot be shown (give the file another one)"
