"""May I? The gate AND the cluster answer, in memory, by transcript."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from exchange_world import World

from kgate.exchange.admission import Admitted, Refused
from kgate.exchange.legs import ClientLeg
from kgate.exchange.own_reviews import MOST_BODY, SECONDS, own_review
from kgate.exchange.self_review import SelfReview, actions_of
from kgate.exchange.waiting import MOST_ROUNDS
from kgate.kube.access_review import Attributes
from kgate.model import Action, Cluster, Decision, Pending
from kgate.wire.events import RequestReceived

POLICY = """
rules:
  - name: readers
    who: {users: [alice]}
    clusters: {names: ["*"]}
    allow: [{verbs: [get, list], resources: [pods], namespaces: ["team-*"]}]
    as: {groups: [view]}
  - name: all
    who: {users: [root]}
    clusters: {names: ["*"]}
    allow: [{verbs: ["*"], resources: ["*"]}, {actions: ["*"]}]
  - name: some
    who: {users: [some]}
    clusters: {names: ["*"]}
    allow: [{verbs: ["*"], resources: ["*"]}]
  - name: no-secrets
    who: {users: [careful]}
    clusters: {names: ["*"]}
    deny: [{verbs: ["*"], resources: [secrets]}]
  - name: careful
    who: {users: [careful]}
    clusters: {names: ["*"]}
    allow: [{verbs: ["*"], resources: ["*"]}, {actions: ["*"]}]
"""
PATH = "/clusters/lab/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class Desk(World):
    """A world in which reviews are answered."""

    def __init__(self) -> None:
        super().__init__()
        self.use(POLICY)
        self.reviews: set[SelfReview] = set()
        self.pending: Pending | None = None

    def decided(self, leg: ClientLeg, request: RequestReceived, admitted: Admitted | Refused) -> None:
        if isinstance(admitted, Admitted) and own_review(admitted.asked.action):
            review = SelfReview(self, leg, request, admitted, "ID", self.reviews.discard)  # type: ignore[arg-type]
            self.reviews.add(review)
            review.begin()
        else:
            super().decided(leg, request, admitted)

    def judge(self, review: SelfReview, action: Action) -> Decision | Pending:
        return self.pending or self.admission.judge(review.admitted.asked, review.identity, action, self.clock)

    def may(self, who: str, spec: dict[str, Any], lines: str = "Content-Type: application/json\r\n") -> None:
        """The question goes in, and is on record."""
        body = json.dumps({"spec": spec})
        self.asks(
            f"POST {PATH} HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer {who}\r\n{lines}Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        self.durable()

    def told(self) -> dict[str, Any]:
        """What the client reads."""
        head, _, body = self.pipe.take().partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 201")
        status: dict[str, Any] = json.loads(body)["status"]
        return status

    def cluster_says(self, status: dict[str, Any], code: int = 201) -> None:
        body = json.dumps({"status": status}).encode()
        self.answers(b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (code, len(body)) + body)


PODS = {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "team-a"}}


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_yes_is_the_gate_s_and_the_cluster_s(desk: Desk) -> None:
    desk.may("alice", PODS)
    desk.dials()
    asked = desk.cluster_pipe.take()
    assert asked.startswith(b"POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews HTTP/1.1")
    assert b"impersonate-user: alice" in asked and b"impersonate-group: view" in asked and b"Bearer alice" not in asked
    assert json.loads(asked.partition(b"\r\n\r\n")[2])["spec"] == PODS
    desk.cluster_says({"allowed": True, "reason": "RBAC: allowed"})
    assert desk.told() == {"allowed": True, "reason": 'kgate: rule "readers" allows it; cluster lab: RBAC: allowed'}
    assert [event for event, _ in desk.records] == ["decision", "end"] and desk.reviews == set()


def test_where_the_gate_says_no_the_cluster_is_not_asked(desk: Desk) -> None:
    desk.may("alice", {"resourceAttributes": {"verb": "delete", "resource": "pods", "namespace": "team-a"}})
    assert desk.dialling == []
    assert desk.told() == {"allowed": False, "reason": 'kgate: rule "readers" would allow it, but verb is delete, not get, list'}


@pytest.mark.threat("13")
def test_whoever_is_out_before_the_question_is_complete_is_told_nothing_of_the_cluster(desk: Desk) -> None:
    """A review has 20 seconds to come, and who asks was found out by its head."""
    body = json.dumps({"spec": PODS})
    head = f"POST {PATH} HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer alice\r\nContent-Length: {len(body)}\r\n\r\n"
    desk.asks(head.encode())
    desk.people.gone.add("alice")
    desk.asks(body.encode())
    desk.durable()
    assert desk.dialling == []
    assert desk.told() == {"allowed": False, "reason": "kgate: the token is not known"}


def test_where_the_cluster_says_no_its_reason_is_told(desk: Desk) -> None:
    desk.may("alice", PODS)
    desk.dials()
    desk.cluster_says({"allowed": False, "reason": "nobody may", "evaluationError": "half of RBAC is missing"})
    assert desk.told() == {"allowed": False, "reason": "nobody may", "evaluationError": "half of RBAC is missing"}


def test_where_the_cluster_gives_no_reason_none_is_made_up(desk: Desk) -> None:
    desk.may("alice", PODS)
    desk.dials()
    desk.cluster_says({"allowed": False})
    assert desk.told() == {"allowed": False}


def test_a_review_of_every_namespace_is_no_where_only_some_are_allowed(desk: Desk) -> None:
    desk.may("alice", {"resourceAttributes": {"verb": "get", "resource": "pods"}})
    assert not desk.told()["allowed"]


@pytest.mark.parametrize(("who", "allowed"), [("root", True), ("some", False), ("careful", False), ("alice", False)])
def test_everything_is_all_resources_all_channels_and_no_deny(desk: Desk, who: str, allowed: bool) -> None:
    desk.may(who, {"resourceAttributes": {"verb": "*", "resource": "*", "group": "*", "namespace": "team-a"}})
    if allowed:
        desk.dials()
        desk.cluster_says({"allowed": True})
    assert desk.told()["allowed"] is allowed


@pytest.mark.parametrize(
    ("attributes", "channels"),
    [
        (
            {"resource": "*"},
            "pods/exec pods/attach pods/portforward pods/proxy services/proxy nodes/proxy serviceaccounts/token",
        ),
        ({"resource": "pods", "subresource": "*"}, "pods/exec pods/attach pods/portforward pods/proxy"),
        ({"resource": "serviceaccounts", "subresource": "*"}, "serviceaccounts/token"),
        ({"resource": "*", "group": "apps"}, ""),
        ({"resource": "*", "subresource": "status"}, ""),
        ({"resource": "pods"}, ""),
        ({"resource": "pods", "subresource": "log"}, ""),
        ({"resource": "pods", "subresource": "*", "verb": "get"}, ""),
    ],
)
def test_a_star_is_the_channels_that_it_stands_for_besides_itself(attributes: dict[str, str], channels: str) -> None:
    asked = actions_of(Attributes(**{"verb": "create", **attributes}), Cluster("lab"))
    assert [f"{each.resource}/{each.subresource}" for each in asked[:-1]] == channels.split()
    assert (asked[-1].resource, asked[-1].subresource) == (attributes["resource"], attributes.get("subresource", ""))


@pytest.mark.parametrize(("who", "allowed"), [("root", True), ("some", False)])
def test_every_subresource_of_pods_is_exec_too(desk: Desk, who: str, allowed: bool) -> None:
    desk.may(who, {"resourceAttributes": {"verb": "create", "resource": "pods", "subresource": "*", "namespace": "team-a"}})
    if allowed:
        desk.dials()
        desk.cluster_says({"allowed": True})
    assert desk.told()["allowed"] is allowed


def test_what_is_outside_namespaces_is_asked_about_there(desk: Desk) -> None:
    """kubectl sends its namespace along; a right to everything in that namespace is none to nodes."""
    desk.may("root", {"resourceAttributes": {"verb": "get", "resource": "nodes", "namespace": "team-a"}})
    desk.dials()
    asked = json.loads(desk.cluster_pipe.take().partition(b"\r\n\r\n")[2])
    assert asked["spec"]["resourceAttributes"] == {"verb": "get", "resource": "nodes"}


def test_what_a_deny_leaves_is_allowed(desk: Desk) -> None:
    desk.may("careful", PODS)
    desk.dials()
    desk.cluster_says({"allowed": True})
    assert desk.told()["allowed"]


def test_whoever_no_rule_is_for_may_ask_and_hears_no(desk: Desk) -> None:
    desk.may("mallory", PODS)
    assert desk.told() == {"allowed": False, "reason": "kgate: no rule is for mallory"}


def test_a_decision_that_waits_is_asked_again(desk: Desk) -> None:
    desk.pending = Pending("?")
    desk.may("alice", {"resourceAttributes": {"verb": "delete", "resource": "pods"}})
    assert desk.pipe.take() == b""
    desk.pending = None
    desk.fetched()
    assert not desk.told()["allowed"]


def refused(desk: Desk) -> bytes:
    return desk.pipe.take().partition(b"\r\n")[0]


def test_a_review_that_does_not_say_its_form_is_json(desk: Desk) -> None:
    """Kubernetes' client for Python sends no Content-Type."""
    desk.may("alice", PODS, "")
    desk.dials()
    desk.cluster_says({"allowed": True})
    assert desk.told()["allowed"]


SELECTING = """
rules:
  - name: team
    who: {users: [alice]}
    clusters: {names: ["*"]}
    allow: [{verbs: [list], resources: [pods], label_selector: {team: [shop, till]}}]
  - name: one
    who: {users: [alice]}
    clusters: {names: ["*"]}
    allow: [{verbs: [list], resources: [secrets], names: [mine]}]
"""


def needs(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"requirements": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("resource", "selectors", "allowed"),
    [
        ("pods", {}, False),
        ("pods", {"labelSelector": {"rawSelector": "team=shop"}}, True),
        ("pods", {"labelSelector": {"rawSelector": "team=other"}}, False),
        ("pods", {"labelSelector": needs("team", "In", "shop", "till")}, True),
        ("pods", {"labelSelector": needs("team", "In", "shop", "other")}, False),
        ("pods", {"labelSelector": needs("team", "NotIn", "shop")}, False),
        ("pods", {"labelSelector": needs("a", "In", "b),team in (shop")}, False),
        ("pods", {"labelSelector": needs("a,team=shop,b", "Exists")}, False),
        ("pods", {"fieldSelector": needs("team", "In", "shop")}, False),
        ("secrets", {"fieldSelector": {"rawSelector": "metadata.name=mine"}}, True),
        ("secrets", {"fieldSelector": needs("metadata.name", "In", "mine")}, True),
        ("secrets", {"fieldSelector": needs("metadata.name", "NotIn", "mine")}, False),
    ],
)
def test_a_review_with_selectors_is_about_what_they_leave(desk: Desk, resource: str, selectors: dict[str, Any], allowed: bool) -> None:
    desk.use(SELECTING)
    spec = {"resourceAttributes": {"verb": "list", "resource": resource, "namespace": "team-a", **selectors}}
    desk.may("alice", spec)
    if not allowed:
        assert not desk.told()["allowed"] and desk.dialling == []
        return
    desk.dials()
    asked = json.loads(desk.cluster_pipe.take().partition(b"\r\n\r\n")[2])["spec"]["resourceAttributes"]
    assert all("rawSelector" in asked[each] for each in selectors)  # the cluster's authorizers may go by them too
    desk.cluster_says({"allowed": True})
    assert desk.told()["allowed"]


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ("Content-Type: application/cbor\r\n", b"415"),
        ("Content-Type: text/plain\r\n", b"415"),
        ("Content-Type: application/json\r\nContent-Encoding: gzip\r\n", b"415"),
    ],
)
def test_a_review_in_another_form_is_refused(desk: Desk, lines: str, status: bytes) -> None:
    desk.may("alice", PODS, lines)
    assert status in refused(desk)


def test_a_huge_review_is_refused_before_it_is_all_there(desk: Desk) -> None:
    head = f"POST {PATH} HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer alice\r\nContent-Length: {2 * MOST_BODY}\r\n\r\n"
    desk.asks(head.encode() + b"x" * (MOST_BODY + 1))
    assert b"413" in refused(desk) and desk.reviews == set()


@pytest.mark.parametrize(
    "goes_wrong",
    [
        lambda desk: desk.durable(False),
        lambda desk: (desk.durable(), desk.dialling.pop(0)(type("NoConnection", (), {"text": "refused"})()), desk.turn.flush()),
        lambda desk: (desk.durable(), desk.dials(), desk.cluster_says({}, 500)),
        lambda desk: (desk.durable(), desk.dials(), desk.upstream.lost("reset"), desk.turn.flush()),
        lambda desk: (
            desk.durable(),
            desk.dials(),
            [each.look(desk.clock + SECONDS + 1) for each in list(desk.reviews)],
            desk.turn.flush(),
        ),
    ],
    ids=["no record", "no connection", "an error", "a lost connection", "no answer"],
)
def test_what_cannot_be_found_out_is_no_answer(desk: Desk, goes_wrong: Callable[[Desk], object]) -> None:
    body = json.dumps({"spec": PODS})
    desk.asks(
        f"POST {PATH} HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer alice\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
    )
    goes_wrong(desk)
    assert refused(desk)[9:12] in (b"502", b"503", b"504") and desk.reviews == set()


REVIEWS = Action(Cluster("lab"), "POST", "create", PATH, PATH, "authorization.k8s.io", "v1", "selfsubjectaccessreviews")


@pytest.mark.parametrize(
    ("other", "kind"),
    [
        ({}, "selfsubjectaccessreviews"),
        ({"resource": "selfsubjectrulesreviews"}, "selfsubjectrulesreviews"),
        ({"verb": "list"}, ""),
        ({"api_group": "authentication.k8s.io"}, ""),
        ({"subresource": "status"}, ""),
    ],
)
def test_what_is_a_review_about_oneself(other: dict[str, str], kind: str) -> None:
    assert own_review(REVIEWS.but(**other)) == kind


def test_what_is_no_review_is_a_bad_request(desk: Desk) -> None:
    desk.asks(
        f"POST {PATH} HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer alice\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n".encode()
    )
    desk.durable()
    assert refused(desk)[9:12] == b"400" and desk.reviews == set()


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        ({"allowed": True}, 200, 'kgate: rule "readers" allows it; cluster lab: allowed'),
        ({"allowed": True, "denied": True, "reason": "no"}, 201, "no"),
    ],
)
def test_a_clusters_word_is_a_yes_only_where_it_is_clear(desk: Desk, status: dict[str, Any], code: int, told: str) -> None:
    desk.may("alice", PODS, "Content-Type: application/json ; charset=utf-8\r\n")
    desk.dials()
    desk.cluster_says(status, code)
    answer = desk.told()
    assert (answer["allowed"], answer["reason"]) == ("denied" not in status, told)


@pytest.mark.parametrize(("body", "code"), [(b"{}", 201), (b"not JSON", 201), (b'{"status": {"allowed": true}}', 403), (b"{}", 500)])
def test_a_cluster_that_says_something_else_says_nothing(desk: Desk, body: bytes, code: int) -> None:
    desk.may("alice", PODS)
    desk.dials()
    desk.answers(b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (code, len(body), body))
    answer = desk.pipe.take()
    assert answer.startswith(b"HTTP/1.1 502 ") and b"kgate: cluster lab could not be asked: " in answer and b"(request ID)" in answer


def test_what_is_open_to_everybody_is_told_as_that(desk: Desk) -> None:
    desk.may("mallory", {"resourceAttributes": {"verb": "create", "group": "authentication.k8s.io", "resource": "selfsubjectreviews"}})
    desk.dials()
    desk.cluster_says({"allowed": True, "reason": "system:basic-user"})
    assert desk.told()["reason"] == "kgate: it is open to whoever signed in; cluster lab: system:basic-user"


def test_a_decision_that_is_never_there_is_asked_for_a_while(desk: Desk) -> None:
    desk.pending = Pending("?")
    desk.may("alice", PODS)
    for _ in range(MOST_ROUNDS - 1):
        desk.fetched()
    assert desk.pipe.take() == b"" and len(desk.reviews) == 1
    desk.fetched()
    assert refused(desk)[9:12] == b"503" and desk.fetching == [] and desk.reviews == set()


def test_nothing_is_asked_for_whoever_is_gone(desk: Desk) -> None:
    body = json.dumps({"spec": PODS}).encode()
    head = f"POST {PATH} HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer alice\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    desk.asks(head.encode() + body)
    desk.client.lost("gone")
    desk.durable()
    assert desk.dialling == [] and desk.reviews == set()
    assert [event for event, _ in desk.records] == ["decision", "end"]


def test_a_decision_that_comes_for_whoever_is_gone_changes_nothing(desk: Desk) -> None:
    desk.pending = Pending("?")
    desk.may("alice", PODS)
    desk.client.lost("gone")
    desk.pending = None
    desk.fetched()
    assert desk.dialling == [] and [event for event, _ in desk.records] == ["decision", "end"]


def test_its_end_is_on_record_and_the_next_request_is_answered(desk: Desk) -> None:
    for _ in range(2):
        desk.may("alice", {"resourceAttributes": {"verb": "delete", "resource": "pods"}})
        answer = desk.pipe.take()
        assert answer.startswith(b"HTTP/1.1 201 ") and b"content-type: application/json\r\n" in answer and b"audit-id: ID\r\n" in answer
        _, review = desk.records[-1]
        body = json.dumps({"spec": {"resourceAttributes": {"verb": "delete", "resource": "pods"}}})
        assert (review.status, review.bytes_in, review.bytes_out) == (201, len(body), len(answer.partition(b"\r\n\r\n")[2]))
    assert [event for event, _ in desk.records] == ["decision", "end"] * 2


def test_it_has_its_time_and_no_more(desk: Desk) -> None:
    desk.may("alice", PODS)
    (review,) = desk.reviews
    review.look(desk.clock + SECONDS)
    desk.turn.flush()
    assert desk.pipe.take() == b""
    review.look(desk.clock + SECONDS + 0.1)
    desk.turn.flush()
    assert refused(desk)[9:12] == b"504"
    review.look(desk.clock + SECONDS + 0.2)
    desk.turn.flush()
    assert desk.pipe.take() == b""


def test_a_review_as_large_as_it_may_be_is_read(desk: Desk) -> None:
    spec: dict[str, Any] = {"resourceAttributes": {"verb": "delete", "resource": "pods", "name": ""}}
    spec["resourceAttributes"]["name"] = "x" * (MOST_BODY - len(json.dumps({"spec": spec})))
    desk.may("alice", spec)
    assert not desk.told()["allowed"]


def test_a_client_that_goes_away_ends_it_and_the_question_to_the_cluster(desk: Desk) -> None:
    desk.may("alice", PODS)
    desk.dials()
    desk.client.lost("gone")
    assert desk.reviews == set() and desk.upstream.requesters == {}


def test_impersonation_and_paths_are_asked_as_what_they_are() -> None:
    becoming = actions_of(Attributes("impersonate", resource="users", name="bob"), Cluster("lab"))
    assert [(each.verb, each.operation.value if each.operation else "", each.namespace) for each in becoming] == [
        ("impersonate", "impersonate", "")
    ]
    assert [(each.resource, each.path) for each in actions_of(Attributes("get", path="/metrics"), Cluster("lab"))] == [("", "/metrics")]
