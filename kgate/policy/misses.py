"""The nearest miss: what a denied request lacked, said of the rule that came closest.

Only rules for this very caller are named: whoever is in none of a rule's groups learns neither its name nor its groups. Nearest is the rule that
fails by its context alone (the time, the network), then the one that fails in exactly one other thing; two or more things apart is "no rule allows
it". Computed only for denials, from the same bit sets as the decision.
"""

from __future__ import annotations

from collections.abc import Callable

from kgate.documents.globs import Words
from kgate.model import Action, Context, Ground, Identity, Operation, Reason
from kgate.policy.details import listed, nothing_said, shown, unlike
from kgate.policy.index import Clause, Index, resource_key
from kgate.policy.listing import Bits
from kgate.policy.question import Question
from kgate.policy.rules import Entry

_PREFERENCE = (
    Ground.NAME, Ground.NAMESPACE, Ground.ACTION, Ground.VERB, Ground.PATH, Ground.RESOURCE, Ground.CLUSTER,
)  # fmt: skip
"""Which one missing thing is nearest: the narrower, the nearer."""


def nearest_miss(index: Index, identity: Identity, action: Action, context: Context) -> tuple[Reason, ...]:
    """Why nothing allowed this, in the words of the nearest rule."""
    concerned = index.person(identity).standing & index.all & ~index.denying
    if not concerned:
        return (Reason(Ground.WHO, text=f"no rule is for {shown(identity.user)}"),)
    concerned &= index.of_such_requests(action)
    found = _nearest(concerned, index.grounds(action))
    if found is None:
        return (Reason(Ground.NO_RULE, text="no rule allows it"),)
    left, ground = found
    return _explain(_first(index, left, context), ground, Question(identity, action, context))


def _nearest(concerned: Bits, grounds: list[tuple[Ground, Bits]]) -> tuple[Bits, Ground | None] | None:
    """The entries that satisfy every ground; where there are none, those that lack the nearest one alone, and which that is."""
    met, but_one = concerned, 0
    for _, satisfied in grounds:
        kept = met & satisfied
        but_one = (but_one & satisfied) | (met ^ kept)
        met = kept
    if met:
        return met, None
    for ground, satisfied in sorted(grounds, key=_preference) if but_one else ():
        left = but_one ^ (but_one & satisfied)
        if left:
            return left, ground
    return None


def _preference(ground: tuple[Ground, Bits]) -> int:
    return _PREFERENCE.index(ground[0])


def _first(index: Index, left: Bits, context: Context) -> Clause:
    """The first in the file; one that the caller had a grant for before any other, for they want to know what became of it."""
    granted = {grant.rule for grant in context.grants}
    rest = left if granted else 0
    while rest:
        lowest = rest & -rest
        clause = index.clauses[lowest.bit_length() - 1]
        if clause.rule.name in granted:
            return clause
        rest ^= lowest
    return index.clauses[(left & -left).bit_length() - 1]


def _explain(clause: Clause, ground: Ground | None, asked: Question) -> tuple[Reason, ...]:
    name = clause.rule.name
    found = [Reason(ground, name, miss(clause, ground, asked.action))] if ground is not None else []
    if ground is not Ground.ACTION:  # what the entry asks of other actions says nothing of this one
        found += [Reason(each.ground, name, each.miss(asked)) for each in clause.details if each.holds(asked) is not True]
    if clause.conditions:
        found += [Reason(each.ground, name, each.text) for each in clause.conditions.misses(asked)]
    return tuple(found)


def miss(clause: Clause, ground: Ground, action: Action) -> str:
    """Why the entry does not satisfy ``ground``, one of those that the index tells apart."""
    if ground is Ground.CLUSTER:
        return _cluster_miss(clause, action)
    if ground is Ground.ACTION:
        return _action_miss(clause, action)
    if ground is Ground.RESOURCE:
        return (
            f"resource is {shown(str(resource_key(action)))}, not {listed(clause.entry.resources.texts if clause.entry.resources else ())}"
        )
    value, asked = _VALUES[ground](action, clause.entry)
    if not value:
        return nothing_said(ground, action, listed(asked.texts if asked else ()))
    return unlike(ground.value, value, asked) if asked else f"{ground.value} is {shown(value)}"


_VALUES: dict[Ground, Callable[[Action, Entry], tuple[str, Words | None]]] = {
    Ground.NAMESPACE: lambda action, entry: (action.namespace, entry.namespaces),
    Ground.NAME: lambda action, entry: (action.name, entry.names),
    Ground.VERB: lambda action, entry: (action.verb, entry.verbs),
    Ground.PATH: lambda action, entry: (action.path, entry.paths),
}
"""What a request says, and what an entry asks of it."""


def _cluster_miss(clause: Clause, action: Action) -> str:
    clusters = clause.rule.clusters
    names, labels = clusters.names, clusters.labels or {}
    if clusters.sets is not None and clusters.holds(action.cluster, clause.denies):
        return f"cluster {shown(action.cluster.name)} is not in {listed(clusters.sets.texts)}"
    if names is not None and not names.matches(action.cluster.name):
        return unlike("cluster", action.cluster.name, names)
    asked = " and ".join(f"{key}: {listed(values.texts)}" for key, values in labels.items())
    return f"cluster {shown(action.cluster.name)} does not have the label {asked}"


def _action_miss(clause: Clause, action: Action) -> str:
    asked = action.operation.value if action.operation is not None else action.verb
    if action.operation is Operation.IMPERSONATE:
        asked = "impersonate (kubectl --as)"
    if clause.entry.actions is None:
        return f"{asked} is granted only by name, under actions"
    return unlike("action", asked, clause.entry.actions)
