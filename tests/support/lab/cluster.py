"""The real cluster under the suite: its kubeconfigs, a namespace for this run, what stands in it, and its own audit log."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import field, frozen
from lab import pods
from lab.endpoint import Endpoint
from lab.waiting import eventually

PATHS = {
    "Pod": "api/v1",
    "Role": "apis/rbac.authorization.k8s.io/v1",
    "RoleBinding": "apis/rbac.authorization.k8s.io/v1",
    "ConfigMap": "api/v1",
}


@frozen
class RealCluster:
    """``admin`` and ``gate`` are kubeconfig paths; ``namespace`` is this run's own."""

    admin: Path
    gate: Path
    namespace: str
    api: Endpoint = field(repr=False)

    def create(self, *objects: dict[str, Any]) -> None:
        """Makes objects in the namespace."""
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(self._create, _shares(objects, 8)))

    def _create(self, share: list[dict[str, Any]]) -> None:
        connection = self.api.connect()
        try:
            for thing in share:
                kind = thing["kind"]
                path = f"/{PATHS[kind]}/namespaces/{self.namespace}/{kind.lower()}s"
                status, body = self.api.ask_on(connection, "POST", path, thing)
                assert status == 201, f"POST {path}: {status} {body[:300]!r}"
        finally:
            connection.close()

    def delete(self, kind: str, name: str) -> None:
        """Removes one object; one that is already gone is fine."""
        status, body = self.api.ask("DELETE", f"/{PATHS[kind]}/namespaces/{self.namespace}/{kind.lower()}s/{name}")
        assert status in (200, 202, 404), body

    def ready(self, *names: str) -> None:
        """Waits until the pods are ready."""
        eventually(f"pods {', '.join(names)} ready", lambda: all(self._ready(name) for name in names), 90, 0.2)

    def _ready(self, name: str) -> bool:
        status = self.api.get(f"/api/v1/namespaces/{self.namespace}/pods/{name}")["status"]
        return any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ()))

    @property
    def audit_log(self) -> Path | None:
        """The API server's own audit log, where the cluster keeps one beside its kubeconfigs."""
        path = self.admin.resolve().parent / "log" / "audit.log"
        return path if path.exists() else None

    def audited(self, since: int) -> list[dict[str, Any]]:
        """What the API server's audit log says from a byte offset on."""
        assert self.audit_log
        with self.audit_log.open("rb") as log:
            log.seek(since)
            *whole, _ = log.read().split(b"\n")
        return [json.loads(line) for line in whole]


def caller(event: dict[str, Any]) -> str:
    """Whom the API server's audit event names; nobody, if what came was refused before anybody was known (401)."""
    return str(event["user"].get("username", ""))


def _shares(things: tuple[dict[str, Any], ...], ways: int) -> list[list[dict[str, Any]]]:
    return [list(things[way::ways]) for way in range(min(ways, len(things)))]


@contextmanager
def real_cluster(admin: Path, gate: Path, groups: tuple[str, ...]) -> Iterator[RealCluster]:
    """Opens the run's namespace in which ``groups`` may do everything; removes it with all that is in it."""
    cluster = RealCluster(admin, gate, f"kgate-e2e-{uuid.uuid4().hex[:8]}", Endpoint.of(admin))
    status, body = cluster.api.ask("POST", "/api/v1/namespaces", {"kind": "Namespace", "metadata": {"name": cluster.namespace}})
    assert status == 201, body
    try:
        account = f"/api/v1/namespaces/{cluster.namespace}/serviceaccounts/default"
        eventually("the namespace's service account", lambda: cluster.api.ask("GET", account)[0] == 200)
        role, *_ = pods.rights(groups[0])
        cluster.create(role, *(pods.rights(group)[1] for group in groups))
        yield cluster
    finally:
        cluster.api.ask("DELETE", f"/api/v1/namespaces/{cluster.namespace}")
