"""``scripts/quickstart --context NAME`` in front of a real cluster, with the credential of whoever tries it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml
from lab.cluster import RealCluster
from lab.gate import ALICE
from lab.kubectl import Ran
from ports import free_port


def quickstart(kubeconfig: Path, context: str, home: Path, script: str) -> Ran:
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(home), "KUBECONFIG": str(kubeconfig)}
    command = [
        sys.executable,
        "-m",
        "kgate.demo.quickstart",
        "--port",
        str(free_port()),
        "--context",
        context,
        "--exec",
        "sh",
        "-c",
        script,
    ]
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    return Ran(done.returncode, done.stdout, done.stderr, f"quickstart --context {context}")


def theirs(cluster: RealCluster, user: dict[str, object], path: Path) -> tuple[Path, str]:
    """A person's kubeconfig with ``user`` for a credential, in the run's namespace; and its context's name."""
    document = yaml.safe_load(cluster.admin.read_text())
    document["contexts"][0]["context"]["namespace"] = cluster.namespace
    document["users"][0]["user"] = user or document["users"][0]["user"]
    path.touch(0o600)
    path.write_text(yaml.safe_dump(document))
    return path, document["contexts"][0]["name"]


def test_a_person_reads_their_own_cluster_and_changes_nothing(cluster: RealCluster, tmp_path: Path) -> None:
    kubeconfig, context = theirs(cluster, {}, tmp_path / "mine")
    script = "kubectl get pods -o name; kubectl get all >/dev/null; kubectl get crds -o name; kubectl delete pod box; kubectl get secrets"
    ran = quickstart(kubeconfig, context, tmp_path, script).must(1)
    assert b"pod/box\n" in ran.out
    assert f"may not delete pods in namespace {cluster.namespace} of cluster {context}".encode() in ran.err
    assert b'rule "no-secrets" denies it' in ran.err
    assert ran.err.count(b"Forbidden") == 2, ran.text


def test_whoever_acts_as_somebody_there_does_so_through_the_gate(cluster: RealCluster, tmp_path: Path) -> None:
    user = yaml.safe_load(cluster.admin.read_text())["users"][0]["user"] | {"as": "alice", "as-groups": [ALICE.group]}
    kubeconfig, context = theirs(cluster, user, tmp_path / "mine")
    ran = quickstart(kubeconfig, context, tmp_path, "kubectl auth whoami -o jsonpath='{.status.userInfo}'; kubectl get pods -A").must(1)
    assert json.loads(ran.out) == {"username": "alice", "groups": [ALICE.group, "system:authenticated"]}
    assert b'User "alice" cannot list resource "pods"' in ran.err


def test_a_credential_that_may_not_act_as_its_owner_is_told_so(cluster: RealCluster, tmp_path: Path) -> None:
    path = f"/api/v1/namespaces/{cluster.namespace}/serviceaccounts/default/token"
    status, body = cluster.api.ask("POST", path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}})
    assert status == 201, body
    kubeconfig, context = theirs(cluster, {"token": json.loads(body)["status"]["token"]}, tmp_path / "mine")
    ran = quickstart(kubeconfig, context, tmp_path, "true").must(1)
    assert f"your credential for {context} may not act as system:serviceaccount:{cluster.namespace}:default".encode() in ran.err
    assert b"conf/kubernetes/impersonator.yaml" in ran.err
