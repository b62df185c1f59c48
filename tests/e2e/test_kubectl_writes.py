"""Everything that changes the cluster: each scenario makes its objects, changes and removes them, first directly, then through the gate."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

import pytest
import yaml
from lab.kubectl import Kubectl, Ran
from lab.pods import BOX, deployment, pod
from lab.same import Ways, but_instance, but_pod_names
from lab.waiting import eventually

FIRST = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "settings", "labels": {"a": "1"}},
    "data": {"mode": "slow", "left": "yes"},
}
SECOND = {**FIRST, "data": {"mode": "fast"}}


def manifest(*things: dict[str, object]) -> bytes:
    return yaml.safe_dump_all(things).encode()


def test_apply_changes_and_prunes_as_kubectl_does(ways: Ways) -> None:
    def scenario(kubectl: Kubectl) -> list[Ran]:
        return [
            kubectl.run("apply", "-f", "-", stdin=manifest(FIRST)).must(),
            kubectl.run("apply", "-f", "-", stdin=manifest(FIRST)).must(),
            kubectl.run("diff", "-f", "-", stdin=manifest(SECOND)).must(1),
            kubectl.run("apply", "-f", "-", stdin=manifest(SECOND)).must(),
            kubectl.run("get", "configmap", "settings", "-o", "json").must(),
            kubectl.run("delete", "-f", "-", stdin=manifest(SECOND)).must(),
            kubectl.run("delete", "configmap", "settings").must(1),
        ]

    created, again, _, changed, got, gone, missing = ways.played(scenario, but_instance_and_diff)
    assert [ran.out for ran in (created, again, changed)] == [
        b"configmap/settings created\n",
        b"configmap/settings unchanged\n",
        b"configmap/settings configured\n",
    ]
    assert json.loads(got.out)["data"] == {"mode": "fast"}
    assert b"deleted" in gone.out and b"NotFound" in missing.err


def but_instance_and_diff(text: bytes) -> bytes:
    """kubectl diff names its temporary folders and the instants of its files."""
    text = re.sub(rb"(LIVE|MERGED)-\d+", rb"\1-N", text)
    text = re.sub(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ \+0000", b"INSTANT", text)
    return but_instance(text)


def test_server_side_apply_and_its_conflict(ways: Ways) -> None:
    def scenario(kubectl: Kubectl) -> list[Ran]:
        return [
            kubectl.run("apply", "--server-side", "--field-manager=one", "-f", "-", stdin=manifest(FIRST)).must(),
            kubectl.run("apply", "--server-side", "--field-manager=two", "-f", "-", stdin=manifest(SECOND)).must(1),
            kubectl.run("apply", "--server-side", "--field-manager=two", "--force-conflicts", "-f", "-", stdin=manifest(SECOND)).must(),
            kubectl.run("get", "configmap", "settings", "-o", "yaml", "--show-managed-fields").must(),
            kubectl.run("delete", "configmap", "settings").must(),
        ]

    _, conflict, *_ = ways.played(scenario, but_instance)
    assert b'conflict with "one"' in conflict.err


def test_patches_of_each_kind(ways: Ways) -> None:
    def scenario(kubectl: Kubectl) -> list[Ran]:
        patch = ("patch", "configmap", "settings")
        return [
            kubectl.run("create", "-f", "-", stdin=manifest(FIRST)).must(),
            kubectl.run("create", "-f", "-", stdin=manifest(FIRST)).must(1),
            kubectl.run(*patch, "--type=merge", "-p", '{"data":{"left":null}}', "-o", "json").must(),
            kubectl.run(*patch, "--type=strategic", "-p", '{"data":{"more":"1"}}', "-o", "json").must(),
            kubectl.run(*patch, "--type=json", "-p", '[{"op":"replace","path":"/data/mode","value":"off"}]', "-o", "json").must(),
            kubectl.run(*patch, "--type=json", "-p", '[{"op":"remove","path":"/data/none"}]').must(1),
            kubectl.run("label", "configmap", "settings", "b=2", "a-").must(),
            kubectl.run("annotate", "configmap", "settings", "why=because").must(),
            kubectl.run("replace", "-f", "-", stdin=manifest(SECOND)).must(),
            kubectl.run("delete", "configmaps", "-l", "a=1").must(),
        ]

    last = ways.played(scenario, but_instance)[4]
    assert json.loads(last.out)["data"] == {"mode": "off", "more": "1"}


def test_a_megabyte_of_secret(ways: Ways, tmp_path: Path) -> None:
    blob = tmp_path / "blob"
    blob.write_bytes(os.urandom(1_000_000))

    def scenario(kubectl: Kubectl) -> list[Ran]:
        return [
            kubectl.run("create", "secret", "generic", "big", f"--from-file=blob={blob}").must(),
            kubectl.run("get", "secret", "big", "-o", "go-template={{.data.blob | base64decode}}").must(),
            kubectl.run("delete", "secret", "big").must(),
        ]

    got = ways.played(scenario)[1]
    assert hashlib.sha256(got.out).digest() == hashlib.sha256(blob.read_bytes()).digest()


def test_wait_until_ready_until_gone_and_in_vain(ways: Ways) -> None:
    def scenario(kubectl: Kubectl) -> list[Ran]:
        ran = [
            kubectl.run("apply", "-f", "-", stdin=manifest(pod("sleeper", BOX))).must(),
            kubectl.run("wait", "--for=condition=Ready", "pod/sleeper", "--timeout=60s", timeout=70).must(),
            kubectl.run("wait", "--for=jsonpath={.metadata.labels.never}=true", "pod/sleeper", "--timeout=1s").must(1),
        ]
        with kubectl.live("wait", "--for=delete", "pod/sleeper", "--timeout=60s", "-v=6") as waiting:
            # Only one that watches already says that its condition was met; its log of requests shows when it does.
            eventually("kubectl wait watches", lambda: b"watch=true" in waiting.err)
            gone = kubectl.run("delete", "pod", "sleeper").must()
            met = waiting.wait(30).must()
            return [*ran, gone, Ran(met.code, met.out, b"", met.line)]

    ways.played(scenario, but_instance)


@pytest.mark.parametrize("image", ["busybox:lab", "busybox:nosuch"])
def test_rollout_status_that_succeeds_and_that_does_not(ways: Ways, image: str) -> None:
    works = image == "busybox:lab"

    def scenario(kubectl: Kubectl) -> list[Ran]:
        ran = [kubectl.run("apply", "-f", "-", stdin=manifest(deployment("roll", 2, image))).must()]
        status = kubectl.run("rollout", "status", "deployment/roll", f"--timeout={60 if works else 2}s", timeout=70).must(0 if works else 1)
        # How often the status was said in between depends on the kubelet; the last line is the answer.
        ran.append(Ran(status.code, status.out.splitlines()[-1], status.err, status.line))
        if works:
            ran += [
                kubectl.run("rollout", "status", "deployment/roll").must(),
                kubectl.run("scale", "deployment/roll", "--replicas=1").must(),
                kubectl.run("rollout", "history", "deployment/roll").must(),
            ]
        return [*ran, kubectl.run("delete", "deployment", "roll").must()]

    said = ways.played(scenario, but_pod_names)[1]
    assert (b"successfully rolled out" in said.out) is works


def test_delete_says_what_it_did(ways: Ways) -> None:
    def scenario(kubectl: Kubectl) -> list[Ran]:
        return [
            kubectl.run("create", "configmap", "one", "--from-literal=a=b").must(),
            kubectl.run("create", "configmap", "two", "--from-literal=a=b", "--dry-run=server", "-o", "name").must(),
            kubectl.run("delete", "configmap", "one", "two").must(1),
            kubectl.run("delete", "configmap", "one", "--ignore-not-found").must(),
        ]

    ways.played(scenario)
