"""One cluster without its network: what it stores, what runs in it, and the time that passes."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable
from typing import Any

from kgate.demo.access import KEPT, Trail
from kgate.demo.events import Events
from kgate.demo.kinds import NAMESPACE
from kgate.demo.kubelet import Kubelet
from kgate.demo.schema import Object
from kgate.demo.store import Key, Store
from kgate.demo.workloads import Workloads

NAMESPACES = ("default", "kube-system")


def random_text() -> str:
    """A UID; its beginning is random enough for names."""
    return str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))


class World:
    """``clock`` has ``callLater``; ``now`` gives Unix seconds; ``token`` is the one credential."""

    def __init__(self, name: str, token: str, clock: Any, now: Callable[[], float], unique: Callable[[], str] = random_text) -> None:
        self.name, self.token, self.clock, self.now, self.unique = name, token, clock, now, unique
        self.store = Store(now, unique)
        self.events = Events(self.store, now, unique)
        self.workloads = Workloads(self.store, clock, now, self.events)
        self.kubelet = Kubelet(self.store, clock, now, self.events, f"{name}-node")
        self.generous = False
        """Whether the token's own user may do everything, not only impersonate: a credential that no gate should have."""
        self.trail: Trail = Trail(maxlen=KEPT)
        self.applied: dict[tuple[str, Key, str], Object] = {}
        """What each field manager applied last, by kind, object and manager."""
        for namespace in NAMESPACES:
            self.make_namespace(namespace)

    def make_namespace(self, name: str) -> None:
        """A namespace that is there from the beginning."""
        thing = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}}}
        self.store.create(NAMESPACE, thing | {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}})

    def stop(self) -> None:
        """Everything that runs ends; no timer does anything any more."""
        self.workloads.stop()
        self.kubelet.stop()
