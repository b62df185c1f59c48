"""What servers answer, and what that means: only a clear yes is one."""

from __future__ import annotations

import json

import pytest

from kgate.authorizers import opa, webhook
from kgate.authorizers.interface import Answer, Opinion, Unanswered
from kgate.authorizers.webhook import OwnReviews, SubjectReviews
from kgate.model import Action, Cluster, Context, Decision, Identity, Impersonation, Operation

CONTEXT = Context(0.0, "192.0.2.1")
EXEC = Action(Cluster("prod"), "POST", "create", "/x", "/x", "", "v1", "pods", "exec", "payments", "web-0", Operation.EXEC, "app", ("sh",))
PATH = Action(Cluster("prod"), "GET", "get", "/metrics", "/metrics")


def test_a_webhook_is_asked_about_the_caller_in_kubernetes_words() -> None:
    alice = Identity("alice", ("developers",), "7", (("kgate.io/cluster", ("forged",)), ("team", ("a", "b"))))
    question = SubjectReviews("hook").question(alice, EXEC, CONTEXT, Decision(True, "r"))
    assert question is not None and isinstance(question.body, bytes)
    assert json.loads(question.body) == {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": "alice",
            "groups": ["developers"],
            "uid": "7",
            "extra": {"team": ["a", "b"], "kgate.io/cluster": ["prod"]},
            "resourceAttributes": {
                "namespace": "payments", "verb": "create", "version": "v1", "resource": "pods", "subresource": "exec", "name": "web-0",
            },
        },
    }  # fmt: skip
    on_path = SubjectReviews("hook").question(alice, PATH, CONTEXT, Decision(True, "r"))
    assert on_path is not None and isinstance(on_path.body, bytes)
    assert json.loads(on_path.body)["spec"]["nonResourceAttributes"] == {"path": "/metrics", "verb": "get"}


def test_a_cluster_is_asked_as_whom_it_sees_and_never_about_as() -> None:
    viewer = Impersonation("alice", ("view",))
    question = OwnReviews("rbac").question(Identity("alice"), EXEC, CONTEXT, Decision(True, "r", impersonate=viewer))
    assert question is not None and (question.cluster, question.impersonate) == ("prod", viewer)
    assert isinstance(question.body, bytes) and json.loads(question.body)["kind"] == "SelfSubjectAccessReview"
    becoming = Action(Cluster("prod"), "", "impersonate", "", "", "", "v1", "users", name="bob", operation=Operation.IMPERSONATE)
    assert OwnReviews("rbac").question(Identity("alice"), becoming, CONTEXT, Decision(True, "r", impersonate=viewer)) is None


@pytest.mark.parametrize(
    ("status", "body", "meant"),
    [
        (201, {"status": {"allowed": True}}, Answer(Opinion.ALLOWED)),
        (200, {"status": {"allowed": True, "reason": "RBAC"}}, Answer(Opinion.ALLOWED, "RBAC")),
        (201, {"status": {"allowed": False}}, Answer(Opinion.NONE, "it has no opinion")),
        (201, {"status": {"allowed": False, "denied": True, "reason": "no\nway"}}, Answer(Opinion.DENIED, "no way")),
        (201, {"status": {"allowed": True, "denied": True}}, Answer(Opinion.DENIED)),
        (201, {"status": {"allowed": False, "reason": "a", "evaluationError": "b"}}, Answer(Opinion.NONE, "a; b")),
        (201, {"status": {"allowed": "true"}}, Unanswered("answered with something that is no review: no status.allowed")),
        (
            201,
            {"status": {"allowed": True, "denied": "no"}},
            Unanswered("answered with something that is no review: a status of wrong types"),
        ),
        (201, {}, Unanswered("answered with something that is no review: no status.allowed")),
        (500, {"status": {"allowed": True}}, Unanswered("answered with 500")),
        (302, {"status": {"allowed": True}}, Unanswered("answered with 302")),
    ],
)
def test_only_a_clear_yes_of_a_webhook_is_one(status: int, body: object, meant: Answer | Unanswered) -> None:
    assert webhook.answer_of(status, json.dumps(body).encode()) == meant


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b'{"status": []}'])
def test_what_is_no_review_is_no_answer(body: bytes) -> None:
    assert isinstance(webhook.answer_of(200, body), Unanswered)


@pytest.mark.parametrize(
    ("body", "meant"),
    [
        (b'{"result": true}', Answer(Opinion.ALLOWED)),
        (b'{"result": false}', Answer(Opinion.DENIED)),
        (b'{"result": {"allow": true, "ttl": 60}}', Answer(Opinion.ALLOWED, "", 60.0)),
        (b'{"result": {"allow": true, "ttl": 0}}', Answer(Opinion.ALLOWED, "", 0.0)),
        (b'{"result": {"allow": true, "ttl": 0.5}}', Answer(Opinion.ALLOWED, "", 0.5)),
        (b'{"result": {"allow": false, "reason": "freeze"}}', Answer(Opinion.DENIED, "freeze")),
        (b"{}", Answer(Opinion.NONE, "it has no result; check the path of its URL")),
    ],
)
def test_what_opa_says(body: bytes, meant: Answer) -> None:
    assert opa.answer_of(200, body) == meant


@pytest.mark.parametrize(
    "body",
    [
        b"", b"true", b'{"result": 1}', b'{"result": "true"}', b'{"result": null}', b'{"result": {}}', b'{"result": {"allow": "yes"}}',
        b'{"result": {"allow": true, "ttl": -1}}', b'{"result": {"allow": true, "ttl": true}}', b'{"result": {"allow": true, "reason": 1}}',
    ],
)  # fmt: skip
def test_what_is_no_result_is_no_answer(body: bytes) -> None:
    assert isinstance(opa.answer_of(200, body), Unanswered)
    assert isinstance(opa.answer_of(404, b'{"result": true}'), Unanswered)
