"""The locks in force: who is shut out at once, whatever the policy says, and what lives of theirs is cut.

A lock fits where everything that it names fits: ``user`` and ``cluster`` together shut a person out of one cluster. A user's name fits in any case of its
letters, as a name typed in a hurry must not shut out nobody. ``kubectl --as`` is held against the locks twice: whoever asks, and whom they ask to be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kgate.model import Ground, Identity, Lock, Reason

_Key = tuple[str, str]


class Locks:
    """See the module. Found by the first thing that a lock names, so that a thousand cost what one does."""

    def __init__(self, each: Iterable[Lock] = ()) -> None:
        self._by: dict[_Key, list[Lock]] = {}
        self.are(each)

    def are(self, each: Iterable[Lock]) -> None:
        """These there are from now on, and no others."""
        found: dict[_Key, list[Lock]] = {}
        for lock in each:
            found.setdefault(next(_named(lock)), []).append(lock)
        self._by = found

    @property
    def count(self) -> int:
        """How many there are, those that are just over too."""
        return sum(map(len, self._by.values()))

    def on(self, identity: Identity, cluster: str, now: float) -> Reason | None:
        """Why ``identity`` is shut out of ``cluster`` at ``now`` (Unix seconds); None where they are not. An empty ``cluster`` is the gate's own pages."""
        if not self._by:
            return None
        holds = frozenset(_of(identity, cluster))
        fitting = (lock for key in holds for lock in self._by.get(key, ()) if _lasts(lock, now) and holds.issuperset(_named(lock)))
        lock = min(fitting, key=lambda each: each.name, default=None)
        return Reason(Ground.LOCK, text=sentence(lock)) if lock is not None else None


def sentence(lock: Lock) -> str:
    """``lock "incident-42" on user alice in cluster prod-eu, by bob``: what whoever is shut out reads."""
    named = [f"{kind} {value}" for kind, value in _said(lock)]
    return f'lock "{lock.name}" on {" in ".join(filter(None, (" and ".join(named), lock.cluster and f"cluster {lock.cluster}")))}, by {lock.by}'


def fits(lock: Lock, identity: Identity) -> bool:
    """Whether it is about ``identity``, wherever and whenever it counts."""
    return frozenset(_of(identity, lock.cluster)).issuperset(_named(lock))


def _said(lock: Lock) -> Iterator[tuple[str, str]]:
    """Whom it names."""
    named = (("user", lock.user), ("robot", lock.robot), ("device", lock.device), ("group", lock.group))
    return ((kind, value) for kind, value in named if value)


def _named(lock: Lock) -> Iterator[_Key]:
    """What it names, the fewest people first."""
    for kind, value in _said(lock):
        yield kind, value.casefold() if kind == "user" else value
    if lock.cluster:
        yield "cluster", lock.cluster


def _of(identity: Identity, cluster: str) -> Iterator[_Key]:
    """What locks may name of somebody, there."""
    yield "user", identity.user.casefold()
    yield "robot", identity.robot
    yield "device", identity.device.name if identity.device is not None else ""
    yield from (("group", group) for group in identity.groups)
    yield "cluster", cluster


def _lasts(lock: Lock, now: float) -> bool:
    return lock.until is None or now < lock.until
