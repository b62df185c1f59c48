"""A gate as ``twistd`` runs it, and what its records tell afterwards: shadow, explain, replay, verify."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from arena import HEAD, Arena
from authority import Authority
from click.testing import CliRunner, Result
from lab.waiting import eventually
from live_gate import LiveGate
from recording_cluster import Connection, RecordingCluster

from kgate.cli import main

PODS = {
    "rules": [
        {
            "name": "pods",
            "who": {"groups": ["developers"]},
            "clusters": {"names": ["*"]},
            "allow": [{"verbs": ["*"], "resources": ["pods"]}],
        }
    ]
}
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def arena(tmp_path: Path) -> Iterator[Arena]:
    """alice may do everything; the candidate would let her have pods only."""
    authority = Authority()
    cluster = RecordingCluster(tmp_path, authority)
    folder = tmp_path / "gate"
    lab = {**cluster.access(folder), "labels": {"env": "lab"}}
    (folder / "candidate.yaml").write_text(json.dumps(PODS))
    gate = LiveGate(folder, authority, {"lab": lab}, settings={"shadow": "candidate.yaml"}).start()
    yield Arena(gate, cluster)
    gate.stop()
    cluster.stop()


def kgate(arena: Arena, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "-c", str(arena.gate.folder / "kgate.yaml")])


def decided(arena: Arena) -> list[dict[str, Any]]:
    return [record for record in arena.gate.records() if record["event"] in ("request", "stream-start", "decision-change")]


def test_what_a_candidate_would_say_otherwise_is_counted_and_on_record(arena: Arena) -> None:
    assert (arena.get(b"/api/v1/pods"), arena.get(b"/api/v1/namespaces/a/secrets/x")) == (200, 200)
    pods, secrets = decided(arena)
    assert "shadow" not in pods
    assert (secrets["allowed"], secrets["shadow"]["allowed"]) == (True, False)
    assert secrets["shadow"]["reasons"] == ["resource: pods: resource is secrets, not pods"]
    metrics = arena.gate.admin("/metrics")[1]
    assert 'kgate_shadow_decisions_total{answer="denied"} 1.0' in metrics
    assert 'kgate_shadow_decisions_total{answer="rule"} 1.0' in metrics
    assert json.loads(kgate(arena, "audit", "search", "-o", "json", "shadow.allowed=false").stdout)[0]["id"] == secrets["id"]


def test_a_session_over_a_policy_change_is_explained_and_replayed_without_a_difference(arena: Arena) -> None:
    arena.cluster.answer = lambda connection, head: _watching(connection) if b"watch=" in head else connection.send(_OK)
    arena.get(b"/api/v1/pods")
    arena.get(b"/apis/apps/v1/namespaces/a/deployments/web")
    with arena.client() as client:
        client.send(b"GET /clusters/lab/api/v1/namespaces/a/secrets?watch=true HTTP/1.1\r\n" + HEAD + b"\r\n")
        client.until(b"{}")
        arena.gate.write_policy(PODS)
        client.until(b"closed by policy")
    eventually("its end is on record", lambda: any(record["event"] == "stream-end" for record in arena.gate.records()))
    assert arena.get(b"/api/v1/namespaces/a/secrets") == 403
    eventually("all are on record", lambda: len(decided(arena)) == 5)  # nobody waits for the record of a denial
    records = decided(arena)
    assert [(record["event"], record["allowed"]) for record in records] == [
        ("request", True), ("request", True), ("stream-start", True), ("decision-change", False), ("request", False),
    ]  # fmt: skip
    assert len({record["policy_revision"] for record in records}) == 2
    for record in (records[0], records[3], records[4]):
        explained = json.loads(kgate(arena, "policy", "explain", "-o", "json", record["id"]).stdout)
        assert (explained["allowed"], explained["rule"] or None) == (record["allowed"], record.get("rule"))
    replay = kgate(arena, "policy", "replay")
    assert (replay.exit_code, replay.stdout) == (0, "3 requests and 1 stream, 0 would change\n"), replay.output
    assert kgate(arena, "policy", "replay", "--with", str(arena.gate.folder / "candidate.yaml")).exit_code == 1
    assert kgate(arena, "audit", "verify").exit_code == 0
    kept = arena.gate.folder / "audit" / "policies" / f"{records[0]['policy_revision']}.yaml"
    kept.write_text(kept.read_text() + "# changed")
    changed = kgate(arena, "audit", "verify")
    assert changed.exit_code == 1 and f"{kept}: it is not the policy that was in force" in changed.stdout


def test_no_request_is_decided_by_a_policy_that_cannot_be_kept_beside_the_audit(arena: Arena) -> None:
    """What decided must be there to be looked at. Here a file is in the way; of a full disk, and of what lives, see test_full_disk."""
    kept = arena.gate.folder / "audit" / "policies"
    kept.rename(kept.with_name("elsewhere"))
    kept.write_text("in the way")
    arena.gate.write_policy(PODS)
    eventually("the policy is in force", lambda: any(record["event"] == "config" for record in arena.gate.records()))
    (config,) = [record for record in arena.gate.records() if record["event"] == "config"]
    assert config["allowed"] is True and "cannot be kept beside the audit" in config["reasons"][0]
    assert arena.get(b"/api/v1/namespaces/a/secrets/x") == 503
    kept.unlink()
    eventually("its text is kept", lambda: arena.get(b"/api/v1/namespaces/a/secrets/x") == 403)
    assert config["policy_revision"] in {path.stem for path in kept.iterdir()}


_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def _watching(connection: Connection) -> None:
    connection.send(STREAM + b"3\r\n{}\n\r\n")
