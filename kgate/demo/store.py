"""What the cluster holds: objects by kind, namespace and name, one revision counter, and a bounded history for watches.

Every write takes the next revision and appends one ``Change``. A watch from revision R gets the changes after R from the history and then each
as it happens; where the history no longer reaches back to R the answer is 410, and the client lists again. Stored objects are never changed
in place, so a change may hold them and any reader may keep them.
"""

from __future__ import annotations

import base64
import binascii
import itertools
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from typing import NamedTuple

import orjson

from kgate.demo.kinds import Kind
from kgate.demo.schema import Object
from kgate.demo.selectors import Test
from kgate.demo.status import Refusal, already_exists, bad_request, conflict, expired, not_found

HISTORY = 10_000
"""How many changes a watch can go back."""

Key = tuple[str, str]
"""Namespace (empty for cluster-wide kinds) and name."""


class Happened(Enum):
    """What a change did. The values are the watch events' types."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


class Change(NamedTuple):
    """One write. ``before`` is None for an added object."""

    revision: int
    kind: Kind
    happened: Happened
    thing: Object
    before: Object | None


class Page(NamedTuple):
    """One page of a list. ``following`` is the token of the next page, empty on the last; ``remaining`` counts what is after it."""

    items: list[Object]
    revision: int
    following: str
    remaining: int


Listener = Callable[[Change], None]


def timestamp(now: float) -> str:
    """Unix seconds as the API writes times."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def key_of(thing: Object) -> Key:
    """Where the object is stored."""
    return thing["metadata"].get("namespace", ""), thing["metadata"]["name"]


class Store:
    """``now`` gives Unix seconds; ``unique`` a new UID or a random suffix of so many characters."""

    def __init__(self, now: Callable[[], float], unique: Callable[[], str]) -> None:
        self._now, self._unique = now, unique
        self._objects: dict[Kind, dict[Key, Object]] = {}
        self._history: deque[Change] = deque(maxlen=HISTORY)
        self._listeners: dict[int, Listener] = {}
        self._counter = itertools.count(1)
        self.revision = 100

    # --- reading

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """The object, or None."""
        return self._objects.get(kind, {}).get((namespace, name))

    def all(self, kind: Kind, namespace: str = "", test: Test | None = None) -> list[Object]:
        """Every object of a kind, of one namespace or of all, sorted by key."""
        held = self._objects.get(kind, {})
        return [held[key] for key in sorted(held) if (not namespace or key[0] == namespace) and (test is None or test(held[key]))]

    def page(self, kind: Kind, namespace: str, test: Test | None, limit: int, token: str) -> Page | Refusal:
        """At most ``limit`` objects (0: all) after the one that ``token`` names."""
        items, revision = self.all(kind, namespace, test), self.revision
        if token:
            start = _read_token(token)
            if start is None:
                return bad_request("continue key is not valid: list again from the beginning")
            revision, last = start
            items = [item for item in items if key_of(item) > last]
        shown = items[:limit] if limit else items
        remaining = len(items) - len(shown)
        return Page(shown, revision, _write_token(revision, key_of(shown[-1])) if remaining else "", remaining)

    # --- writing

    def create(self, kind: Kind, thing: Object) -> Object | Refusal:
        """Store a new object under a new UID."""
        metadata = dict(thing.get("metadata") or {})
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"] + self._unique()[:5]
        if self.get(kind, metadata.get("namespace", ""), metadata["name"]) is not None:
            return already_exists(kind, metadata["name"])
        metadata |= {"uid": self._unique(), "creationTimestamp": timestamp(self._now())}
        if "spec" in thing:
            metadata["generation"] = 1
        return self._write(kind, thing | {"metadata": metadata}, Happened.ADDED, None)

    def replace(self, kind: Kind, thing: Object) -> Object | Refusal:
        """Store a new version. A ``resourceVersion`` in it must be the current one. A write that changes nothing makes no revision."""
        metadata = dict(thing["metadata"])
        before = self.get(kind, *key_of(thing))
        if before is None:
            return not_found(kind, metadata["name"])
        current = before["metadata"]
        if metadata.get("resourceVersion", current["resourceVersion"]) != current["resourceVersion"]:
            return conflict(
                kind, metadata["name"], "the object has been modified; please apply your changes to the latest version and try again"
            )
        if metadata.get("uid", current["uid"]) != current["uid"]:
            return conflict(kind, metadata["name"], f"Precondition failed: UID in object meta: {current['uid']}")
        kept = ("uid", "creationTimestamp", "resourceVersion", "generation", "deletionTimestamp")
        metadata = {name: value for name, value in metadata.items() if name not in kept} | {
            name: current[name] for name in kept if name in current
        }
        if thing.get("spec") != before.get("spec"):
            metadata["generation"] = current.get("generation", 0) + 1
        after = thing | {"metadata": metadata}
        return before if after == before else self._write(kind, after, Happened.MODIFIED, before)

    def mark_deleted(self, kind: Kind, thing: Object, seconds: int) -> Object:
        """Note that the object goes in ``seconds``; whoever keeps it removes it then."""
        if "deletionTimestamp" in thing["metadata"]:
            return thing
        metadata = thing["metadata"] | {"deletionTimestamp": timestamp(self._now() + seconds), "deletionGracePeriodSeconds": seconds}
        return self._write(kind, thing | {"metadata": metadata}, Happened.MODIFIED, thing)

    def remove(self, kind: Kind, namespace: str, name: str) -> Object | Refusal:
        """Take the object away; gives its last version."""
        before = self.get(kind, namespace, name)
        if before is None:
            return not_found(kind, name)
        return self._write(kind, before, Happened.DELETED, before)

    def _write(self, kind: Kind, thing: Object, happened: Happened, before: Object | None) -> Object:
        self.revision += 1
        after = thing | {"metadata": thing["metadata"] | {"resourceVersion": str(self.revision)}}
        if happened is Happened.DELETED:
            del self._objects[kind][key_of(after)]
        else:
            self._objects.setdefault(kind, {})[key_of(after)] = after
        change = Change(self.revision, kind, happened, after, before)
        self._history.append(change)
        for listener in list(self._listeners.values()):
            listener(change)
        return after

    # --- following

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Have ``listener`` called with each further change; gives what ends it."""
        number = next(self._counter)
        self._listeners[number] = listener

        def stop() -> None:
            self._listeners.pop(number, None)

        return stop

    def since(self, revision: int) -> list[Change] | Refusal:
        """The changes after ``revision``."""
        oldest = self._history[0].revision if self._history else self.revision + 1
        if revision + 1 < oldest and len(self._history) == HISTORY:
            return expired(revision)
        return [change for change in self._history if change.revision > revision]


def _write_token(revision: int, key: Key) -> str:
    return base64.urlsafe_b64encode(orjson.dumps({"rv": revision, "start": key})).decode().rstrip("=")


def _read_token(token: str) -> tuple[int, Key] | None:
    try:
        value = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, name = value["start"]
        return int(value["rv"]), (str(namespace), str(name))
    except (binascii.Error, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None
