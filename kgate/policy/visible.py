"""Which clusters somebody may see: those for which some rule could ever allow them something.

It decides nothing (a request is decided when it comes, with its context); it answers "which clusters are there for me?" in kubeconfigs and listings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from attrs import frozen

from kgate.model import Cluster, Identity, Impersonation, Operation
from kgate.policy.evaluate import Policy
from kgate.policy.impersonation import impersonation
from kgate.policy.index import Clause
from kgate.policy.resources import ResourceKey
from kgate.policy.rules import PATH_VERBS, VERBS, Entry, Rule
from kgate.policy.scope import is_for

T = TypeVar("T")


def may_see(policy: Policy, identity: Identity, cluster: Cluster) -> bool:
    """Whether some rule allows ``identity`` anything in ``cluster``, whatever its conditions."""
    index = policy.index
    return is_for(identity, cluster) and bool(index.person(identity).standing & index.of_cluster(cluster) & ~index.denying)


def offers(policy: Policy, identity: Identity, cluster: Cluster) -> tuple[Rule, ...]:
    """The rules of which ``identity`` could have a grant in ``cluster``, in the policy's order."""
    index = policy.index
    concerned = index.person(identity).standing & index.of_cluster(cluster) & ~index.denying if is_for(identity, cluster) else 0
    rules = {
        clause.number: clause.rule
        for number, clause in enumerate(index.clauses)
        if clause.rule.request is not None and concerned >> number & 1
    }
    return tuple(rules.values())


@frozen
class Face:
    """As whom a cluster sees somebody under some of the rules, and what those name outright (no patterns)."""

    impersonate: Impersonation
    things: frozenset[tuple[str, ResourceKey]]
    """Verb and resource."""
    paths: frozenset[tuple[str, str]]
    """Verb and path."""


def faces(policy: Policy, identity: Identity, cluster: Cluster) -> tuple[Face, ...]:
    """Every face of ``identity`` in ``cluster``, in the policy's order, whatever the rules' conditions."""
    index = policy.index
    concerned = index.person(identity).standing & index.of_cluster(cluster) & ~index.denying if is_for(identity, cluster) else 0
    found: dict[Impersonation, list[Clause]] = {}
    for number, clause in enumerate(index.clauses):
        seen = impersonation(clause.rule.as_, identity) if concerned >> number & 1 else None
        if isinstance(seen, Impersonation):
            found.setdefault(seen, []).append(clause)
    return tuple(
        Face(seen, frozenset(_each(clauses, _things)), frozenset(_each(clauses, _paths))) for seen, clauses in found.items()
    )  # fmt: skip


def _each(clauses: list[Clause], named: Callable[[Entry], Iterable[T]]) -> Iterable[T]:
    return (each for clause in clauses for each in named(clause.entry))


def _things(entry: Entry) -> Iterable[tuple[str, ResourceKey]]:
    if entry.actions is not None:
        return [
            ("get" if action is Operation.LOGS else "create", key) for action, key in _OPENED.items() if entry.actions.matches(action.value)
        ]
    keys = entry.resources.exact if entry.resources is not None else ()
    return [(verb, key) for key in keys for verb in _verbs(entry, VERBS)]


def _paths(entry: Entry) -> Iterable[tuple[str, str]]:
    return [(verb, path) for path in (entry.paths.exact if entry.paths is not None else ()) for verb in _verbs(entry, PATH_VERBS)]


def _verbs(entry: Entry, known: frozenset[str]) -> Iterable[str]:
    return (verb for verb in known if entry.verbs is not None and entry.verbs.matches(verb))


_OPENED = {
    Operation.EXEC: ResourceKey("", "pods", "exec"),
    Operation.ATTACH: ResourceKey("", "pods", "attach"),
    Operation.PORT_FORWARD: ResourceKey("", "pods", "portforward"),
    Operation.PROXY: ResourceKey("", "pods", "proxy"),
    Operation.LOGS: ResourceKey("", "pods", "log"),
    Operation.TOKEN: ResourceKey("", "serviceaccounts", "token"),
}
