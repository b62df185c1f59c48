"""What keeps the cluster as it should be: deployments make replica sets, those make pods; what has lost its owner goes; namespaces fill and empty.

Every change of the store marks what it concerns; one timer later all that is marked is compared with what is wanted. Each comparison is a function
of the store alone and may be done any number of times.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Callable
from typing import Any

import orjson

from kgate.demo.defaults import with_defaults
from kgate.demo.events import Events
from kgate.demo.kinds import CONFIG_MAP, DEPLOYMENT, KINDS, NAMESPACE, POD, REPLICA_SET, SERVICE_ACCOUNT, Kind
from kgate.demo.schema import Object
from kgate.demo.store import Change, Happened, Key, Store, key_of, timestamp

DELAY = 0.05
HASH, REVISION = "pod-template-hash", "deployment.kubernetes.io/revision"


def owner_of(thing: Object) -> str:
    """The UID of the object that controls this one, or empty."""
    return next((owner["uid"] for owner in thing["metadata"].get("ownerReferences") or [] if owner.get("controller")), "")


def delete(store: Store, kind: Kind, thing: Object, seconds: int | None) -> Object:
    """Delete an object as its kind is deleted: pods and namespaces take their time. Gives its last version."""
    if kind is POD and seconds != 0:
        return store.mark_deleted(kind, thing, seconds if seconds is not None else thing["spec"].get("terminationGracePeriodSeconds", 30))
    if kind is NAMESPACE:
        terminating = store.replace(kind, thing | {"status": {"phase": "Terminating"}})
        return store.mark_deleted(kind, terminating if isinstance(terminating, dict) else thing, 0)
    removed = store.remove(kind, *key_of(thing))
    return removed if isinstance(removed, dict) else thing


class Workloads:
    """The controllers of one cluster."""

    def __init__(self, store: Store, clock: Any, now: Callable[[], float], events: Events) -> None:
        self._store, self._clock, self._now, self._events = store, clock, now, events
        self._marked: dict[tuple[Kind, Key], None] = {}
        self._armed = self._stopped = False
        self._unlisten = store.listen(self._changed)

    def stop(self) -> None:
        """Do nothing more."""
        self._stopped = True
        self._unlisten()

    def _changed(self, change: Change) -> None:
        thing, kind = change.thing, change.kind
        if kind in (DEPLOYMENT, REPLICA_SET, NAMESPACE):
            self._mark(kind, key_of(thing))
        for parent in (REPLICA_SET,) if kind is POD else (DEPLOYMENT,) if kind is REPLICA_SET else ():
            for owner in self._store.all(parent, thing["metadata"]["namespace"]):
                if owner["metadata"]["uid"] == owner_of(thing):
                    self._mark(parent, key_of(owner))
        if change.happened is Happened.DELETED:
            self._collect(thing["metadata"]["uid"], thing["metadata"].get("namespace", ""))
            self._mark(NAMESPACE, ("", thing["metadata"].get("namespace", "")))

    def _mark(self, kind: Kind, key: Key) -> None:
        self._marked[kind, key] = None
        if not self._armed:
            self._armed = True
            self._clock.callLater(DELAY, self._compare)

    def _compare(self) -> None:
        self._armed = False
        marked, self._marked = self._marked, {}
        for kind, key in marked if not self._stopped else ():
            thing = self._store.get(kind, *key)
            if thing is not None:
                {DEPLOYMENT: self._deployment, REPLICA_SET: self._replica_set, NAMESPACE: self._namespace}[kind](thing)

    def _collect(self, uid: str, namespace: str) -> None:
        """What belonged to an object that is gone goes too."""
        for kind in (REPLICA_SET, POD, CONFIG_MAP):
            for thing in self._store.all(kind, namespace) if namespace else ():
                if any(owner["uid"] == uid for owner in thing["metadata"].get("ownerReferences") or []):
                    delete(self._store, kind, thing, None)

    # --- namespaces

    def _namespace(self, thing: Object) -> None:
        name = thing["metadata"]["name"]
        if "deletionTimestamp" not in thing["metadata"]:
            base: Object = {"namespace": name}
            self._store.create(SERVICE_ACCOUNT, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": base | {"name": "default"}})
            return
        left = [(kind, held) for kind in KINDS if kind.namespaced for held in self._store.all(kind, name)]
        for kind, held in left:
            if "deletionTimestamp" not in held["metadata"]:
                delete(self._store, kind, held, 0)
        if not any(self._store.all(kind, name) for kind in KINDS if kind.namespaced):
            self._store.remove(NAMESPACE, "", name)

    # --- replica sets

    def _replica_set(self, thing: Object) -> None:
        uid, wanted = thing["metadata"]["uid"], thing["spec"]["replicas"]
        owned = [pod for pod in self._store.all(POD, thing["metadata"]["namespace"]) if owner_of(pod) == uid]
        alive = [
            pod for pod in owned if "deletionTimestamp" not in pod["metadata"] and pod["status"].get("phase") not in ("Succeeded", "Failed")
        ]
        for _ in range(wanted - len(alive)):
            self._make_pod(thing)
        for pod in sorted(alive, key=_is_pod_ready)[: max(len(alive) - wanted, 0)]:
            delete(self._store, POD, pod, None)
            self._events.report(REPLICA_SET, thing, "replicaset-controller", "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")
        ready = sum(1 for pod in alive if _is_pod_ready(pod))
        status = {"replicas": len(alive), "fullyLabeledReplicas": len(alive)}
        status |= {"observedGeneration": thing["metadata"]["generation"]} | (
            {"readyReplicas": ready, "availableReplicas": ready} if ready else {}
        )
        self._store.replace(REPLICA_SET, thing | {"status": status})

    def _make_pod(self, thing: Object) -> None:
        template, metadata = thing["spec"]["template"], thing["metadata"]
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": (template.get("metadata") or {})
            | {
                "generateName": f"{metadata['name']}-",
                "namespace": metadata["namespace"],
                "ownerReferences": [_reference(REPLICA_SET, thing)],
            },
            "spec": template["spec"],
        }
        made = self._store.create(POD, with_defaults("Pod", pod))
        if isinstance(made, dict):
            self._events.report(REPLICA_SET, thing, "replicaset-controller", "SuccessfulCreate", f"Created pod: {made['metadata']['name']}")

    # --- deployments

    def _deployment(self, thing: Object) -> None:
        namespace, uid = thing["metadata"]["namespace"], thing["metadata"]["uid"]
        owned = [item for item in self._store.all(REPLICA_SET, namespace) if owner_of(item) == uid]
        digest = template_hash(thing["spec"]["template"])
        new = next((item for item in owned if item["metadata"]["labels"].get(HASH) == digest), None)
        if not thing["spec"].get("paused"):
            new = self._new_replica_set(thing, owned, new, digest)
            self._roll(thing, new, [item for item in owned if item["metadata"]["uid"] != new["metadata"]["uid"]])
        self._deployment_status(thing, new)

    def _new_replica_set(self, thing: Object, owned: list[Object], new: Object | None, digest: str) -> Object:
        """The replica set of the deployment's template, made or found, with the highest revision."""
        revisions = [int(item["metadata"]["annotations"].get(REVISION, "0")) for item in owned]
        if new is None:
            made = self._store.create(REPLICA_SET, _replica_set_of(thing, digest, max(revisions, default=0) + 1))
            assert isinstance(made, dict)
            new = made
        elif int(new["metadata"]["annotations"][REVISION]) < max(revisions):
            annotations = new["metadata"]["annotations"] | {REVISION: str(max(revisions) + 1)}
            new = self._written(REPLICA_SET, new | {"metadata": new["metadata"] | {"annotations": annotations}})
        revision = new["metadata"]["annotations"][REVISION]
        if (thing["metadata"].get("annotations") or {}).get(REVISION) != revision:
            annotations = (thing["metadata"].get("annotations") or {}) | {REVISION: revision}
            self._written(DEPLOYMENT, thing | {"metadata": thing["metadata"] | {"annotations": annotations}})
        return new

    def _written(self, kind: Kind, thing: Object) -> Object:
        written = self._store.replace(kind, {**thing, "metadata": {k: v for k, v in thing["metadata"].items() if k != "resourceVersion"}})
        assert isinstance(written, dict)
        return written

    def _roll(self, thing: Object, new: Object, old: list[Object]) -> None:
        """One step of a rollout: more new pods as the surge allows, fewer old ones as the available ones allow."""
        wanted = thing["spec"]["replicas"]
        surge, unavailable = rolling_limits(thing["spec"]["strategy"], wanted)
        total = sum(item["spec"]["replicas"] for item in [new, *old])
        current = new["spec"]["replicas"]
        recreate = thing["spec"]["strategy"].get("type") == "Recreate"
        if recreate:
            target = wanted if not any(item["status"].get("replicas") for item in old) else current
        else:
            target = min(wanted, current + max(wanted + surge - total, 0)) if current < wanted else wanted
        self._scale(thing, new, target)
        fresh_missing = target - new["status"].get("availableReplicas", 0)
        spare = sum(item["spec"]["replicas"] for item in old) if recreate else total - (wanted - unavailable) - max(fresh_missing, 0)
        for item in old:
            fewer = min(item["spec"]["replicas"], max(spare, 0))
            spare -= fewer
            self._scale(thing, item, item["spec"]["replicas"] - fewer)
        spent = sorted(
            (item for item in old if not item["spec"]["replicas"]), key=lambda item: int(item["metadata"]["annotations"][REVISION])
        )
        for item in spent[: max(len(spent) - thing["spec"]["revisionHistoryLimit"], 0)]:
            delete(self._store, REPLICA_SET, item, None)

    def _scale(self, thing: Object, item: Object, replicas: int) -> None:
        if item["spec"]["replicas"] != replicas:
            direction = "up" if replicas > item["spec"]["replicas"] else "down"
            text = f"Scaled {direction} replica set {item['metadata']['name']} from {item['spec']['replicas']} to {replicas}"
            self._written(REPLICA_SET, item | {"spec": item["spec"] | {"replicas": replicas}})
            self._events.report(DEPLOYMENT, thing, "deployment-controller", "ScalingReplicaSet", text)

    def _deployment_status(self, before: Object, new: Object | None) -> None:
        thing = self._store.get(DEPLOYMENT, *key_of(before))
        if thing is None:
            return
        uid, wanted = thing["metadata"]["uid"], thing["spec"]["replicas"]
        owned = [item for item in self._store.all(REPLICA_SET, thing["metadata"]["namespace"]) if owner_of(item) == uid]
        total = sum(item["status"].get("replicas", 0) for item in owned)
        available = sum(item["status"].get("availableReplicas", 0) for item in owned)
        current = self._store.get(REPLICA_SET, *key_of(new)) if new else None
        updated = current["status"].get("replicas", 0) if current else 0
        complete = updated == wanted == total == available
        status = {"replicas": total, "updatedReplicas": updated, "readyReplicas": available, "availableReplicas": available}
        status["unavailableReplicas"] = max(wanted - available, 0)
        status = {name: value for name, value in status.items() if value} | {
            "observedGeneration": thing["metadata"]["generation"],
            "conditions": self._conditions(thing, available >= wanted - rolling_limits(thing["spec"]["strategy"], wanted)[1], complete),
        }
        self._store.replace(DEPLOYMENT, thing | {"status": status})

    def _conditions(self, thing: Object, available: bool, complete: bool) -> list[Object]:
        now = timestamp(self._now())
        before = {item["type"]: item for item in thing["status"].get("conditions") or []}
        minimum = "MinimumReplicasAvailable" if available else "MinimumReplicasUnavailable"
        progress = "NewReplicaSetAvailable" if complete else "ReplicaSetUpdated"
        facts = (
            ("Available", available, minimum, f"Deployment {'has' if available else 'does not have'} minimum availability."),
            ("Progressing", True, progress, "The new replica set is available." if complete else "The replica set is progressing."),
        )
        conditions: list[Object] = []
        for kind, holds, reason, message in facts:
            fact = {"type": kind, "status": "True" if holds else "False", "reason": reason, "message": message}
            old = before.get(kind, {})
            same = all(old.get(name) == value for name, value in fact.items())
            conditions.append(old if same else fact | {"lastUpdateTime": now, "lastTransitionTime": now})
        return conditions


def template_hash(template: Object) -> str:
    """Ten characters that stand for a pod template."""
    digest = hashlib.sha256(orjson.dumps(template, option=orjson.OPT_SORT_KEYS)).digest()
    return base64.b32encode(digest)[:10].decode().lower()


def rolling_limits(strategy: Object, replicas: int) -> tuple[int, int]:
    """How many pods may be too many and how many may be missing during a rollout: at least one of either."""
    rolling = strategy.get("rollingUpdate") or {}
    surge = _share(rolling.get("maxSurge", "25%"), replicas, math.ceil)
    unavailable = _share(rolling.get("maxUnavailable", "25%"), replicas, math.floor)
    return surge, unavailable if surge or unavailable else 1


def _share(value: object, replicas: int, rounded: Callable[[float], int]) -> int:
    text = str(value)
    return rounded(int(text[:-1]) * replicas / 100) if text.endswith("%") and text[:-1].isdigit() else int(text) if text.isdigit() else 0


def _is_pod_ready(pod: Object) -> bool:
    return any(item["type"] == "Ready" and item["status"] == "True" for item in pod["status"].get("conditions") or [])


def _reference(kind: Kind, thing: Object) -> Object:
    metadata = thing["metadata"]
    named = {"apiVersion": kind.api_version, "kind": kind.kind, "name": metadata["name"], "uid": metadata["uid"]}
    return named | {"controller": True, "blockOwnerDeletion": True}


def _replica_set_of(thing: Object, digest: str, revision: int) -> Object:
    metadata, template = thing["metadata"], thing["spec"]["template"]
    labels = (template["metadata"].get("labels") or {}) | {HASH: digest}
    selector = thing["spec"]["selector"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{metadata['name']}-{digest}",
            "namespace": metadata["namespace"],
            "labels": labels,
            "annotations": {REVISION: str(revision)}
            | {key: value for key, value in (metadata.get("annotations") or {}).items() if key == "kubernetes.io/change-cause"},
            "ownerReferences": [_reference(DEPLOYMENT, thing)],
        },
        "spec": {
            "replicas": 0,
            "selector": selector | {"matchLabels": (selector.get("matchLabels") or {}) | {HASH: digest}},
            "template": template | {"metadata": template["metadata"] | {"labels": labels}},
        },
        "status": {"replicas": 0},
    }
