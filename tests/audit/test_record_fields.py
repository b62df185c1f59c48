"""What records of each kind read like, whole: `jq` over an audit file is an interface."""

from __future__ import annotations

from kgate.audit.record import decision_record, end_record, event_record, facts_record, facts_revision, refusal_record, shadow_fields
from kgate.model import (
    Action,
    Cause,
    Cluster,
    Context,
    Decision,
    Device,
    Ending,
    Fact,
    Grant,
    Ground,
    Identity,
    Impersonation,
    Operation,
    Reason,
)

NOW = 1_790_000_000.25
ALICE = Identity(
    "alice", ("developers", "sre"), "u-1", (("team", ("a", "b")),), "https://idp.example", "s1", NOW + 60, NOW - 60, "mfa", ("pwd", "otp"),
    Device("laptop", True, (("os", "linux"),)), "ci", ("10.0.0.0/8",), ("dev-*",),
)  # fmt: skip
EXEC = Action(
    Cluster("prod", (("env", "prod"),)), "GET", "create", "/t", "/api/v1/namespaces/payments/pods/web-0/exec", "apps", "v1", "pods", "exec",
    "payments", "web-0", Operation.EXEC, "app", ("sh", "-c", "true"), (8080,), True, True, "a=b", "c=d",
)  # fmt: skip
DECISION = Decision(
    True, "abc", "sre-exec", (Reason(Ground.ALLOWED, "sre-exec", "it does"), Reason(Ground.NO_RULE)), Impersonation("alice", ("view",))
)
WHO = {
    "user": "alice",
    "groups": ["developers", "sre"],
    "issuer": "https://idp.example",
    "session": "s1",
    "device": "laptop",
    "identity": {
        "uid": "u-1",
        "acr": "mfa",
        "robot": "ci",
        "expires": "2026-09-21T14:14:20.250000Z",
        "authenticated_at": "2026-09-21T14:12:20.250000Z",
        "amr": ["pwd", "otp"],
        "networks": ["10.0.0.0/8"],
        "clusters": ["dev-*"],
        "extra": {"team": ["a", "b"]},
        "device": {"compliant": True, "posture": {"os": "linux"}},
    },
}
WHAT = {
    "cluster": "prod",
    "cluster_labels": {"env": "prod"},
    "verb": "create",
    "action": "exec",
    "api_group": "apps",
    "resource": "pods",
    "subresource": "exec",
    "namespace": "payments",
    "name": "web-0",
    "container": "app",
    "label_selector": "c=d",
    "field_selector": "a=b",
    "command": ["sh", "-c", "true"],
    "port": [8080],
    "path": "/api/v1/namespaces/payments/pods/web-0/exec",
}
WHY = {
    "allowed": True,
    "rule": "sre-exec",
    "reasons": ["allowed: sre-exec: it does", "no-rule"],
    "policy_revision": "abc",
    "impersonated": {"user": "alice", "groups": ["view"]},
}


def opening(event: str) -> dict[str, object]:
    return {"time": "2026-09-21T14:13:20.250000Z", "id": "01K", "gate": "g1", "event": event}


def test_a_decision_with_all_that_one_can_have() -> None:
    grant = Grant("G1", "alice", "sre-exec", "prod", "payments", NOW - 5, NOW + 5, "incident", ("bob",), "carol")
    fact = Fact("incident", '{"open":true}', NOW + 9)
    context = Context(NOW, "10.1.2.3", "kubectl/v1.37", "CH", 3303, (fact,), (grant,))
    asked = Impersonation("root", ("admins",), "u-0", (("scopes", ("x",)),))
    record = decision_record("stream-start", "01K", "g1", ALICE, EXEC, context, DECISION, {"command": "kubectl exec"}, asked)
    assert record == {
        **opening("stream-start"),
        **WHO,
        "source_ip": "10.1.2.3",
        **WHAT,
        "user_agent": "kubectl/v1.37",
        "country": "CH",
        "asn": 3303,
        "facts": facts_revision((fact,)),
        "grants": [
            {
                "id": "G1",
                "user": "alice",
                "rule": "sre-exec",
                "cluster": "prod",
                "namespace": "payments",
                "begins": "2026-09-21T14:13:15.250000Z",
                "until": "2026-09-21T14:13:25.250000Z",
                "revoked_by": "carol",
                "reason": "incident",
                "approvers": ["bob"],
            }
        ],
        "kubectl": {"command": "kubectl exec"},
        "as": {"user": "root", "groups": ["admins"], "uid": "u-0", "extra": {"scopes": ["x"]}},
        **WHY,
    }


def test_what_was_known_of_the_world() -> None:
    facts = (Fact("incident", '{"open":true}', NOW + 9), Fact("freeze", "false"))
    assert facts_record("01K", "g1", NOW, facts) == {
        **opening("facts"),
        "facts": facts_revision(facts),
        "values": {"incident": {"value": '{"open":true}', "until": "2026-09-21T14:13:29.250000Z"}, "freeze": {"value": "false"}},
    }


def test_a_refusal_says_as_much_as_was_known_by_then() -> None:
    nobody = refusal_record("01K", "g1", NOW, "10.1.2.3", 401, "who?", None, None)
    said = {"allowed": False, "reasons": ["who?"], "status": 401}
    assert nobody == {**opening("request"), "source_ip": "10.1.2.3", **said}
    assert refusal_record("01K", "g1", NOW, "10.1.2.3", 401, "who?", ALICE, EXEC) == {
        **opening("request"),
        **WHO,
        "source_ip": "10.1.2.3",
        **WHAT,
        **said,
    }


def test_an_end_says_what_went_through_and_who_cut_it_how_fast() -> None:
    ended = {"cluster": "prod", "user": "alice", "status": 101, "duration_ms": 1500.123, "bytes_in": 7, "bytes_out": 9}
    assert end_record("stream-end", "01K", "g1", NOW, "prod", "alice", 101, 1.5001234, 7, 9) == {**opening("stream-end"), **ended}
    cause = Cause(Ending.POLICY, "kgate: closed by policy")
    cut = end_record("stream-end", "01K", "g1", NOW, "prod", "alice", 101, 1.5001234, 7, 9, cause, 0.0412345, {"stdin": 7})
    assert cut == {
        **opening("stream-end"),
        **ended,
        "closed_by": "policy",
        "reasons": ["kgate: closed by policy"],
        "revocation_ms": 41.234,
        "stream": {"stdin": 7},
    }


def test_what_happened_to_the_gate_itself() -> None:
    assert event_record("config", "01K", "g1", NOW, revision="abc") == {**opening("config"), "revision": "abc"}
    assert shadow_fields(DECISION) == {"shadow": WHY}
