"""What the suite puts into its own namespace of the real cluster, with the images that the cluster has (nothing can be pulled)."""

from __future__ import annotations

from typing import Any

IMAGE = "busybox:lab"
LINES = 200_000
"""What the counter prints: so many lines that a dropped chunk shows, and with the log's own prefix still below the kubelet's 10 MiB rotation."""
BLOBS = 8
BLOB_BYTES = 20_000_000 // BLOBS

BOX = "exec sleep 1000000"
TALKER = "i=0; while :; do echo tick $i; i=$((i+1)); sleep 0.2; done"
COUNTER = f"until [ -e /tmp/go ]; do sleep 0.1; done; seq 1 {LINES}; until [ -e /tmp/end ]; do sleep 0.1; done"
ECHOER = "exec cat"
# It rests before it ends: what a program says in its last moment gets lost on the way now and then, without a gate too (k/k#124571).
GREETER = 'echo ready; while read -r line; do echo "got $line"; [ "$line" = bye ] && sleep 1 && exit 0; done'
# httpd for whole files; nc echoes, so that what goes in is seen to come out, in both directions at once.
WEB = (
    f"mkdir /srv; for i in $(seq 0 {BLOBS - 1}); do dd if=/dev/urandom of=/srv/$i bs=1000 count={BLOB_BYTES // 1000} 2>/dev/null; done; "
    "cd /srv; sha256sum ? > sums; httpd -p 8080 -h /srv; exec nc -ll -p 7000 -e cat"
)


def pod(name: str, script: str, stdin: bool = False, restart: str = "Never", listens: int = 0) -> dict[str, Any]:
    """A pod of one container ``main`` that runs a shell script, and is gone at once when it is deleted."""
    container: dict[str, Any] = {
        "name": "main",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", script],
        "stdin": stdin,
    }
    if listens:
        container["readinessProbe"] = {"tcpSocket": {"port": listens}, "periodSeconds": 1}
    spec = {
        "restartPolicy": restart,
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "containers": [container],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}


def deployment(name: str, replicas: int, image: str = IMAGE) -> dict[str, Any]:
    """A deployment of sleeping pods."""
    template = pod("x", BOX, restart="Always")
    spec = {**template["spec"], "containers": [{**template["spec"]["containers"][0], "image": image}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": spec},
        },
    }


def standing() -> list[dict[str, Any]]:
    """The pods that live as long as the run."""
    return [
        pod("box", BOX),
        pod("talker", TALKER),
        pod("echoer", ECHOER, stdin=True),
        pod("web", WEB, listens=7000),
    ]


def rights(group: str) -> list[dict[str, Any]]:
    """Everything within the namespace for one group, so that a lost or changed group shows as a refusal by the cluster."""
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "all"}}
    role["rules"] = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]  # type: ignore[assignment]
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"all-{group}"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "all"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}],
    }
    return [role, binding]
