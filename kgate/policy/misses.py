"""The nearest miss: what a denied request lacked, said of the rule that came closest.

Only rules for this very caller are named: whoever is in none of a rule's groups learns neither its name nor its groups. Nearest is the rule that
fails by its context alone (the time, the network), then the one that fails in exactly one other thing; two or more things apart is "no rule allows
it". Computed only for denials, from the same bit sets as the decision.
"""

from __future__ import annotations

from kgate.model import Action, Context, Ground, Identity, Reason
from kgate.policy.details import listed, shown, unlike
from kgate.policy.facets import Bits
from kgate.policy.index import Clause, Index, resource_key
from kgate.policy.question import Question

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
    sets = dict(index.grounds(action))
    for ground in (None, *_PREFERENCE):
        if (ground is None or ground in sets) and (left := _common(concerned, sets, ground)):
            return _explain(_first(index, left, context), ground, Question(identity, action, context))
    return (Reason(Ground.NO_RULE, text="no rule allows it"),)


def denied_by(clause: Clause) -> Reason:
    """Which rule took it away."""
    return Reason(Ground.DENIED, clause.rule.name, f'rule "{clause.rule.name}" denies it')


def _common(concerned: Bits, sets: dict[Ground, Bits], but: Ground | None) -> Bits:
    for ground, satisfied in sets.items():
        if ground is not but:
            concerned &= satisfied
    return concerned


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
    value, asked = {
        Ground.NAMESPACE: (action.namespace, clause.entry.namespaces),
        Ground.NAME: (action.name, clause.entry.names),
        Ground.VERB: (action.verb, clause.entry.verbs),
        Ground.PATH: (action.path, clause.entry.paths),
    }[ground]
    if not value:
        return f"the request is for every {ground.value}, not {listed(asked.texts if asked else ())}"
    return unlike(ground.value, value, asked) if asked else f"{ground.value} is {shown(value)}"


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
    if clause.entry.actions is None:
        return f"{asked} is granted only by name, under actions"
    return unlike("action", asked, clause.entry.actions)
