"""What the API server refuses to store. Only what people run into: names, missing parts, labels that do not match, immutable fields."""

from __future__ import annotations

import re

from kgate.demo.kinds import Kind
from kgate.demo.schema import MESSAGES, PRIMITIVES, Object, Shape
from kgate.demo.selectors import workload_test
from kgate.demo.status import Refusal, invalid

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_MATCHES = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'"
_TYPES: dict[str, tuple[type, ...]] = {"string": (str,), "int": (int,), "bool": (bool,), "bytes": (str,)}


def wrong_type(kind: str, value: Object) -> str:
    """The path of the first field that is not of its type, empty where all are."""
    return _wrong_type(kind, {name: item for name, item in value.items() if name not in ("apiVersion", "kind")}, "")


def _wrong_type(of: str, value: object, path: str) -> str:
    if value is None:
        return ""
    if of in PRIMITIVES:
        wanted = _TYPES.get(of)
        return path if wanted and (not isinstance(value, wanted) or (of == "int" and isinstance(value, bool))) else ""
    if of not in MESSAGES:
        return ""
    if not isinstance(value, dict):
        return path or "."
    for item in MESSAGES[of].by_name.values():
        if item.name in value and (found := _wrong_field(item.of, item.shape, value[item.name], f"{path}.{item.name}")):
            return found
    return ""


def _wrong_field(of: str, shape: Shape, value: object, path: str) -> str:
    if shape is Shape.ONE or value is None:
        return _wrong_type(of, value, path)
    if not isinstance(value, list if shape is Shape.LIST else dict):
        return path
    elements = enumerate(value) if isinstance(value, list) else value.items()
    return next((found for name, element in elements if (found := _wrong_type(of, element, f"{path}[{name}]"))), "")


def check(kind: Kind, thing: Object, before: Object | None) -> Refusal | None:
    """Why ``thing`` cannot be stored, in the place of ``before`` or as a new object."""
    name = str(thing["metadata"].get("name", ""))
    pattern = _LABEL if kind.plural in ("namespaces", "services") else _SUBDOMAIN
    if not pattern.fullmatch(name) or len(name) > 253:
        return invalid(kind, name, "metadata.name", f'Invalid value: "{name}": {_MATCHES}')
    if kind.kind == "Pod":
        return _check_pod(kind, name, thing, before)
    if kind.kind in ("Deployment", "ReplicaSet"):
        return _check_workload(kind, name, thing, before)
    if before is not None and before.get("immutable") and (thing.get("data"), thing.get("immutable")) != (before.get("data"), True):
        return invalid(kind, name, "data", "Forbidden: field is immutable when `immutable` is set")
    return None


def _check_containers(kind: Kind, name: str, spec: Object, where: str) -> Refusal | None:
    containers = spec.get("containers")
    if not containers:
        return invalid(kind, name, f"{where}.containers", "Required value")
    for index, container in enumerate(containers):
        if not container.get("name"):
            return invalid(kind, name, f"{where}.containers[{index}].name", "Required value")
        if not container.get("image"):
            return invalid(kind, name, f"{where}.containers[{index}].image", "Required value")
    names = [container["name"] for container in containers]
    if len(set(names)) < len(names):
        return invalid(kind, name, f"{where}.containers", "Duplicate value")
    return None


def _frozen_spec(thing: Object) -> Object:
    """A pod's spec without the fields that may change."""
    spec = {
        name: value for name, value in thing["spec"].items() if name not in ("activeDeadlineSeconds", "tolerations", "ephemeralContainers")
    }
    spec["containers"] = [{name: value for name, value in item.items() if name != "image"} for item in spec.get("containers") or []]
    return spec


def _check_pod(kind: Kind, name: str, thing: Object, before: Object | None) -> Refusal | None:
    if before is not None and _frozen_spec(thing) != _frozen_spec(before):
        text = "Forbidden: pod updates may not change fields other than `spec.containers[*].image`, `spec.activeDeadlineSeconds`, `spec.tolerations`"
        return invalid(kind, name, "spec", text)
    return _check_containers(kind, name, thing["spec"], "spec")


def _check_workload(kind: Kind, name: str, thing: Object, before: Object | None) -> Refusal | None:
    spec = thing["spec"]
    selector = spec.get("selector") or {}
    labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    if not selector:
        return invalid(kind, name, "spec.selector", "Required value")
    if not workload_test(selector)(labels):
        return invalid(kind, name, "spec.template.metadata.labels", "Invalid value: `selector` does not match template `labels`")
    if before is not None and before["spec"].get("selector") != selector:
        return invalid(kind, name, "spec.selector", "Invalid value: field is immutable")
    if not isinstance(spec["replicas"], int) or spec["replicas"] < 0:
        return invalid(kind, name, "spec.replicas", "Invalid value: must be greater than or equal to 0")
    return _check_containers(kind, name, spec["template"]["spec"], "spec.template.spec")
