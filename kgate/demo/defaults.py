"""What the API server fills in before it stores an object: defaults, addresses, names that follow from others."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable

from kgate.demo.schema import Object

_CONTAINER = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "imagePullPolicy": "IfNotPresent",
    "resources": {},
}
_POD = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "securityContext": {},
    "schedulerName": "default-scheduler",
}


def _pod_spec(spec: Object) -> Object:
    lists = {
        name: [_CONTAINER | container for container in spec[name]]
        for name in ("containers", "initContainers", "ephemeralContainers")
        if spec.get(name)
    }
    ports = {
        "containers": [
            container | {"ports": [{"protocol": "TCP"} | port for port in container["ports"]]} if container.get("ports") else container
            for container in lists.get("containers", [])
        ]
    }
    return _POD | spec | lists | ports


def _pod(thing: Object) -> Object:
    spec = {"serviceAccountName": "default", "serviceAccount": "default", "enableServiceLinks": True} | _pod_spec(thing.get("spec") or {})
    return thing | {"spec": spec, "status": thing.get("status") or {"phase": "Pending", "qosClass": "BestEffort"}}


def _template(template: Object) -> Object:
    return {"metadata": {}} | template | {"spec": _pod_spec(template.get("spec") or {})}


def _deployment(thing: Object) -> Object:
    spec = {
        "replicas": 1,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
    } | {name: value for name, value in thing["spec"].items() if value != {}}
    if spec["strategy"].get("type") == "RollingUpdate" and not spec["strategy"].get("rollingUpdate"):
        spec["strategy"] = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}
    return thing | {"spec": spec | {"template": _template(spec.get("template") or {})}, "status": thing.get("status") or {}}


def _replica_set(thing: Object) -> Object:
    spec = {"replicas": 1} | thing["spec"]
    return thing | {"spec": spec | {"template": _template(spec.get("template") or {})}, "status": thing.get("status") or {"replicas": 0}}


def _service(thing: Object) -> Object:
    spec = {"type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster"} | (thing.get("spec") or {})
    spec["ports"] = [{"protocol": "TCP", "targetPort": port.get("port")} | port for port in spec.get("ports") or []]
    if spec["type"] != "ExternalName" and not spec.get("clusterIP"):
        number = zlib.crc32(f"{thing['metadata'].get('namespace')}/{thing['metadata'].get('name')}".encode())
        spec["clusterIP"] = f"10.96.{number >> 8 & 255}.{number & 255}"
    if "clusterIP" in spec:
        spec |= {"clusterIPs": [spec["clusterIP"]], "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}
    return thing | {"spec": spec, "status": thing.get("status") or {"loadBalancer": {}}}


def _secret(thing: Object) -> Object:
    texts = {name: base64.b64encode(str(text).encode()).decode() for name, text in (thing.get("stringData") or {}).items()}
    rest = {name: value for name, value in thing.items() if name != "stringData"}
    data = {"data": (thing.get("data") or {}) | texts} if texts or thing.get("data") else {}
    return rest | data | {"type": thing.get("type") or "Opaque"}


def _namespace(thing: Object) -> Object:
    metadata = thing["metadata"]
    labels = (metadata.get("labels") or {}) | {"kubernetes.io/metadata.name": metadata.get("name", "")}
    spec = {"finalizers": ["kubernetes"]} | (thing.get("spec") or {})
    return thing | {"metadata": metadata | {"labels": labels}, "spec": spec, "status": thing.get("status") or {"phase": "Active"}}


_DEFAULTS: dict[str, Callable[[Object], Object]] = {
    "Pod": _pod,
    "Deployment": _deployment,
    "ReplicaSet": _replica_set,
    "Service": _service,
    "Secret": _secret,
    "Namespace": _namespace,
}


def with_defaults(kind: str, thing: Object) -> Object:
    """``thing`` as it is stored."""
    fill_in = _DEFAULTS.get(kind)
    return thing if fill_in is None else fill_in(thing)
