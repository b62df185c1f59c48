"""A record as a row of a table, and field by field."""

from __future__ import annotations

from typing import Any

import pytest

from kgate.audit.show import answer, lines, row, what

EXEC: dict[str, Any] = {
    "time": "2026-09-21T14:13:20.250000Z",
    "id": "01K",
    "event": "stream-start",
    "user": "alice",
    "cluster": "prod",
    "verb": "create",
    "action": "exec",
    "resource": "pods",
    "subresource": "exec",
    "namespace": "a",
    "name": "web-0",
    "container": "app",
    "command": ["sh", "-c", "ls\x1b[31m"],
    "allowed": True,
    "rule": "sre",
}


def test_a_row() -> None:
    time, who, said, came_out, id_ = row(EXEC)
    assert (time, who, came_out, id_) == ("2026-09-21 14:13:20Z", "alice", "allowed: sre", "01K")
    assert said.startswith("prod: exec pods/web-0 -n a -c app: sh -c ls") and "\x1b" not in said
    assert row({}) == ("", "", "", "", "")
    assert row({"time": EXEC["time"], "event": "config"}) == ("2026-09-21 14:13:20Z", "", "config", "", "")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"verb": "get", "path": "/metrics"}, "get /metrics"),
        ({"verb": "list", "resource": "pods"}, "list pods"),
        (
            {"verb": "update", "resource": "deployments", "api_group": "apps", "subresource": "scale", "name": "x"},
            "update deployments.apps/x (scale)",
        ),
        ({"verb": "create", "action": "cp", "resource": "pods", "subresource": "exec", "name": "x", "namespace": "n"}, "cp pods/x -n n"),
        ({"verb": "get", "resource": "pods", "command": "sh"}, "get pods"),
        ({"event": "start"}, "start"),
        (
            {
                "verb": "create",
                "action": "port-forward",
                "resource": "pods",
                "subresource": "portforward",
                "name": "x",
                "port": [8080, 9090],
            },
            "port-forward pods/x: 8080 9090",
        ),
        ({"verb": "create", "action": "port-forward", "resource": "pods", "name": "x", "port": []}, "port-forward pods/x"),
    ],
)
def test_what_was_asked(fields: dict[str, Any], said: str) -> None:
    assert what(fields) == said


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"allowed": True}, "allowed"),
        ({"allowed": "true"}, "denied"),  # no record of a gate's
        ({"allowed": False, "rule": "no-secrets"}, "denied: no-secrets"),
        ({"allowed": False, "reasons": ["time: sre-exec: time is outside 08:00-20:00"]}, "denied (time): sre-exec"),
        ({"allowed": False, "reasons": ["no-rule"]}, "denied (no-rule)"),
        ({"allowed": False, "reasons": ["the token has expired: sign in"]}, "denied: the token has expired: sign in"),
        ({"allowed": False, "reasons": []}, "denied"),
        ({"allowed": False, "reasons": "x"}, "denied"),
        ({"allowed": True, "closed_by": "policy"}, "closed by policy"),
        ({"status": 200}, "200"),
        ({"outcome": "unknown", "status": 200}, "unknown"),
        ({"event": "relaxation", "reasons": ["tokens.yaml:2: the token ci never expires"]}, "tokens.yaml:2: the token ci never expires"),
        ({"event": "stream-end", "status": 101, "duration_ms": 4125.311}, "101 after 4.1 s"),
        ({"event": "stream-end", "status": 101, "closed_by": "policy", "duration_ms": 3_600_000}, "closed by policy after 3,600.0 s"),
        ({"event": "request-end", "status": 200, "duration_ms": 4125.311}, "200"),
        ({"event": "stream-end", "outcome": "unknown", "duration_ms": "long"}, "unknown"),
    ],
)
def test_how_it_came_out(fields: dict[str, Any], said: str) -> None:
    assert answer(fields) == said


def test_every_field_what_it_is_first_and_the_chain_last() -> None:
    fields = {
        "hash": "h",
        "groups": [],
        "prev": "p",
        "identity": {"amr": ["a", "b"], "device": {"compliant": True}},
        "event": "request",
        "time": "t",
    }
    assert list(lines(fields)) == [
        ("time", "t"),
        ("event", "request"),
        ("groups", "none"),
        ("identity", "amr: a, b, device: compliant: true"),
        ("prev", "p"),
        ("hash", "h"),
    ]
