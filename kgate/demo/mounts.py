"""What a container gets from the objects around it: variables from config maps and secrets, and their data as files."""

from __future__ import annotations

import base64
import posixpath

from kgate.demo.files import FileSystem
from kgate.demo.kinds import CONFIG_MAP, SECRET, Kind
from kgate.demo.schema import Object
from kgate.demo.store import Store


def _data(store: Store, kind: Kind, namespace: str, name: str) -> dict[str, bytes]:
    thing = store.get(kind, namespace, name) or {}
    if kind is SECRET:
        return {key: base64.b64decode(value) for key, value in (thing.get("data") or {}).items()}
    texts = {key: value.encode() for key, value in (thing.get("data") or {}).items()}
    return texts | {key: base64.b64decode(value) for key, value in (thing.get("binaryData") or {}).items()}


def environment(store: Store, pod: Object, container: Object) -> dict[str, str]:
    """The container's own variables."""
    namespace = pod["metadata"]["namespace"]
    found = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    for source in container.get("envFrom") or []:
        for field, kind in (("configMapRef", CONFIG_MAP), ("secretRef", SECRET)):
            if field in source:
                data = _data(store, kind, namespace, source[field].get("name", ""))
                found |= {source.get("prefix", "") + key: value.decode(errors="replace") for key, value in data.items()}
    for item in container.get("env") or []:
        found[item["name"]] = item.get("value") or _value_from(store, pod, item.get("valueFrom") or {})
    return found


def _value_from(store: Store, pod: Object, source: Object) -> str:
    for field, kind in (("configMapKeyRef", CONFIG_MAP), ("secretKeyRef", SECRET)):
        if field in source:
            data = _data(store, kind, pod["metadata"]["namespace"], source[field].get("name", ""))
            return data.get(source[field].get("key", ""), b"").decode(errors="replace")
    path = (source.get("fieldRef") or {}).get("fieldPath", "")
    value: object = pod
    for name in path.split(".") if path else []:
        value = value.get(name, "") if isinstance(value, dict) else ""
    return value if isinstance(value, str) and path else ""


def mount(store: Store, pod: Object, container: Object, files: FileSystem) -> None:
    """Put the pod's volumes where the container wants them. Volumes of other sources are empty directories."""
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes") or []}
    for item in container.get("volumeMounts") or []:
        volume = volumes.get(item["name"], {})
        path = posixpath.normpath("/" + item["mountPath"])
        files.make_directory(path, parents=True)
        for field, kind, key in (("configMap", CONFIG_MAP, "name"), ("secret", SECRET, "secretName")):
            source = volume.get(field) or {}
            for name, data in _data(store, kind, pod["metadata"]["namespace"], source.get(key, "")).items():
                files.write(posixpath.join(path, name), data)
