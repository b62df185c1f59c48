"""The gate as conf/kubernetes deploys it, in the real cluster: its manifests with as few changes as that cluster's limits ask for.

Pods there reach no API server, which listens on the node's loopback, so the gate's pod is on the node's network, with ports of its own. Nothing can be
pulled, so its image is made here, and is little without folders of this machine (``lab.image``). No storage class makes volumes, so one waits for the claim,
on the node, which is this machine.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from authority import Authority
from lab.cluster import RealCluster
from lab.gate import ALICE, BOB, PEOPLE, usual_policy, write_kubeconfig
from lab.image import archive, folders
from lab.kubectl import Kubectl, binaries
from lab.waiting import TookTooLong, eventually
from ports import free_port
from twisted.plugin import getCache

import twisted.plugins

CONF = Path(__file__).parents[3] / "conf/kubernetes"
POD = "kgate-0"
DRAIN = 2
IMAGE = "docker.io/library/kgate:e2e"

Document = dict[str, Any]


class Deployment:
    """In a namespace of its own. ``volume`` is the folder behind the claim, ``node`` the kubelet's folder of the pod that runs now."""

    def __init__(self, cluster: RealCluster, folder: Path) -> None:
        self.cluster, self.namespace, self.folder = cluster, f"{cluster.namespace}-gate", folder
        self.volume = folder / "volume"
        self.port, self.admin_port = free_port(), free_port()
        self.authority = Authority("kgate deployed")
        self._kubectl = Kubectl(next(iter(binaries(cluster.admin).values())), cluster.admin, folder / "home", "the operator")

    def kubectl(self, *arguments: str, stdin: bytes | None = None) -> str:
        """As the operator, in the namespace; what it prints."""
        return self._kubectl.run("-n", self.namespace, *arguments, stdin=stdin).must().out.decode()

    def apply(self, *documents: Document) -> None:
        """``kubectl apply``."""
        self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(documents).encode())

    def deploy(self) -> None:
        """Everything, in the order of the manifest's own comment."""
        self.volume.mkdir()
        impersonator, gate = (list(yaml.safe_load_all((CONF / name).read_text())) for name in ("impersonator.yaml", "kgate.yaml"))
        self.apply(*map(self._renamed, impersonator))
        leaf = self.authority.leaf("localhost", "127.0.0.1").write(self.folder, "tls")
        self.kubectl("create", "secret", "tls", "kgate-tls", f"--cert={leaf[0]}", f"--key={leaf[1]}")
        secrets = {"oidc-secret": "unused", "secrets.key": base64.b64encode(os.urandom(32)).decode(), "tokens.yaml": _tokens()}
        self.kubectl("create", "secret", "generic", "kgate-secrets", *(f"--from-literal={name}={text}" for name, text in secrets.items()))
        self.apply(self._volume(), *(self._here(self._renamed(each)) for each in gate))

    def _renamed(self, document: Document) -> Document:
        """In the run's namespace, which lets a pod be on the node's network, and without the names of another run's."""
        document["metadata"].get("labels", {}).pop("pod-security.kubernetes.io/enforce", None)
        if document["kind"] in ("Namespace", "ClusterRole", "ClusterRoleBinding"):
            document["metadata"]["name"] = self.namespace
        else:
            document["metadata"]["namespace"] = self.namespace
        if document["kind"] == "ClusterRoleBinding":
            document["roleRef"]["name"] = document["subjects"][0]["namespace"] = self.namespace
        return document

    def _here(self, document: Document) -> Document:
        if document["kind"] == "ConfigMap":
            settings = yaml.safe_load(document["data"]["kgate.yaml"])
            settings["listen"][0]["address"], settings["admin"]["address"] = f"0.0.0.0:{self.port}", f"0.0.0.0:{self.admin_port}"
            settings["clusters"]["prod-eu"]["server"] = f"https://127.0.0.1:{self.cluster.api.port}"
            settings["identity"]["tokens"] = {"file": "tokens.yaml"}
            settings["drain"] = f"{DRAIN}s"
            document["data"] = {"kgate.yaml": yaml.safe_dump(settings), "policy.yaml": json.dumps(usual_policy())}
        if document["kind"] == "StatefulSet":
            spec = document["spec"]["template"]["spec"]
            spec["hostNetwork"] = True
            (container,) = spec["containers"]
            container["image"] = IMAGE
            for index, path in enumerate(folders()):
                spec["volumes"].append({"name": f"here-{index}", "hostPath": {"path": path, "type": "Directory"}})
                container["volumeMounts"].append({"name": f"here-{index}", "mountPath": path, "readOnly": True})
            container["lifecycle"]["preStop"]["sleep"]["seconds"] = 1
            for port in container["ports"]:
                port["containerPort"] = {"https": self.port, "admin": self.admin_port}[port["name"]]
        return document

    def _volume(self) -> Document:
        """What a storage class would make of the claim."""
        spec = {
            "capacity": {"storage": "20Gi"},
            "accessModes": ["ReadWriteOnce"],
            "local": {"path": str(self.volume)},
            "claimRef": {"namespace": self.namespace, "name": f"data-{POD}"},
            "nodeAffinity": {
                "required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "kubernetes.io/os", "operator": "Exists"}]}]}
            },
        }
        return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": self.namespace}, "spec": spec}

    def configure(self, policy: Document) -> float:
        """Another policy in the ConfigMap; gives when it was in the pod's folder (monotonic). An annotation has the kubelet look at the pod now, which it
        would by itself within a minute and a half. It may hear of the annotation before it hears of the ConfigMap: then it is told again.
        """
        text, told = json.dumps(policy), [0.0]
        self.kubectl("patch", "configmap", "kgate", "-p", json.dumps({"data": {"policy.yaml": text}}))
        file = self.projected("configuration") / "policy.yaml"

        def arrived() -> float:
            with contextlib.suppress(FileNotFoundError):  # as it is exchanged
                if file.read_text() == text:
                    return time.monotonic()
            if time.monotonic() > told[0] + 2:
                self.kubectl("annotate", "--overwrite", "pod", POD, f"looked-at={time.time()}")
                told[0] = time.monotonic()
            return 0.0

        return eventually("the policy is in the pod's folder", arrived)

    def pod(self) -> Document | None:
        """The pod as it is, if there is one."""
        status, body = self.cluster.api.ask("GET", f"/api/v1/namespaces/{self.namespace}/pods/{POD}")
        return json.loads(body) if status == 200 else None

    def ready(self, after: str = "") -> Document:
        """Waits for a ready pod that is another than that of uid ``after``."""

        def look() -> Document | None:
            pod = self.pod()
            conditions = pod["status"].get("conditions", ()) if pod else ()
            ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
            return pod if pod and ready and pod["metadata"]["uid"] != after else None

        try:
            return eventually("the gate's pod is ready", look, 120, 0.1)
        except TookTooLong as slow:
            raise TookTooLong(f"{slow}\n{self.kubectl('get', 'events')}\n{self.log}") from None

    def person(self, name: str) -> Kubectl:
        """kubectl of somebody through the gate."""
        person = next(each for each in PEOPLE if each.user == name)
        server = f"https://127.0.0.1:{self.port}/clusters/prod-eu"
        path = self.folder / f"{name}.kubeconfig"
        write_kubeconfig(path, server, self.authority.certificate, {"token": person.token}, self.cluster.namespace)
        return Kubectl(self._kubectl.binary, path, self.folder / f"{name}.home", f"{name}, through the gate in its pod")

    def records(self, *events: str) -> list[dict[str, Any]]:
        """The audit records of these events in the volume, in their order."""
        lines = [line for path in sorted((self.volume / "audit").glob("*.jsonl")) for line in path.read_bytes().split(b"\n")[:-1]]
        return [record for record in map(json.loads, lines) if record["event"] in events]

    @property
    def log(self) -> str:
        """What the pod has said."""
        return self._kubectl.run("-n", self.namespace, "logs", POD, "--tail=60").text

    def projected(self, volume: str) -> Path:
        """The folder on the node behind a projected volume of the pod."""
        pod = self.pod()
        assert pod
        return self.cluster.admin.resolve().parent / "kubelet/pods" / pod["metadata"]["uid"] / "volumes/kubernetes.io~projected" / volume

    def remove(self) -> None:
        """Everything that it made."""
        for kind in ("clusterrolebinding", "clusterrole"):
            self.kubectl("delete", kind, self.namespace, "--ignore-not-found")
        self.kubectl("delete", "namespace", self.namespace, "--ignore-not-found", "--wait=false")
        self._kubectl.run("-n", self.namespace, "delete", "pod", POD, "--ignore-not-found", "--grace-period=1")
        self.kubectl("delete", "pv", self.namespace, "--ignore-not-found", "--wait=false")


def _tokens() -> str:
    return json.dumps({"robots": [person.robot for person in (ALICE, BOB)]})


def engine(cluster: RealCluster) -> Path | None:
    """The socket of the node's containerd, where the node is this machine and images can be brought to it."""
    socket = cluster.admin.resolve().parent / "containerd/containerd.sock"
    return socket if shutil.which("ctr") and os.access(socket, os.W_OK) else None


@contextmanager
def imported(containerd: Path) -> Iterator[None]:
    """The gate's image is there for pods."""
    getCache(twisted.plugins)  # writes down what it finds, as the Dockerfile has it do: a pod could not
    ctr = ["ctr", "--address", str(containerd), "--namespace", "k8s.io", "images"]
    subprocess.run([*ctr, "import", "-"], input=archive(IMAGE), stdout=subprocess.DEVNULL, check=True)
    try:
        yield
    finally:
        subprocess.run([*ctr, "rm", IMAGE], stdout=subprocess.DEVNULL, check=False)
