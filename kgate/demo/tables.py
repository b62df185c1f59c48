"""Tables as ``kubectl get`` asks for them (``application/json;as=Table``): columns by kind and a row of cells for each object."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from kgate.demo.schema import Object
from kgate.demo.selectors import written


class Column(NamedTuple):
    """One column. Those of ``priority`` 1 are shown by ``-o wide``."""

    name: str
    cell: Callable[[Object, float], Any]
    priority: int = 0
    kind: str = "string"

    def definition(self) -> Object:
        """As the Table has it."""
        form = "name" if self.name == "Name" else ""
        return {"name": self.name, "type": self.kind, "format": form, "description": "", "priority": self.priority}


def since(text: str | None, now: float) -> str:
    """How long ago, as kubectl words it: ``7s``, ``3m5s``, ``4h``, ``12d``."""
    if not text:
        return "<unknown>"
    then = datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC).timestamp()
    return duration(max(0, int(now - then)))


def duration(seconds: int) -> str:
    """As apimachinery's HumanDuration: two units where the first is small."""
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return f"{minutes}m" + (f"{seconds % 60}s" if seconds % 60 else "")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h" + (f"{minutes % 60}m" if minutes % 60 else "")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return f"{days}d" + (f"{hours % 24}h" if hours % 24 else "")
    return f"{days}d" if days < 730 else f"{days // 365}y"


def _at(*path: str, default: Any = "") -> Callable[[Object, float], Any]:
    def cell(thing: Object, now: float) -> Any:
        value: Any = thing
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return default if value is None or value == "" else value

    return cell


def _age(thing: Object, now: float) -> str:
    return since(thing["metadata"].get("creationTimestamp"), now)


def _count(*fields: str) -> Callable[[Object, float], int]:
    return lambda thing, now: sum(len(thing.get(field) or {}) for field in fields)


def _statuses(pod: Object) -> list[Object]:
    return pod.get("status", {}).get("containerStatuses") or []


def _pod_ready(pod: Object, now: float) -> str:
    return f"{sum(1 for status in _statuses(pod) if status['ready'])}/{len(pod['spec']['containers'])}"


def _pod_status(pod: Object, now: float) -> str:
    """The word that kubectl shows: the phase, or what a container waits for or ended with."""
    if "deletionTimestamp" in pod["metadata"]:
        return "Terminating"
    for status in _statuses(pod):
        state = status.get("state") or {}
        for part in ("waiting", "terminated"):
            if state.get(part, {}).get("reason"):
                return str(state[part]["reason"])
    return str(pod.get("status", {}).get("phase", "Unknown"))


def _restarts(pod: Object, now: float) -> str:
    return str(sum(status["restartCount"] for status in _statuses(pod)))


def _template_names(field: str) -> Callable[[Object, float], str]:
    return lambda thing, now: ",".join(item.get(field, "") for item in thing["spec"]["template"]["spec"]["containers"])


def _selector(thing: Object, now: float) -> str:
    return written(thing["spec"].get("selector") or {})


def _deployment_ready(thing: Object, now: float) -> str:
    return f"{thing.get('status', {}).get('readyReplicas', 0)}/{thing['spec']['replicas']}"


def _service_ports(thing: Object, now: float) -> str:
    ports = [
        f"{port['port']}" + (f":{port['nodePort']}" if port.get("nodePort") else "") + f"/{port['protocol']}"
        for port in thing["spec"]["ports"]
    ]
    return ",".join(ports) or "<none>"


def _pairs(thing: Object, now: float) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((thing["spec"].get("selector") or {}).items())) or "<none>"


def _involved(thing: Object, now: float) -> str:
    return f"{thing['involvedObject'].get('kind', '').lower()}/{thing['involvedObject'].get('name', '')}"


def _node_ready(thing: Object, now: float) -> str:
    ready = any(item["type"] == "Ready" and item["status"] == "True" for item in thing.get("status", {}).get("conditions") or [])
    return "Ready" if ready else "NotReady"


_NAME = Column("Name", _at("metadata", "name"))
_AGE = Column("Age", _age)
_TEMPLATE = (
    Column("Containers", _template_names("name"), 1),
    Column("Images", _template_names("image"), 1),
    Column("Selector", _selector, 1),
)

_COLUMNS: dict[str, tuple[Column, ...]] = {
    "Namespace": (_NAME, Column("Status", _at("status", "phase")), _AGE),
    "Node": (
        _NAME,
        Column("Status", _node_ready),
        Column("Roles", lambda thing, now: "<none>"),
        _AGE,
        Column("Version", _at("status", "nodeInfo", "kubeletVersion")),
        Column("Internal-IP", lambda thing, now: thing["status"]["addresses"][0]["address"], 1),
        Column("OS-Image", _at("status", "nodeInfo", "osImage"), 1),
    ),
    "Pod": (
        _NAME,
        Column("Ready", _pod_ready),
        Column("Status", _pod_status),
        Column("Restarts", _restarts),
        _AGE,
        Column("IP", _at("status", "podIP", default="<none>"), 1),
        Column("Node", _at("spec", "nodeName", default="<none>"), 1),
        Column("Nominated Node", lambda thing, now: "<none>", 1),
        Column("Readiness Gates", lambda thing, now: "<none>", 1),
    ),
    "ConfigMap": (_NAME, Column("Data", _count("data", "binaryData")), _AGE),
    "Secret": (_NAME, Column("Type", _at("type")), Column("Data", _count("data")), _AGE),
    "Service": (
        _NAME,
        Column("Type", _at("spec", "type")),
        Column("Cluster-IP", _at("spec", "clusterIP", default="<none>")),
        Column("External-IP", lambda thing, now: "<none>"),
        Column("Port(s)", _service_ports),
        _AGE,
        Column("Selector", _pairs, 1),
    ),
    "Event": (
        Column("Last Seen", lambda thing, now: since(thing.get("lastTimestamp"), now)),
        Column("Type", _at("type")),
        Column("Reason", _at("reason")),
        Column("Object", _involved),
        Column("Source", _at("source", "component"), 1),
        Column("Message", _at("message")),
        Column("First Seen", lambda thing, now: since(thing.get("firstTimestamp"), now), 1),
        Column("Count", _at("count", default=1), 1),
        Column("Name", _at("metadata", "name"), 1),
    ),
    "Deployment": (
        _NAME,
        Column("Ready", _deployment_ready),
        Column("Up-to-date", _at("status", "updatedReplicas", default=0)),
        Column("Available", _at("status", "availableReplicas", default=0)),
        _AGE,
        *_TEMPLATE,
    ),
    "ReplicaSet": (
        _NAME,
        Column("Desired", _at("spec", "replicas", default=0), kind="integer"),
        Column("Current", _at("status", "replicas", default=0), kind="integer"),
        Column("Ready", _at("status", "readyReplicas", default=0), kind="integer"),
        _AGE,
        *_TEMPLATE,
    ),
}
_PLAIN = (_NAME, _AGE)


def wants_table(accept: str) -> bool:
    """Whether the client takes a v1 Table."""
    return any("as=Table" in part and "v=v1;" in part + ";" for part in accept.replace(" ", "").split(","))


def table(kind: str, things: list[Object], now: float, include: str, *, head: bool = True) -> Object:
    """A Table of ``things``. ``include`` is ``includeObject``: None, Metadata (the default) or Object. ``head``: with column definitions."""
    columns = _COLUMNS.get(kind, _PLAIN)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {},
        "columnDefinitions": [column.definition() for column in columns] if head else None,
        "rows": [{"cells": [column.cell(thing, now) for column in columns], "object": _included(thing, include)} for thing in things],
    }


def _included(thing: Object, include: str) -> Object | None:
    if include == "None":
        return None
    if include == "Object":
        return thing
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": thing["metadata"]}
