"""Who a rule is for, on which clusters, and as whom the cluster sees them: frozen values that refuse to exist where they make no sense."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NewType

from attrs import fields, frozen

from kgate.documents.globs import Words
from kgate.documents.values import Unacceptable, accept
from kgate.model import Cluster
from kgate.policy.templates import Template

LabelWords = NewType("LabelWords", Words)
SeenName = NewType("SeenName", Template)
"""A name that goes upstream: no control characters, no edge whitespace; it may be a template."""


@frozen
class Members:
    """People. All keys must hold."""

    users: Words | None = None
    groups: Words | None = None
    issuers: Words | None = None
    robots: Words | None = None
    devices: Words | None = None

    def __attrs_post_init__(self) -> None:
        asked = any(getattr(self, each.name) is not None for each in fields(type(self)))
        accept(None if asked else Unacceptable("names nobody", 'write users: ["*"] for everyone'))


@frozen
class Who(Members):
    """``people`` are named sets of the policy: being in one of those listed, and in none of those excluded."""

    people: Words | None = None


@frozen
class Clusters:
    """All keys must hold."""

    names: Words | None = None
    labels: Mapping[str, LabelWords] | None = None

    def __attrs_post_init__(self) -> None:
        asked = any(getattr(self, each.name) is not None for each in fields(type(self)))
        empty = Unacceptable("asks nothing", "leave it out, or name a label", ("labels",)) if self.labels == {} else None
        accept(None if asked else Unacceptable("names no cluster", 'write names: ["*"] for all of them'), empty)

    def holds(self, cluster: Cluster, denies: bool) -> bool:
        """Whether ``cluster`` is meant. A label that it does not have fits no allow, and no deny but one that lists exceptions only."""
        if self.names is not None and not self.names.matches(cluster.name):
            return False
        labels = dict(cluster.labels)
        return all(
            asked.matches(labels[key]) if key in labels else (denies and asked.any(())) for key, asked in (self.labels or {}).items()
        )


@frozen
class RuleClusters(Clusters):
    """``sets`` are named sets of the policy, as ``people`` are."""

    sets: Words | None = None


@frozen
class NamedCluster:
    """A cluster that a rule or a set names as it is, and where: who knows which clusters there are can tell a slip."""

    name: str
    by: str
    file: str
    line: int


def sets_of(sets: Mapping[str, tuple[Clusters, ...]], cluster: Cluster, denies: bool) -> tuple[str, ...]:
    """The names of the sets that ``cluster`` is in."""
    return tuple(name for name, lists in sets.items() if any(each.holds(cluster, denies) for each in lists))


@frozen
class As:
    """Who the cluster sees."""

    user: SeenName | None = None
    groups: tuple[SeenName, ...] | None = None
    uid: SeenName | None = None
    extra: Mapping[str, tuple[SeenName, ...]] | None = None

    def __attrs_post_init__(self) -> None:
        foreign = [key for key in self.extra or {} if not re.fullmatch(r"[a-z0-9./_-]+", key)]
        accept(
            None if self.user or self.groups is not None or self.uid or self.extra else Unacceptable("says nothing", "name user or groups"),
            Unacceptable("has a key that is not in lower case", "Kubernetes reads these keys in lower case", ("extra",))
            if foreign
            else None,
        )
