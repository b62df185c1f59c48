"""Plain kubectl against a demo cluster that is a process of its own: what only the real client can show."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys

import pytest
from real_kubectl import KUBECTL, needs_kubectl

pytestmark = needs_kubectl
SECONDS = 90


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory):
    directory = tmp_path_factory.mktemp("demo")
    arguments = [sys.executable, "-m", "kgate.demo", "--name", "dev", "--directory", str(directory)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline().startswith("dev ")
        yield directory / "dev.kubeconfig"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(SECONDS)
        process.stdout.close()


@pytest.fixture
def kubectl(kubeconfig, tmp_path):
    """Runs kubectl as alice; gives its exit code, stdout and stderr."""

    def run(*arguments, stdin=b"", websockets=True):
        forced = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": str(websockets).lower()}
        settings = os.environ | {"KUBECONFIG": str(kubeconfig), "KUBECACHEDIR": str(tmp_path / "cache")} | forced
        command = [KUBECTL, "--as", "alice", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, env=settings, timeout=SECONDS, cwd=tmp_path)
        return done.returncode, done.stdout, done.stderr.decode()

    code, _, errors = run("wait", "--for=condition=Ready", "pod/shell", "-n", "team-a", "--timeout=60s")
    assert code == 0, errors
    return run


MANIFEST = b"""
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: shop, image: "shop:1"}]}
"""


def test_apply_and_roll_out(kubectl):
    assert kubectl("apply", "-f", "-", stdin=MANIFEST)[:2] == (0, b"deployment.apps/shop created\n")
    assert kubectl("apply", "-f", "-", stdin=MANIFEST)[:2] == (0, b"deployment.apps/shop unchanged\n")
    assert kubectl("apply", "-f", "-", stdin=MANIFEST.replace(b"shop:1", b"shop:2"))[:2] == (0, b"deployment.apps/shop configured\n")
    code, out, _ = kubectl("rollout", "status", "deployment/shop", "--timeout=60s")
    assert code == 0 and b"successfully rolled out" in out
    assert kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=MANIFEST)[0] == 0
    assert kubectl("delete", "deployment", "shop", "--wait=false")[0] == 0


def test_what_is_created_by_flags_arrives_as_protobuf(kubectl):
    assert kubectl("create", "configmap", "flags", "--from-literal=a=b")[0] == 0
    assert kubectl("get", "configmap", "flags", "-o", "jsonpath={.data.a}")[1] == b"b"
    assert kubectl("create", "deployment", "none", "--image=x", "--replicas=0")[0] == 0
    assert kubectl("get", "deployment", "none", "-o", "jsonpath={.spec.replicas}")[1] == b"0"
    assert kubectl("auth", "can-i", "delete", "pods")[1] == b"yes\n"


def test_tables_explanations_and_identity(kubectl):
    out = kubectl("get", "pods", "-n", "team-a")[1].decode().splitlines()
    assert out[0].split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"] and out[1].split()[:3] == ["shell", "1/1", "Running"]
    assert b"The programs to run" in kubectl("explain", "pod.spec.containers")[1]
    assert b"alice" in kubectl("auth", "whoami")[1]
    assert kubectl("get", "pods", "nosuch")[2] == 'Error from server (NotFound): pods "nosuch" not found\n'


@pytest.mark.parametrize("websockets", [True, False])
def test_exec_keeps_codes_and_bytes(kubectl, websockets):
    code, out, errors = kubectl("exec", "-n", "team-a", "shell", "--", "sh", "-c", "echo out; exit 3", websockets=websockets)
    assert (code, out, errors) == (3, b"out\n", "command terminated with exit code 3\n")
    data = os.urandom(1 << 20) * 5
    out = kubectl("exec", "-i", "-n", "team-a", "shell", "--", "sha256sum", stdin=data, websockets=websockets)[1]
    assert out.split()[0].decode() == hashlib.sha256(data).hexdigest()
    assert kubectl("exec", "-i", "-n", "team-a", "shell", "--", "cat", stdin=data, websockets=websockets)[1] == data


@pytest.mark.parametrize("websockets", [True, False])
def test_cp_both_ways(kubectl, tmp_path, websockets):
    source = tmp_path / "source"
    (source / "below").mkdir(parents=True)
    files = {f"below/{'n' * 90}-{number}": os.urandom(number * 100) for number in range(30)}
    for name, data in files.items():
        (source / name).write_bytes(data)
    target = f"/tmp/target-{websockets}"
    assert kubectl("cp", str(source), f"team-a/shell:{target}", websockets=websockets)[0] == 0
    assert kubectl("cp", f"team-a/shell:{target}", str(tmp_path / "back"), websockets=websockets)[0] == 0
    assert {name: (tmp_path / "back" / name).read_bytes() for name in files} == files


def test_logs_follow_to_the_end(kubectl, kubeconfig):
    script = "seq 20000; while [ ! -e /tmp/enough ]; do sleep 0.1; done; echo done"
    assert kubectl("run", "lines", "--image=busybox", "--restart=Never", "--", "sh", "-c", script)[0] == 0
    assert kubectl("wait", "--for=jsonpath={.status.phase}=Running", "pod/lines", "--timeout=60s")[0] == 0
    command = [KUBECTL, "--kubeconfig", str(kubeconfig), "--as", "alice", "logs", "-f", "lines"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as follows:
        assert [int(follows.stdout.readline()) for _ in range(20000)] == list(range(1, 20001))
        assert kubectl("exec", "lines", "--", "touch", "/tmp/enough")[0] == 0
        assert follows.communicate(timeout=SECONDS)[0] == b"done\n" and follows.returncode == 0
    assert kubectl("delete", "pod", "lines")[0] == 0
