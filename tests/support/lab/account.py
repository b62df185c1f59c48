"""A credential that one gate has for itself: a service account that may impersonate, so that the cluster's audit log tells this gate from others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from attrs import frozen
from lab.cluster import RealCluster
from lab.gate import save_kubeconfig

RBAC = "rbac.authorization.k8s.io"
IMPERSONATION = [
    {"apiGroups": [""], "resources": ["users", "groups", "serviceaccounts"], "verbs": ["impersonate"]},
    {"apiGroups": ["authentication.k8s.io"], "resources": ["*"], "verbs": ["impersonate"]},
]


@frozen
class Account:
    """``user`` is who its holder is to the cluster."""

    user: str
    kubeconfig: Path


@contextmanager
def account_of_its_own(cluster: RealCluster, path: Path) -> Iterator[Account]:
    """A service account in the run's namespace, with the rights over the whole cluster that a gate needs, for an hour at most."""
    name = cluster.namespace
    accounts = f"/api/v1/namespaces/{name}/serviceaccounts"
    _post(cluster, accounts, {"kind": "ServiceAccount", "metadata": {"name": "gate"}})
    subject = {"kind": "ServiceAccount", "name": "gate", "namespace": name}
    role = {"kind": "ClusterRole", "metadata": {"name": name}, "rules": IMPERSONATION}
    reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": name}
    binding = {"kind": "ClusterRoleBinding", "metadata": {"name": name}, "subjects": [subject], "roleRef": reference}
    try:
        _post(cluster, f"/apis/{RBAC}/v1/clusterroles", role)
        _post(cluster, f"/apis/{RBAC}/v1/clusterrolebindings", binding)
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        token = _post(cluster, f"{accounts}/gate/token", request)["status"]["token"]
        yield Account(f"system:serviceaccount:{name}:gate", _kubeconfig(cluster.gate, token, path))
    finally:
        for kind in ("clusterrolebindings", "clusterroles"):
            cluster.api.ask("DELETE", f"/apis/{RBAC}/v1/{kind}/{name}")


def _post(cluster: RealCluster, path: str, thing: dict[str, Any]) -> Any:
    status, body = cluster.api.ask("POST", path, thing)
    assert status == 201, f"POST {path}: {status} {body[:300]!r}"
    return json.loads(body)


def _kubeconfig(beside: Path, token: str, path: Path) -> Path:
    document = yaml.safe_load(beside.read_text())
    document["users"][0]["user"] = {"token": token}
    return save_kubeconfig(path, document)
