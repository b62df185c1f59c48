"""What may I, all of it? (``SelfSubjectRulesReview``, which ``kubectl auth can-i --list`` sends.)

The cluster lists what it grants to each face that the gate's rules give the caller; of that, what the policy allows under the same face is kept. A line
with a star that the policy allows only in part is taken apart into what the policy names outright. So every line that is told is true, and
not every truth is told: patterns inside patterns, conditions that turn, containers and commands, other authorizers. The answer says so
(``incomplete``), and names the question that has an exact answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product

from kgate.authorizers.interface import Overview
from kgate.exchange.inquiry import Reply
from kgate.exchange.own_reviews import OwnReview
from kgate.exchange.self_review import actions_of
from kgate.kube.access_review import Attributes, parse_rules_review
from kgate.kube.rules_review import OWN_RULES, Listed, ListedRule, read_list, render_list, render_question
from kgate.model import Cluster, Impersonation
from kgate.policy.resources import ResourceKey
from kgate.policy.rules import VERBS
from kgate.policy.visible import Face
from kgate.policy.well_known import CLUSTER_SCOPED

MOST_FACES = 8
MOST_LINES = 4000
"""Lines that are held against the policy: each costs microseconds."""
MOST_LOOKS = 250_000
"""How often a line of one list is held against a thing that the policy names: a cluster may list lines without end that grant nothing."""
TRUE_ANSWER = "a list cannot show all that kgate decides by; kubectl auth can-i VERB RESOURCE has a true answer"


class RulesReview(OwnReview):
    """See the module."""

    _namespace = ""
    _overview: Overview
    _lists: dict[Impersonation, Listed]
    _awaited: frozenset[Impersonation] = frozenset()

    def _examine(self, body: bytes, media: str) -> None:
        namespace = parse_rules_review(body, media)
        if namespace is None:
            self._refuse(400, "the body is no SelfSubjectRulesReview")
            return
        self._namespace, self._lists = namespace, {}
        self._overview = self._gate.overview(self)
        own = (Face(self.admitted.impersonate, frozenset(), frozenset()),)
        faces = {face.impersonate for face in (*self._overview.faces, *own)[:MOST_FACES]}
        self._awaited = frozenset(faces)
        for impersonate in faces:
            self._ask_cluster(
                OWN_RULES,
                render_question(namespace),
                impersonate,
                lambda reply, impersonate=impersonate: self._told(impersonate, reply),  # type: ignore[misc]
            )

    def _told(self, impersonate: Impersonation, reply: Reply) -> None:
        found = read_list(reply.body)
        if isinstance(found, str):
            self._refuse(502, f"{self._cluster} could not be asked: its answer is {found}")
            return
        self._lists[impersonate] = found
        if self._lists.keys() == self._awaited:
            kept = common(self._overview, self._lists, self.action.cluster, self._namespace)
            errors = dict.fromkeys([TRUE_ANSWER, *(each.incomplete for each in self._lists.values() if each.incomplete)])
            self._send(201, render_list(self._namespace, kept, "; ".join(errors)))


def common(overview: Overview, lists: dict[Impersonation, Listed], cluster: Cluster, namespace: str) -> list[ListedRule]:
    """What both allow, one line for each kind of thing."""
    things: dict[tuple[str, str, tuple[str, ...]], set[str]] = {}
    paths: dict[str, set[str]] = {}
    named = {face.impersonate: face for face in overview.faces}
    left = MOST_LINES
    for impersonate, listed in lists.items():
        face = named.get(impersonate, Face(impersonate, frozenset(), frozenset()))
        most = MOST_LOOKS // max(1, len(face.things), len(face.paths))
        for attributes, names in _lines(listed.rules[:most], face, namespace):
            left -= 1
            if left < 0:
                break
            if all(overview.seen_as(action) == impersonate for action in actions_of(attributes, cluster)):
                _keep(attributes, names, things, paths)
    rules = [ListedRule(_sorted(verbs), (group,), (resource,), names) for (group, resource, names), verbs in sorted(things.items())]
    return rules + [ListedRule(_sorted(verbs), paths=(path,)) for path, verbs in sorted(paths.items())]


def _keep(
    attributes: Attributes, names: tuple[str, ...], things: dict[tuple[str, str, tuple[str, ...]], set[str]], paths: dict[str, set[str]]
) -> None:
    if attributes.resource:
        resource = attributes.resource + (f"/{attributes.subresource}" if attributes.subresource else "")
        things.setdefault((attributes.group, resource, names), set()).add(attributes.verb)
    else:
        paths.setdefault(attributes.path, set()).add(attributes.verb)


def _lines(rules: Iterable[ListedRule], face: Face, namespace: str) -> Iterator[tuple[Attributes, tuple[str, ...]]]:
    """Each thing that a list grants, and whatever the policy names that it covers."""
    for rule in rules:
        for path, verb in product(rule.paths, rule.verbs):
            yield Attributes(verb, path=path), ()
        for verb, path in face.paths if rule.paths else ():
            if rule.covers_path(verb, path):
                yield Attributes(verb, path=path), ()
        for group, resource in product(rule.groups, rule.resources):
            for verb in _verbs(rule.verbs):
                yield _attributes(verb, group, resource, namespace), rule.names
        for verb, key in face.things if rule.resources else ():
            resource = key.resource + (f"/{key.subresource}" if key.subresource else "")
            if rule.covers(verb, key.group, resource) and (resource in rule.resources or not _outside_namespaces(key)):
                yield _attributes(verb, key.group, resource, namespace), rule.names


def _outside_namespaces(key: ResourceKey) -> bool:
    """A star of a list may be that of a namespace, which grants nothing outside of it."""
    return (key.group, key.resource) in CLUSTER_SCOPED


def _attributes(verb: str, group: str, resource: str, namespace: str) -> Attributes:
    name, _, subresource = resource.partition("/")
    return Attributes(verb, group, "", name, subresource, namespace)


def _verbs(verbs: tuple[str, ...]) -> Iterable[str]:
    """A star, and each verb that it is: the policy may allow some."""
    return ("*", *sorted(VERBS)) if "*" in verbs else verbs


def _sorted(verbs: set[str]) -> tuple[str, ...]:
    return ("*",) if "*" in verbs else tuple(sorted(verbs))
