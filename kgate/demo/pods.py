"""Which container of a pod is meant."""

from __future__ import annotations

from kgate.demo.schema import Object
from kgate.demo.status import Refusal, bad_request

_LISTS = ("containers", "initContainers", "ephemeralContainers")


def container_named(pod: Object, wanted: str) -> str | Refusal:
    """The container of that name; without a name the only one, or the annotated default."""
    spec, name = pod["spec"], pod["metadata"]["name"]
    names = [item["name"] for item in spec["containers"]]
    default = (pod["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/default-container", "")
    if not wanted and default not in names and len(names) > 1:
        return bad_request(f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]")
    chosen = wanted or (default if default in names else names[0])
    if chosen not in [item["name"] for part in _LISTS for item in spec.get(part) or []]:
        return bad_request(f"container {chosen} is not valid for pod {name}")
    return chosen
