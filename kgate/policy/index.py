"""Which entries a request leaves standing: every entry is one bit, every question one set of bits.

The entries of a policy are numbered, the denying ones first, then in the file's order. For each thing that a rule may ask (user, groups, cluster,
verb, resource, namespace, name …) a ``Facet`` gives, for the value at hand, the set of entries that it satisfies, as a Python integer used as a
bit set. Their intersection is what is left to look at, and its lowest bit is what comes first. So the cost of a decision is a handful of dictionary
lookups and ANDs, however many rules there are: a set of 10,000 bits is 1.25 KB, and an AND of two takes a tenth of a microsecond.

A request that does not say which one (a list over all namespaces, a create without a name in its URL) *spans*: it satisfies an allow only where the
list could not fail at all, and every deny, because the denied one may be among them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import frozen

from kgate.memory import remember
from kgate.model import GRANTED_BY_NAME, Action, Cluster, Decision, Ground, Identity, Limits, Operation, Reason
from kgate.policy.conditions import Conditions
from kgate.policy.details import Detail, split_proxy_name
from kgate.policy.facets import KEPT, Facet, facet, remember_short
from kgate.policy.listing import Bits, bits
from kgate.policy.parties import Clusters, LabelWords, Members, sets_of
from kgate.policy.people import People, PeopleSets
from kgate.policy.resources import ResourceKey
from kgate.policy.rules import Entry, Kind, Rule
from kgate.policy.well_known import spans_namespaces


@frozen(eq=False)
class Clause:
    """One entry of one rule, ready to be asked. ``number`` is the rule's place in the file."""

    number: int
    rule: Rule
    entry: Entry
    denies: bool
    details: tuple[Detail, ...]
    conditions: Conditions
    plain: bool
    """Nothing is left to ask beyond the index."""
    says: tuple[Reason, ...]
    """Where it decides. Made once, as are the limits: most people who come are new to a rule."""
    limits: Limits


class Person:
    """What is remembered of one identity: the entries it satisfies, and the decisions that rules gave it."""

    __slots__ = ("grants", "standing")

    def __init__(self, standing: Bits) -> None:
        self.standing = standing
        self.grants: dict[int, Decision] = {}


class Index:
    """All facets of one policy."""

    def __init__(
        self,
        rules: Sequence[Rule],
        people: Mapping[str, tuple[Members, ...]] | None = None,
        clusters: Mapping[str, tuple[Clusters, ...]] | None = None,
    ) -> None:
        self.clauses = clauses = _clauses(rules)
        self.denying = denying = bits(number for number, clause in enumerate(clauses) if clause.denies)
        self.all = (1 << len(clauses)) - 1
        self._kinds = {kind: bits(number for number, clause in enumerate(clauses) if clause.entry.kind is kind) for kind in Kind}
        self._people: dict[Identity, Person] = {}
        self._clusters: dict[Cluster, Bits] = {}
        self._actions: dict[Operation, Bits] = {}
        self._kinds_of_things: dict[tuple[str, str, str], Bits] = {}
        self._who = People([clause.rule.who for clause in clauses])
        self._people_sets = PeopleSets(people or {})
        self._in_people = facet([clause.rule.who.people for clause in clauses], unasked=True)
        self._labels = {key: Facet(asked, self.all & ~bits(asked), denying) for key, asked in _labels(clauses).items()}
        self._cluster_names = facet([clause.rule.clusters.names for clause in clauses], unasked=True)
        self._cluster_sets = clusters or {}
        self._in_clusters = facet([clause.rule.clusters.sets for clause in clauses], unasked=True)
        entries = [clause.entry for clause in clauses]
        self._verbs = facet([entry.verbs for entry in entries], denying, unasked=False)
        self._paths = facet([entry.paths for entry in entries], denying, unasked=False)
        self._resources = facet([entry.resources if entry.kind is Kind.RESOURCES else None for entry in entries], denying, unasked=False)
        self._operations = facet([entry.actions for entry in entries], denying, unasked=False)
        self._targets = facet([entry.resources if entry.kind is Kind.ACTIONS else None for entry in entries], denying, unasked=True)
        fixed = [entry.namespaces if entry.namespaces is not None and not entry.namespaces.templates else None for entry in entries]
        self._namespaces = facet(fixed, denying, unasked=True)
        self._names = facet([entry.names for entry in entries], denying, unasked=True)

    def person(self, identity: Identity) -> Person:
        """What is known of ``identity``, found out where it is new."""
        person = self._people.get(identity)
        if person is None:
            person = remember(self._people, identity, Person(self._of_identity(identity)), KEPT)
        return person

    def standing(self, person: Person, action: Action) -> Bits:
        """The entries that who, where and what leave standing."""
        left = person.standing & self.of_cluster(action.cluster)
        if not left:
            return 0
        if not action.resource:
            return left & self._verbs.of(action.verb) & self._paths.of(action.path)
        left &= self._of_kind(action)
        if left and not self._namespaces.idle:
            left &= self._of_namespace(action)
        if left and not self._names.idle:
            left &= self._of_name(action)
        return left

    def grounds(self, action: Action) -> list[tuple[Ground, Bits]]:
        """The same sets one by one, for saying what was missing. Their intersection with the person's is ``standing``."""
        found = [(Ground.CLUSTER, self.of_cluster(action.cluster))]
        if not action.resource:
            return [*found, (Ground.VERB, self._verbs.of(action.verb)), (Ground.PATH, self._paths.of(action.path))]
        found += [(Ground.NAMESPACE, self._of_namespace(action)), (Ground.NAME, self._of_name(action))]
        if action.operation in GRANTED_BY_NAME:
            return [*found, (Ground.ACTION, self._of_operation(action) | self._channel_denies(action))]
        by_action = self._of_operation(action)
        return [
            *found,
            (Ground.VERB, self._verbs.of(action.verb) | by_action),
            (Ground.RESOURCE, self._of_resource(action) | by_action),
        ]

    def of_such_requests(self, action: Action) -> Bits:
        """The entries that are about this kind of request at all, so that one of them can have been missed."""
        if not action.resource:
            return self._kinds[Kind.PATHS]
        if action.operation not in GRANTED_BY_NAME:
            return self._kinds[Kind.RESOURCES] | (self._kinds[Kind.ACTIONS] if action.operation is not None else 0)
        meant = self._verbs.of(action.verb) & self._of_resource(action)
        return meant | (self._kinds[Kind.ACTIONS] & self._targets.of(ResourceKey(action.api_group, action.resource, "")))

    def of_cluster(self, cluster: Cluster) -> Bits:
        """The entries of rules that mean this cluster."""
        found = self._clusters.get(cluster)
        if found is None:
            found = self._cluster_names.of(cluster.name) & self._of_cluster_sets(cluster) & self._of_labels(dict(cluster.labels))
            remember(self._clusters, cluster, found, KEPT)
        return found

    def _of_labels(self, labels: Mapping[str, str]) -> Bits:
        """A label that a cluster does not have fits no allow, and no deny but one that lists exceptions only."""
        found = self.all
        for key, asked in self._labels.items():
            found &= asked.of_any((labels[key],)) if key in labels else asked.of_any(()) & (asked.free | self.denying)
        return found

    def _of_cluster_sets(self, cluster: Cluster) -> Bits:
        if self._in_clusters.idle:
            return self.all
        allowing = self._in_clusters.of_any(sets_of(self._cluster_sets, cluster, denies=False)) & ~self.denying
        return allowing | (self._in_clusters.of_any(sets_of(self._cluster_sets, cluster, denies=True)) & self.denying)

    def _of_identity(self, identity: Identity) -> Bits:
        standing = self._who.of(identity)
        return standing if self._in_people.idle else standing & self._in_people.of_any(self._people_sets.of(identity))

    def _of_kind(self, action: Action) -> Bits:
        """By verb and resource, or by the name of the action. A channel is granted only by the latter; a deny may take it either way."""
        operation = action.operation
        if operation is None:
            return self._verbs.of(action.verb) & self._of_resource(action)
        if operation in GRANTED_BY_NAME:
            return self._of_operation(action) | self._channel_denies(action)
        return (self._verbs.of(action.verb) & self._of_resource(action)) | self._of_operation(action)

    def _channel_denies(self, action: Action) -> Bits:
        """Clients open a channel by GET or POST alike, so a deny of either verb takes it. The old ``/api/v1/proxy/…`` names no subresource."""
        verbs = self._verbs.of(action.verb) | self._verbs.of("get") | self._verbs.of("create")
        resources = self._of_resource(action)
        if action.verb == "proxy":
            resources |= self._resources.of(ResourceKey(action.api_group, action.resource, "proxy"))
        return verbs & resources & self.denying

    def _of_resource(self, action: Action) -> Bits:
        """Remembered under a plain tuple: a ``ResourceKey`` costs more to make than to look up."""
        asked = (action.api_group, action.resource, action.subresource)
        found = self._kinds_of_things.get(asked)
        if found is None:
            found = self._resources.of(ResourceKey(*asked))
            remember_short(self._kinds_of_things, asked, found)
        return found

    def _of_operation(self, action: Action) -> Bits:
        operation = action.operation
        if operation is None:
            return 0
        found = self._actions.get(operation)
        if found is None:
            # cp is an exec of tar: whoever may run anything may run that, and whoever may not exec may not copy either
            names = ("cp", "exec") if operation is Operation.CP else (operation.value,)
            found = self._actions[operation] = self._operations.of_any(names)
        return found & self._targets.of(ResourceKey(action.api_group, action.resource, ""))

    def _of_namespace(self, action: Action) -> Bits:
        return self._namespaces.spanning if spans_namespaces(action) else self._namespaces.of(action.namespace)

    def _of_name(self, action: Action) -> Bits:
        if not action.name:
            return self._names.spanning
        return self._names.of(split_proxy_name(action.name)[0] if action.operation is Operation.PROXY else action.name)


def resource_key(action: Action) -> ResourceKey:
    """The kind of thing that ``action`` is about."""
    return ResourceKey(action.api_group, action.resource, action.subresource)


def _clauses(rules: Sequence[Rule]) -> tuple[Clause, ...]:
    """The entries of ``rules``, the denying ones first."""
    ordered = sorted(enumerate(rules), key=lambda each: not each[1].denies)
    return tuple(_clause(number, rule, entry) for number, rule in ordered for entry in rule.entries)


def _labels(clauses: Sequence[Clause]) -> dict[str, dict[int, LabelWords]]:
    """By label, what the entries' rules ask of it."""
    found: dict[str, dict[int, LabelWords]] = {}
    for number, clause in enumerate(clauses):
        for key, values in (clause.rule.clusters.labels or {}).items():
            found.setdefault(key, {})[number] = values
    return found


def _clause(number: int, rule: Rule, entry: Entry) -> Clause:
    details, conditions = entry.details(rule.denies), rule.conditions
    says = Reason(
        Ground.DENIED if rule.denies else Ground.ALLOWED, rule.name, f'rule "{rule.name}" {"denies" if rule.denies else "allows"} it'
    )
    return Clause(number, rule, entry, rule.denies, details, conditions, not details and not conditions, (says,), rule.stream_limits)
