"""The locks in force: who is shut out at once, whatever the policy says, and what lives of theirs is cut.

A lock fits where everything that it names fits: ``user`` and ``cluster`` together shut a person out of one cluster. A user's name fits in any case of its
letters, as a name typed in a hurry must not shut out nobody. ``kubectl --as`` is held against the locks twice: whoever asks, and whom they ask to be.

Every request asks, so a thousand locks cost what one does: a lock is found by whom it names, the fewest people first, and there by its cluster. Who has none
near costs a look into each kind of which there is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from kgate.model import Ground, Identity, Lock, Reason

_Key = tuple[str, str]
_Places = dict[str, list[Lock]]
"""By cluster; empty is everywhere."""

_EVERYBODY: Final = ""


class Locks:
    """See the module."""

    def __init__(self, each: Iterable[Lock] = ()) -> None:
        self._held: dict[str, Lock] = {}
        self._by: dict[str, dict[str, _Places]] = {}
        """By the kind of the first thing that a lock names (a cluster is none) and the value."""
        self.are(each)

    def are(self, each: Iterable[Lock]) -> None:
        """These there are from now on, and no others."""
        self._held, self._by = {}, {}
        for lock in each:
            self._put(lock)

    def become(self, names: Iterable[str], each: Iterable[Lock], now: float) -> None:
        """Of these names there are ``each`` from now on, and no others. Those that are over at ``now`` are forgotten."""
        for name in [*names, *(name for name, lock in self._held.items() if not _lasts(lock, now))]:
            self._take(name)
        for lock in each:
            self._put(lock)

    @property
    def count(self) -> int:
        """How many there are, those that are just over too."""
        return len(self._held)

    def on(self, identity: Identity, cluster: str, now: float) -> Reason | None:
        """Why ``identity`` is shut out of ``cluster`` at ``now`` (Unix seconds); None where they are not. An empty ``cluster`` is the gate's own pages."""
        if not self._held:
            return None
        near = self._near(identity, cluster)
        if not near:
            return None
        holds = frozenset(_of(identity, cluster))
        fitting = [lock for lock in near if _lasts(lock, now) and holds.issuperset(_named(lock))]
        return Reason(Ground.LOCK, text=sentence(min(fitting, key=_name))) if fitting else None

    def _near(self, identity: Identity, cluster: str) -> list[Lock]:
        """Those whose first name is one of theirs, and that count there."""
        near: list[Lock] = []
        for kind, values in self._by.items():
            if kind == "user":
                _gather(near, values.get(identity.user.casefold()), cluster)
            elif kind == "group":
                for group in identity.groups:
                    _gather(near, values.get(group), cluster)
            elif kind == "robot":
                _gather(near, values.get(identity.robot), cluster)
            elif kind == "device":
                _gather(near, values.get(identity.device.name) if identity.device is not None else None, cluster)
            else:
                _gather(near, values.get(_EVERYBODY), cluster)
        return near

    def _put(self, lock: Lock) -> None:
        self._take(lock.name)
        kind, value = _first(lock)
        self._held[lock.name] = lock
        self._by.setdefault(kind, {}).setdefault(value, {}).setdefault(lock.cluster, []).append(lock)

    def _take(self, name: str) -> None:
        lock = self._held.pop(name, None)
        if lock is None:
            return
        kind, value = _first(lock)
        values = self._by[kind]
        places = values[value]
        places[lock.cluster].remove(lock)
        if not places[lock.cluster]:
            del places[lock.cluster]
        if not places:
            del values[value]
        if not values:
            del self._by[kind]


def sentence(lock: Lock) -> str:
    """``lock "incident-42" on user alice in cluster prod-eu, by bob``: what whoever is shut out reads."""
    named = [f"{kind} {value}" for kind, value in _said(lock)]
    return f'lock "{lock.name}" on {" in ".join(filter(None, (" and ".join(named), lock.cluster and f"cluster {lock.cluster}")))}, by {lock.by}'


def fits(lock: Lock, identity: Identity) -> bool:
    """Whether it is about ``identity``, wherever and whenever it counts."""
    return frozenset(_of(identity, lock.cluster)).issuperset(_named(lock))


def _said(lock: Lock) -> Iterator[_Key]:
    """Whom it names, the fewest people first."""
    named = (("user", lock.user), ("robot", lock.robot), ("device", lock.device), ("group", lock.group))
    return ((kind, value) for kind, value in named if value)


def _named(lock: Lock) -> Iterator[_Key]:
    """What it names."""
    for kind, value in _said(lock):
        yield kind, value.casefold() if kind == "user" else value
    if lock.cluster:
        yield "cluster", lock.cluster


def _first(lock: Lock) -> _Key:
    """Where it is found."""
    kind, value = next(_said(lock), (_EVERYBODY, _EVERYBODY))
    return kind, value.casefold() if kind == "user" else value


def _gather(near: list[Lock], places: _Places | None, cluster: str) -> None:
    """Add those that count in ``cluster``."""
    if places is not None:
        near += places.get("", ())
        if cluster:
            near += places.get(cluster, ())


def _of(identity: Identity, cluster: str) -> Iterator[_Key]:
    """What locks may name of somebody, there."""
    yield "user", identity.user.casefold()
    yield "robot", identity.robot
    yield "device", identity.device.name if identity.device is not None else ""
    yield from (("group", group) for group in identity.groups)
    yield "cluster", cluster


def _lasts(lock: Lock, now: float) -> bool:
    return lock.until is None or now < lock.until


def _name(lock: Lock) -> str:
    return lock.name
