"""conf/kubernetes/kgate.yaml on a real cluster: the pod that it makes is a gate like any other, and what Kubernetes does to a pod costs nobody the sentence
and no record its line.

The order of the tests is that of a pod's life. ``lab.deployed`` says what of the manifest this cluster needs otherwise.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from lab.cluster import RealCluster, caller
from lab.deployed import CONF, DRAIN, POD, Deployment, engine, imported
from lab.gate import ALICE, rule, usual_policy
from lab.waiting import eventually

SHELL = ("exec", "box", "--", "sh", "-c", "echo up; exec sleep 1000")
GATE_ACCOUNT = "system:serviceaccount:{}:kgate"
CREDENTIAL = "authentication.kubernetes.io/credential-id"


@pytest.fixture(scope="module")
def deployed(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    if os.environ.get("KGATE_E2E_STAND_IN"):
        pytest.skip("needs the gate itself, and KGATE_E2E_STAND_IN is set")
    containerd = engine(cluster)
    if containerd is None:
        pytest.skip("the gate's image cannot be brought to this cluster's node: that needs ctr, and its containerd on this machine")
    folder = tmp_path_factory.mktemp("deployed")
    with imported(containerd):
        deployment = Deployment(cluster, folder)
        try:
            deployment.deploy()
            deployment.ready()
            yield deployment
        finally:
            deployment.remove()


def test_the_pod_becomes_ready_and_says_nothing_that_is_amiss(deployed: Deployment) -> None:
    pod = deployed.ready()
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
    log = deployed.log
    assert "kgate serves" in log
    assert not [line for line in log.splitlines() if "Traceback" in line or "Unable to write" in line or "Errno" in line], log


def test_people_work_through_it_and_what_it_writes_is_its_own(deployed: Deployment) -> None:
    alice = deployed.person("alice")
    assert "box" in alice.run("get", "pods").must().text
    assert alice.run("exec", "box", "--", "echo", "there").must().out == b"there\n"
    audit = deployed.volume / "audit"
    for path in (audit, *audit.iterdir()):
        status = path.stat()
        assert (status.st_uid, status.st_mode & 0o007) == (10001, 0), path


def test_its_right_in_the_cluster_is_all_that_it_needs_and_no_more(deployed: Deployment) -> None:
    """As an operator asks in the pod, where there is no home and the account has no name."""
    (told,) = json.loads(deployed.kubectl("exec", POD, "--", "kgate", "clusters", "check", "-o", "json"))
    assert (told["cluster"], told["state"], told["findings"]) == ("prod-eu", "well", [])
    assert told["user"]["name"] == GATE_ACCOUNT.format(deployed.namespace)


def test_a_namespace_of_restricted_pods_takes_the_manifest_as_it_is(cluster: RealCluster, deployed: Deployment) -> None:
    """Dry: its pods would reach no API server here."""
    namespace, account, *_ = yaml.safe_load_all((CONF / "impersonator.yaml").read_text())
    template = next(each for each in yaml.safe_load_all((CONF / "kgate.yaml").read_text()) if each["kind"] == "StatefulSet")["spec"][
        "template"
    ]
    name = namespace["metadata"]["name"] = f"{deployed.namespace}-strict"
    del account["metadata"]["namespace"], template["spec"]["volumes"]
    template["spec"]["containers"][0]["volumeMounts"].clear()
    template["metadata"]["name"] = "kgate-0"
    assert namespace["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}
    try:
        assert cluster.api.ask("POST", "/api/v1/namespaces", namespace)[0] == 201
        assert cluster.api.ask("POST", f"/api/v1/namespaces/{name}/serviceaccounts", account)[0] == 201
        pods = f"/api/v1/namespaces/{name}/pods?dryRun=All"
        status, body = cluster.api.ask("POST", pods, {"kind": "Pod", **template})
        assert status == 201, body
        del template["spec"]["securityContext"]["seccompProfile"]
        status, body = cluster.api.ask("POST", pods, {"kind": "Pod", **template})
        assert status == 403 and b"violates PodSecurity" in body, body
    finally:
        cluster.api.ask("DELETE", f"/api/v1/namespaces/{name}")


def test_another_policy_in_the_configmap_cuts_a_live_exec(deployed: Deployment, measured: Callable[[str], None]) -> None:
    incident = {**rule("incident", ALICE, []), "deny": [{"actions": ["exec"]}]}
    del incident["allow"]
    alice = deployed.person("alice")
    with alice.live(*SHELL) as shell:
        shell.until(b"up")
        arrived = deployed.configure({"rules": [*usual_policy()["rules"], incident]})
        ran = shell.wait()
        assert shell.ended
        took = shell.ended - arrived
    assert ran.code == 1 and 'kgate: closed by policy: rule "incident" denies it (request ' in ran.text
    assert took < 10
    measured(f"a ConfigMap's policy: exec over {took:.1f} s after the kubelet put it there")
    deployed.configure(usual_policy())
    eventually("and back", lambda: alice.run("exec", "box", "--", "true").code == 0, every=0.3)
    eventually("both are on record", lambda: len(deployed.records("config")) >= 2)


def test_a_rotated_token_is_used_from_then_on(deployed: Deployment, cluster: RealCluster) -> None:
    """Rotated as the kubelet does it, but when the test wants it: with another folder behind ``..data``. A kubelet that just looks at the pod puts its own
    token back, and then it is rotated once more.
    """
    if cluster.audit_log is None:
        pytest.skip("the API server keeps no audit log here that says which token came")
    start, reloads = cluster.audit_log.stat().st_size, len(deployed.records("config"))
    token = deployed.kubectl("create", "token", "kgate", "--bound-object-kind=Pod", "--bound-object-name=kgate-0").strip()
    folder, alice = deployed.projected("token"), deployed.person("alice")

    def credentials() -> set[str]:
        with suppress(OSError):  # the kubelet does the same just now
            if (folder / "token").read_text() != token:
                rotate(folder, token)
        alice.run("get", "--raw", "/api/v1/namespaces/default").must(1)
        user = GATE_ACCOUNT.format(deployed.namespace)
        return {each["user"]["extra"][CREDENTIAL][0] for each in cluster.audited(start) if caller(each) == user}

    eventually("the API server sees the new token", lambda: f"JTI={identifier(token)}" in credentials(), every=0.3)
    assert len(deployed.records("config")) == reloads, "the configuration is the same"


def rotate(folder: Path, token: str) -> None:
    """As Kubernetes' atomic writer does."""
    former = (folder / "..data").resolve()
    new = folder / f"..rotated_{time.time_ns()}"
    new.mkdir(mode=former.stat().st_mode & 0o7777)
    (new / "token").write_text(token)
    status = (former / "token").stat()
    os.chown(new / "token", status.st_uid, status.st_gid)
    (new / "token").chmod(status.st_mode & 0o777)
    (folder / "..data_tmp").symlink_to(new.name)
    (folder / "..data_tmp").rename(folder / "..data")
    shutil.rmtree(former, ignore_errors=True)


def identifier(token: str) -> str:
    """The ``jti`` of a JWT."""
    payload = token.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["jti"])


def test_a_pod_that_is_deleted_says_farewell_and_the_next_carries_its_chain_on(
    deployed: Deployment, measured: Callable[[str], None]
) -> None:
    alice = deployed.person("alice")
    former = deployed.ready()["metadata"]["uid"]
    with alice.live(*SHELL) as shell:
        shell.until(b"up")
        deleted = time.monotonic()
        deployed.kubectl("delete", "pod", POD, "--wait=false")
        ran = shell.wait()
        assert shell.ended
        took = shell.ended - deleted
    assert ran.code == 1 and "kgate: the gate is shutting down; run the command again (request " in ran.text, ran.text
    assert DRAIN < took < DRAIN + 30, "it was not killed"

    deployed.ready(after=former)
    measured(f"a deleted pod: exec over {took:.1f} s after, its successor ready {time.monotonic() - deleted:.1f} s after")
    (end,) = [each for each in deployed.records("stream-end") if each["id"] in ran.text]
    starts = deployed.records("start")
    assert end["closed_by"] == "drain" and len(starts) == 2 and end["time"] < starts[1]["time"]
    assert alice.run("exec", "box", "--", "true").must()
    assert "chain" in deployed.kubectl("exec", POD, "--", "kgate", "audit", "verify")
