"""What kubectl prints."""

from __future__ import annotations

import json

import pytest

from kgate.kube.requestinfo import parse_action
from kgate.kube.status import denial_message, describe_action, describe_reasons, one_line, status_body
from kgate.model import Action, Cluster, Decision, Ground, Identity, Operation, Reason

ALICE = Identity("alice", ("developers",))
EXEC = Action(
    Cluster("prod-eu"), "POST", "create", "/…", "/…", "", "v1", "pods", "exec", "payments", "web-0", Operation.EXEC,
)  # fmt: skip


def denied(*reasons: Reason) -> Decision:
    return Decision(False, "r1", reasons=reasons)


def test_a_forbidden_body_is_what_kubectl_knows_how_to_print() -> None:
    assert json.loads(status_body(403, "kgate: no")) == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "kgate: no",
        "reason": "Forbidden",
        "code": 403,
    }


@pytest.mark.parametrize(
    ("code", "word"),
    [
        (400, "BadRequest"), (401, "Unauthorized"), (403, "Forbidden"), (404, "NotFound"), (405, "MethodNotAllowed"), (408, "Timeout"),
        (409, "Conflict"), (413, "RequestEntityTooLarge"), (415, "UnsupportedMediaType"), (418, "Unknown"), (429, "TooManyRequests"),
        (431, "RequestHeaderFieldsTooLarge"), (500, "InternalError"), (502, "BadGateway"), (503, "ServiceUnavailable"), (504, "Timeout"),
    ],
)  # fmt: skip
def test_every_code_the_gate_answers_has_its_word(code: int, word: str) -> None:
    """apimachinery's, by which clients know what to do (``apierrors.IsConflict``)."""
    body = json.loads(status_body(code, "kgate: why"))
    assert (body["code"], body["reason"]) == (code, word)


def test_nobody_allowed_it() -> None:
    said = denial_message(ALICE, EXEC, denied(Reason(Ground.NO_RULE)), "01J9")
    assert said == "kgate: alice may not create pods/exec in namespace payments of cluster prod-eu: no rule allows it (request 01J9)"
    assert denial_message(ALICE, EXEC, denied(), "01J9") == said


def test_a_near_miss_says_which_rule_and_what_was_missing() -> None:
    late = Reason(Ground.TIME, "sre-exec", "time is outside 08:00-20:00 Europe/Berlin")
    assert denial_message(ALICE, EXEC, denied(late), "01J9", "kgate policy explain 01J9") == (
        "kgate: alice may not create pods/exec in namespace payments of cluster prod-eu: "
        'rule "sre-exec" would allow it, but time is outside 08:00-20:00 Europe/Berlin (request 01J9; ask: kgate policy explain 01J9)'
    )
    far = Reason(Ground.NETWORK, "sre-exec", "address is not in 10.0.0.0/8")
    other = Reason(Ground.VERB, "other", "verb is create, not get")
    assert describe_reasons((late, far, other)) == (
        'rule "sre-exec" would allow it, but time is outside 08:00-20:00 Europe/Berlin and address is not in 10.0.0.0/8'
    )


def test_other_grounds_speak_for_themselves() -> None:
    assert describe_reasons((Reason(Ground.DENIED, "no-secrets"),)) == 'rule "no-secrets" denies it'
    assert describe_reasons((Reason(Ground.DENIED, "no-secrets", 'rule "no-secrets" denies it'),)) == 'rule "no-secrets" denies it'
    assert (
        describe_reasons((Reason(Ground.LOCK, text='lock "incident-42" on user alice, by bob'),))
        == 'lock "incident-42" on user alice, by bob'
    )
    assert describe_reasons((Reason(Ground.EXPIRED),)) == "expired"
    assert describe_reasons((Reason(Ground.UNKNOWN_VERB),)) == "Kubernetes has no verb for this method"
    assert describe_reasons((Reason(Ground.UNKNOWN_VERB, text="it has none"),)) == "it has none"
    assert describe_reasons((Reason(Ground.TIME, "r"), Reason(Ground.NETWORK, "r"))) == 'rule "r" would allow it, but time'


def test_an_action_reads_as_the_rule_that_would_allow_it() -> None:
    assert describe_action(Action(Cluster("dev"), "GET", "get", "/metrics", "/metrics")) == "get /metrics of cluster dev"
    scale = Action(Cluster("dev"), "PUT", "update", "/…", "/…", "apps", "v1", "deployments", "scale", "web", "api")
    assert describe_action(scale) == "update deployments.apps/scale in namespace web of cluster dev"
    assert describe_action(Action(Cluster("dev"), "GET", "list", "/…", "/…", "", "v1", "nodes")) == "list nodes of cluster dev"
    assert describe_action(Action(Cluster("dev"), "OPTIONS", "", "/…", "/…", "", "v1", "pods")) == "OPTIONS pods of cluster dev"
    act_as = Action(Cluster("dev"), "GET", "impersonate", "/…", "/…", resource="users", name="bob", operation=Operation.IMPERSONATE)
    assert describe_action(act_as) == "impersonate users bob (--as) of cluster dev"
    assert describe_action(act_as.but(resource="groups")) == "impersonate groups bob (--as-group) of cluster dev"
    assert describe_action(act_as.but(resource="uids")) == "impersonate uids bob (--as-uid) of cluster dev"
    extra = act_as.but(resource="userextras", subresource="scopes", name="write")
    assert describe_action(extra) == "impersonate userextras/scopes write (as-user-extra) of cluster dev"


def test_a_hostile_name_stays_on_the_line_and_within_it() -> None:
    assert one_line("a\nb\x1b]52;c;x\x07\u202e") == "a b\ufffd]52;c;x\ufffd\ufffd"
    assert one_line("a" * 2048) == "a" * 2048 and one_line("a" * 2049) == "a" * 2047 + "…"
    for name, shown in (("n" * 256, "n" * 256), ("n" * 257, "n" * 255 + "…")):
        assert describe_action(EXEC.but(namespace=name)) == f"create pods/exec in namespace {shown} of cluster prod-eu"
    long = denial_message(Identity("a" * 9000), EXEC.but(namespace="n" * 9000), denied(Reason(Ground.TIME, "r", "t" * 9000)), "01J9")
    assert len(long) == 2048 and long.endswith("t… (request 01J9)")


def test_what_rbac_does_not_show_is_shown() -> None:
    tar = "command=tar&command=cf&command=-&command=/etc/hosts"
    copy = parse_action(Cluster("dev"), b"POST", f"/api/v1/namespaces/x/pods/web/exec?{tar}".encode())
    debug = parse_action(Cluster("dev"), b"PATCH", b"/api/v1/namespaces/x/pods/web/ephemeralcontainers")
    assert isinstance(copy, Action) and isinstance(debug, Action)
    assert describe_action(copy) == "create pods/exec (cp) in namespace x of cluster dev"
    assert describe_action(debug) == "patch pods/ephemeralcontainers (debug) in namespace x of cluster dev"
