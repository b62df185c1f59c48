"""What a fresh demo cluster has to look at: two teams, a few workloads, a secret that nobody should see."""

from __future__ import annotations

import base64

from kgate.demo.defaults import with_defaults
from kgate.demo.kinds import CONFIG_MAP, DEPLOYMENT, POD, SECRET, SERVICE, Kind
from kgate.demo.schema import Object
from kgate.demo.world import World


def plant(world: World) -> None:
    """Put the samples into a fresh world."""
    for namespace in ("team-a", "payments"):
        world.make_namespace(namespace)
    _store(world, DEPLOYMENT, "default", "web", {"spec": _deployment("web", "nginx:1.27", 2)})
    _store(world, DEPLOYMENT, "payments", "ledger", {"spec": _deployment("ledger", "ledger:4.2", 1)})
    _store(
        world,
        POD,
        "team-a",
        "shell",
        {"spec": {"containers": [{"name": "app", "image": "busybox:1.36", "command": ["sleep", "infinity"]}]}},
    )
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    _store(world, SERVICE, "default", "web", {"spec": {"selector": {"app": "web"}, "ports": ports}})
    _store(world, CONFIG_MAP, "default", "settings", {"data": {"greeting": "hello", "colour": "green"}})
    password = base64.b64encode(f"{world.name}-secret".encode()).decode()
    _store(world, SECRET, "payments", "database", {"data": {"password": password}})


def _deployment(name: str, image: str, replicas: int) -> Object:
    container = {"name": name, "image": image, "ports": [{"containerPort": 8080}]}
    return {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
    }


def _store(world: World, kind: Kind, namespace: str, name: str, body: Object) -> None:
    labels = {"app": name} if kind is not CONFIG_MAP else {}
    metadata = {"name": name, "namespace": namespace} | ({"labels": labels} if labels else {})
    thing = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata} | body
    world.store.create(kind, with_defaults(kind.kind, thing))
