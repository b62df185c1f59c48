"""Which entries a request leaves standing: every entry is one bit, every question one set of bits.

The entries of a policy are numbered, the denying ones first, then in the file's order. For each thing that a rule may ask (user, groups, cluster,
verb, resource, namespace, name …) a ``Facet`` gives, for the value at hand, the set of entries that it satisfies, as a Python integer used as a
bit set. Their intersection is what is left to look at, and its lowest bit is what comes first. So the cost of a decision is a handful of dictionary
lookups and ANDs, however many rules there are: a set of 10,000 bits is 1.25 KB, and an AND of two takes a tenth of a microsecond.

A facet is a dictionary of exact words beside the *distinct* patterns of all entries, each tried once per new value; what a value gives is kept,
bounded, until the policy is replaced. These memos are exact: a set depends on nothing but the policy and the value.

A request that does not say which one (a list over all namespaces, a create without a name in its URL) *spans*: it satisfies an allow only where the
list could not fail at all, and every deny, because the denied one may be among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

from attrs import frozen

from kgate.documents.globs import Pattern, Selection, Words
from kgate.model import GRANTED_BY_NAME, Action, Cluster, Decision, Ground, Identity, Operation
from kgate.policy.conditions import Conditions
from kgate.policy.details import Detail, split_proxy_name
from kgate.policy.resources import CLUSTER_SCOPED, ResourceKey
from kgate.policy.rules import Entry, Kind, Rule

K = TypeVar("K")
Bits = int
KEPT = 8192
"""Values remembered by each memo; it starts over when full."""
KEPT_LENGTH = 512
"""Longer values come from nobody but an attacker who fills memory."""
FEW = 16
"""Entries up to which a word keeps their numbers: 100,000 people in as many rules must not cost a set each."""
_SPANNING_VERBS = frozenset({"list", "watch", "deletecollection"})


def bits(numbers: Iterable[int]) -> Bits:
    """The set of ``numbers``."""
    numbers = list(numbers)
    field = bytearray(max(numbers, default=0) // 8 + 1)
    for number in numbers:
        field[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(field, "little")


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


Choice = Callable[[Clause], "Selection[K] | None"]


class _Listed(Generic[K]):
    """Exact values and patterns, each with the entries that list it: as a set where they are many, one by one where a set would waste memory."""

    def __init__(self, entries: Iterable[tuple[int, Iterable[K], Iterable[Pattern[K]]]]) -> None:
        exact: dict[K, list[int]] = {}
        patterns: dict[Pattern[K], list[int]] = {}
        for number, values, some_patterns in entries:
            for value in values:
                exact.setdefault(value, []).append(number)
            for pattern in some_patterns:
                patterns.setdefault(pattern, []).append(number)
        self._exact = {value: _packed(numbers) for value, numbers in exact.items()}
        self._patterns = {pattern: bits(numbers) for pattern, numbers in patterns.items()}

    def __bool__(self) -> bool:
        return bool(self._exact or self._patterns)

    def entries(self, values: Iterable[K]) -> Bits:
        """The entries that list one of ``values``."""
        found = 0
        for value in values:
            numbers = self._exact.get(value, 0)
            found |= numbers if isinstance(numbers, int) else bits(numbers)
            for pattern, entries in self._patterns.items():
                if pattern.matches(value):
                    found |= entries
        return found


def _packed(numbers: list[int]) -> Bits | tuple[int, ...]:
    return bits(numbers) if len(numbers) > FEW else tuple(numbers)


class Facet(Generic[K]):
    """One thing that entries ask. ``unasked``: entries that do not ask it satisfy it."""

    def __init__(self, clauses: Sequence[Clause], choose: Choice[K], *, unasked: bool) -> None:
        asked = [(number, clause, choose(clause)) for number, clause in enumerate(clauses)]
        listed = [(number, clause, selection) for number, clause, selection in asked if selection is not None]
        free = bits(number for number, _, selection in asked if selection is None) if unasked else 0
        self._listed = _Listed((number, selection.exact, selection.patterns) for number, _, selection in listed)
        self._excluded = _Listed((number, selection.excluded_exact, selection.excluded_patterns) for number, _, selection in listed)
        self._always = free | bits(number for number, _, selection in listed if not (selection.exact or selection.patterns))
        self._memo: dict[K, Bits] = {}
        self.spanning = free | bits(number for number, clause, selection in listed if selection.universal or clause.denies)
        """The entries that a request satisfies which does not say which one."""
        self.idle = not listed
        """No entry asks it."""

    def of(self, value: K) -> Bits:
        """The entries that ``value`` satisfies."""
        found = self._memo.get(value)
        if found is None:
            found = self.of_any((value,))
            if len(self._memo) >= KEPT:
                self._memo.clear()
            if len(str(value)) <= KEPT_LENGTH:
                self._memo[value] = found
        return found

    def of_any(self, values: Sequence[K]) -> Bits:
        """The entries that a set of values satisfies, not remembered."""
        included = self._always | self._listed.entries(values)
        return included & ~self._excluded.entries(values) if self._excluded else included


class Person:
    """What is remembered of one identity: the entries it satisfies, and the decisions that rules gave it."""

    __slots__ = ("grants", "standing")

    def __init__(self, standing: Bits) -> None:
        self.standing = standing
        self.grants: dict[int, Decision] = {}


class Index:
    """All facets of one policy."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.clauses = clauses = _clauses(rules)
        self.denying = bits(number for number, clause in enumerate(clauses) if clause.denies)
        self.all = (1 << len(clauses)) - 1
        self._kinds = {kind: bits(number for number, clause in enumerate(clauses) if clause.entry.kind is kind) for kind in Kind}
        self._people: dict[Identity, Person] = {}
        self._clusters: dict[Cluster, Bits] = {}
        self._actions: dict[Operation, Bits] = {}
        self._labelled = [clause for clause in clauses if clause.rule.clusters.labels]
        self._cluster_names = Facet(clauses, lambda clause: clause.rule.clusters.names, unasked=True)
        self._users = Facet(clauses, lambda clause: clause.rule.who.users, unasked=True)
        self._groups = Facet(clauses, lambda clause: clause.rule.who.groups, unasked=True)
        self._issuers = Facet(clauses, lambda clause: clause.rule.who.issuers, unasked=True)
        self._robots = Facet(clauses, lambda clause: clause.rule.who.robots, unasked=True)
        self._verbs = Facet(clauses, lambda clause: _words(clause.entry.verbs), unasked=False)
        self._paths = Facet(clauses, lambda clause: _words(clause.entry.paths), unasked=False)
        self._resources = Facet(
            clauses, lambda clause: clause.entry.resources if clause.entry.kind is Kind.RESOURCES else None, unasked=False
        )
        self._operations = Facet(clauses, lambda clause: _words(clause.entry.actions), unasked=False)
        self._targets = Facet(clauses, lambda clause: clause.entry.resources if clause.entry.kind is Kind.ACTIONS else None, unasked=True)
        self._namespaces = Facet(clauses, lambda clause: clause.entry.namespaces, unasked=True)
        self._names = Facet(clauses, lambda clause: clause.entry.names, unasked=True)

    def person(self, identity: Identity) -> Person:
        """What is known of ``identity``, found out where it is new."""
        person = self._people.get(identity)
        if person is None:
            if len(self._people) >= KEPT:
                self._people.clear()
            person = self._people[identity] = Person(self._of_identity(identity))
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
            (Ground.RESOURCE, self._resources.of(resource_key(action)) | by_action),
        ]

    def of_such_requests(self, action: Action) -> Bits:
        """The entries that are about this kind of request at all, so that one of them can have been missed."""
        if not action.resource:
            return self._kinds[Kind.PATHS]
        if action.operation not in GRANTED_BY_NAME:
            return self._kinds[Kind.RESOURCES] | (self._kinds[Kind.ACTIONS] if action.operation is not None else 0)
        meant = self._verbs.of(action.verb) & self._resources.of(resource_key(action))
        return meant | (self._kinds[Kind.ACTIONS] & self._targets.of(ResourceKey(action.api_group, action.resource, "")))

    def of_cluster(self, cluster: Cluster) -> Bits:
        """The entries of rules that mean this cluster."""
        found = self._clusters.get(cluster)
        if found is None:
            if len(self._clusters) >= KEPT:
                self._clusters.clear()
            meant = {id(clause.rule): clause.rule.clusters.holds(cluster, clause.denies) for clause in self._labelled}
            wrong = bits(number for number, clause in enumerate(self.clauses) if not meant.get(id(clause.rule), True))
            found = self._clusters[cluster] = self._cluster_names.of(cluster.name) & ~wrong
        return found

    def _of_identity(self, identity: Identity) -> Bits:
        return (
            self._users.of_any((identity.user,))
            & self._groups.of_any(identity.groups or ("",))
            & self._issuers.of_any((identity.issuer,))
            & self._robots.of_any((identity.robot,) if identity.robot else ())
        )

    def _of_kind(self, action: Action) -> Bits:
        """By verb and resource, or by the name of the action. A channel is granted only by the latter; a deny may take it either way."""
        operation = action.operation
        if operation is None:
            return self._verbs.of(action.verb) & self._resources.of(resource_key(action))
        if operation in GRANTED_BY_NAME:
            return self._of_operation(action) | self._channel_denies(action)
        return (self._verbs.of(action.verb) & self._resources.of(resource_key(action))) | self._of_operation(action)

    def _channel_denies(self, action: Action) -> Bits:
        """Clients open a channel by GET or POST alike, so a deny of either verb takes it."""
        verbs = self._verbs.of(action.verb) | self._verbs.of("get") | self._verbs.of("create")
        return verbs & self._resources.of(resource_key(action)) & self.denying

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
        if action.namespace or action.name or action.verb not in _SPANNING_VERBS or (action.api_group, action.resource) in CLUSTER_SCOPED:
            return self._namespaces.of(action.namespace)
        return self._namespaces.spanning

    def _of_name(self, action: Action) -> Bits:
        if not action.name:
            return self._names.spanning
        return self._names.of(split_proxy_name(action.name)[0] if action.operation is Operation.PROXY else action.name)


def resource_key(action: Action) -> ResourceKey:
    """The kind of thing that ``action`` is about."""
    return ResourceKey(action.api_group, action.resource, action.subresource)


def _words(words: Words | None) -> Words | None:
    return words


def _clauses(rules: Sequence[Rule]) -> tuple[Clause, ...]:
    """The entries of ``rules``, the denying ones first."""
    ordered = sorted(enumerate(rules), key=lambda each: not each[1].denies)
    return tuple(_clause(number, rule, entry) for number, rule in ordered for entry in rule.entries)


def _clause(number: int, rule: Rule, entry: Entry) -> Clause:
    details, conditions = entry.details(rule.denies), rule.conditions
    return Clause(number, rule, entry, rule.denies, details, conditions, not details and not conditions)
