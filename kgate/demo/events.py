"""The cluster's reports of what happened (``kubectl get events``), at most ``KEPT`` of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from kgate.demo.kinds import EVENT, Kind
from kgate.demo.schema import Object
from kgate.demo.store import Key, Store, timestamp

KEPT = 300


class Events:
    """``now`` gives Unix seconds; ``unique`` a random text for names."""

    def __init__(self, store: Store, now: Callable[[], float], unique: Callable[[], str]) -> None:
        self._store, self._now, self._unique = store, now, unique
        self._kept: deque[Key] = deque()

    def report(self, kind: Kind, thing: Object, source: str, reason: str, message: str) -> None:
        """Something happened to ``thing``."""
        metadata = thing["metadata"]
        name = f"{metadata['name']}.{self._unique()[:12]}"
        namespace, when = metadata.get("namespace", "default"), timestamp(self._now())
        self._store.create(
            EVENT,
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": name, "namespace": namespace},
                "involvedObject": {
                    "kind": kind.kind,
                    "apiVersion": kind.api_version,
                    "namespace": metadata.get("namespace", ""),
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                },
                "reason": reason,
                "message": message,
                "type": "Normal",
                "source": {"component": source},
                "firstTimestamp": when,
                "lastTimestamp": when,
                "count": 1,
            },
        )
        self._kept.append((namespace, name))
        if len(self._kept) > KEPT:
            self._store.remove(EVENT, *self._kept.popleft())
