"""The node: takes pods, starts their containers, keeps their status, restarts what ended, and takes them away when they are deleted.

A pod goes Pending → (after ``SCHEDULED``) has a node → (after ``STARTED``) Running. Everything that happens to containers ends in ``_settle``, the
only place that writes a pod's status.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

from attrs import define, field

from kgate.demo import mounts
from kgate.demo.containers import Container
from kgate.demo.events import Events
from kgate.demo.kinds import NODE, POD
from kgate.demo.schema import Object
from kgate.demo.store import Change, Happened, Key, Store, key_of, timestamp

SCHEDULED, STARTED, STOPPED = 0.1, 0.3, 0.3
"""Seconds until a pod has a node, until its containers run from then on, and at most until a deleted one is gone."""
BACKOFF = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds until a container that ended starts again."""


@define
class _Held:
    """One container of a pod: the running one, how the last one ended, how often it was started again."""

    spec: Object
    container: Container | None = None
    terminated: Object | None = None
    restarts: int = 0
    waiting: str = ""
    ephemeral: bool = False


@define
class _Pod:
    """One pod on the node."""

    key: Key
    uid: str
    address: str
    held: dict[str, _Held] = field(factory=dict)
    started: bool = False


class Kubelet:
    """One node named ``node``; ``clock`` for delays, ``now`` for Unix seconds."""

    def __init__(self, store: Store, clock: Any, now: Callable[[], float], events: Events, node: str) -> None:
        self._store, self._clock, self._now, self._events, self._node = store, clock, now, events, node
        self._pods: dict[Key, _Pod] = {}
        self._stopped = False
        self._unlisten = store.listen(self._changed)
        store.create(NODE, _node(node, now()))

    def container(self, namespace: str, pod: str, name: str) -> Container | None:
        """The running (or ended, for its log) container."""
        held = self._pods[namespace, pod].held.get(name) if (namespace, pod) in self._pods else None
        return held.container if held else None

    def is_running(self, namespace: str, pod: str, name: str) -> bool:
        """Whether programs can be executed in the container."""
        held = self._pods[namespace, pod].held.get(name) if (namespace, pod) in self._pods else None
        return held is not None and held.container is not None and held.terminated is None

    def stop(self) -> None:
        """End all containers; nothing is written any more."""
        self._stopped = True
        self._unlisten()
        for pod in self._pods.values():
            _stop(pod)

    # --- what happens to pods

    def _changed(self, change: Change) -> None:
        if change.kind is not POD:
            return
        key = key_of(change.thing)
        if change.happened is Happened.ADDED:
            number = zlib.crc32(change.thing["metadata"]["uid"].encode())
            self._pods[key] = _Pod(key, change.thing["metadata"]["uid"], f"10.1.{number >> 8 & 255}.{number % 254 + 1}")
            self._later(SCHEDULED, lambda: self._schedule(key))
        elif change.happened is Happened.DELETED:
            pod = self._pods.pop(key, None)
            if pod is not None:
                _stop(pod)
        elif "deletionTimestamp" in change.thing["metadata"] and "deletionTimestamp" not in (change.before or {"metadata": {}})["metadata"]:
            self._later(min(STOPPED, change.thing["metadata"]["deletionGracePeriodSeconds"]), lambda: self._take_away(key, change.thing))
        elif key in self._pods and self._pods[key].started:
            self._start_ephemeral(self._pods[key], change.thing)

    def _later(self, seconds: float, work: Callable[[], None]) -> None:
        def if_running() -> None:
            if not self._stopped:
                work()

        self._clock.callLater(seconds, if_running)

    def _take_away(self, key: Key, thing: Object) -> None:
        current = self._store.get(POD, *key)
        if current is not None and current["metadata"]["uid"] == thing["metadata"]["uid"]:
            self._events.report(POD, current, "kubelet", "Killing", "Stopping the pod's containers")
            self._store.remove(POD, *key)

    def _schedule(self, key: Key) -> None:
        thing, pod = self._store.get(POD, *key), self._pods.get(key)
        if thing is None or pod is None or "deletionTimestamp" in thing["metadata"]:
            return
        conditions = [_condition("PodScheduled", True, self._now())]
        spec = thing["spec"] | {"nodeName": thing["spec"].get("nodeName") or self._node}
        for item in spec["containers"]:
            pod.held[item["name"]] = _Held(item, waiting="ContainerCreating")
        status = thing["status"] | {"conditions": conditions, "startTime": timestamp(self._now()), "hostIP": "10.0.0.1"}
        self._store.replace(POD, thing | {"spec": spec, "status": status})
        self._events.report(POD, thing, "scheduler", "Scheduled", f"Successfully assigned {key[0]}/{key[1]} to {self._node}")
        self._settle(pod)
        self._later(STARTED, lambda: self._start(pod))

    def _start(self, pod: _Pod) -> None:
        thing = self._store.get(POD, *pod.key)
        if thing is None or self._pods.get(pod.key) is not pod:
            return
        pod.started = True
        for held in pod.held.values():
            self._start_container(pod, thing, held)
        self._start_ephemeral(pod, thing)
        self._settle(pod)

    def _start_ephemeral(self, pod: _Pod, thing: Object) -> None:
        fresh = [item for item in thing["spec"].get("ephemeralContainers") or [] if item["name"] not in pod.held]
        for item in fresh:
            pod.held[item["name"]] = _Held(item, ephemeral=True)
            self._start_container(pod, thing, pod.held[item["name"]])
        if fresh:
            self._settle(pod)

    def _start_container(self, pod: _Pod, thing: Object, held: _Held) -> None:
        name = thing["metadata"]["name"]
        hostname = thing["spec"].get("hostname") or name
        container = Container(self._clock, self._now, held.spec, hostname, pod.address)
        container.machine.environment |= mounts.environment(self._store, thing, held.spec)
        mounts.mount(self._store, thing, held.spec, container.machine.files)
        held.container, held.waiting, held.terminated = container, "", None
        self._events.report(POD, thing, "kubelet", "Started", f"Started container {held.spec['name']}")
        container.start(lambda status: self._ended(pod, held, container, status))

    def _ended(self, pod: _Pod, held: _Held, container: Container, status: int) -> None:
        container.log.finish()
        if held.container is not container or self._stopped or self._pods.get(pod.key) is not pod:
            return
        held.terminated = {
            "exitCode": status,
            "reason": "Completed" if status == 0 else "Error",
            "startedAt": timestamp(container.started_at),
            "finishedAt": timestamp(self._now()),
        }
        self._later(0, lambda: self._after_end(pod, held))

    def _after_end(self, pod: _Pod, held: _Held) -> None:
        thing = self._store.get(POD, *pod.key)
        if thing is None or held.terminated is None:
            return
        policy = "Never" if held.ephemeral else thing["spec"].get("restartPolicy", "Always")
        if policy == "Always" or (policy == "OnFailure" and held.terminated["exitCode"]):
            held.waiting = "CrashLoopBackOff" if held.restarts else ""
            self._later(BACKOFF[min(held.restarts, len(BACKOFF) - 1)], lambda: self._restart(pod, held))
        self._settle(pod)

    def _restart(self, pod: _Pod, held: _Held) -> None:
        thing = self._store.get(POD, *pod.key)
        if thing is not None and self._pods.get(pod.key) is pod and "deletionTimestamp" not in thing["metadata"]:
            held.restarts += 1
            self._start_container(pod, thing, held)
            self._settle(pod)

    # --- status

    def _settle(self, pod: _Pod) -> None:
        """Write what is so."""
        thing = self._store.get(POD, *pod.key)
        if thing is None:
            return
        own = [held for held in pod.held.values() if not held.ephemeral]
        ready = bool(own) and all(_is_ready(held) for held in own)
        conditions = [_condition(name, True, self._now()) for name in ("PodScheduled", "Initialized")]
        conditions += [_condition(name, ready, self._now()) for name in ("ContainersReady", "Ready")]
        status = thing["status"] | {
            "phase": _phase(own, thing["spec"].get("restartPolicy", "Always")),
            "conditions": _kept_times(thing["status"].get("conditions") or [], conditions),
            "containerStatuses": [_status(held) for held in own],
        }
        if pod.started:
            status |= {"podIP": pod.address, "podIPs": [{"ip": pod.address}]}
        if len(own) < len(pod.held):
            status["ephemeralContainerStatuses"] = [_status(held) for held in pod.held.values() if held.ephemeral]
        self._store.replace(POD, thing | {"status": status})


def _stop(pod: _Pod) -> None:
    for held in pod.held.values():
        if held.container is not None:
            held.container.stop()


def _is_ready(held: _Held) -> bool:
    return held.container is not None and held.terminated is None and not held.waiting


def _phase(own: list[_Held], policy: str) -> str:
    if any(held.container is None for held in own):
        return "Pending"
    if all(held.terminated for held in own) and policy != "Always":
        failed = any(held.terminated and held.terminated["exitCode"] for held in own)
        return "Running" if failed and policy == "OnFailure" else "Failed" if failed else "Succeeded"
    return "Running"


def _condition(kind: str, holds: bool, now: float) -> Object:
    return {"type": kind, "status": "True" if holds else "False", "lastProbeTime": None, "lastTransitionTime": timestamp(now)}


def _kept_times(before: list[Object], after: list[Object]) -> list[Object]:
    """A condition that stays as it was keeps its time."""
    old = {item["type"]: item for item in before}
    return [old[item["type"]] if old.get(item["type"], {}).get("status") == item["status"] else item for item in after]


def _status(held: _Held) -> Object:
    running = _is_ready(held)
    terminated = held.terminated
    if held.container is not None and running:
        state: Object = {"running": {"startedAt": timestamp(held.container.started_at)}}
    elif held.waiting:
        state = {"waiting": {"reason": held.waiting}}
    else:
        state = {"terminated": terminated} if terminated else {"waiting": {"reason": "ContainerCreating"}}
    image = str(held.spec.get("image", ""))
    return {
        "name": held.spec["name"],
        "image": image,
        "imageID": f"demo:{zlib.crc32(image.encode()):08x}",
        "containerID": f"demo://{held.spec['name']}-{held.restarts}" if held.container else "",
        "ready": running,
        "started": running,
        "restartCount": held.restarts,
        "state": state,
        "lastState": {"terminated": terminated} if terminated and held.waiting else {},
    }


def _node(name: str, now: float) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": {},
        "status": {
            "conditions": [_condition("Ready", True, now)],
            "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}, {"type": "Hostname", "address": name}],
            "nodeInfo": {"kubeletVersion": "v1.33.0-kgate.demo", "osImage": "kgate demo (simulated)", "operatingSystem": "demo"},
        },
    }
