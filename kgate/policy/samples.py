"""Requests that a policy's own rules and tests suggest: for each entry somebody whom it is for, asking for what it lists.

Each key of an entry is varied by itself, the others held at their first value; a glob is stood for by a word that fits it. Each request is asked at the given
moment, at the next edge of time, with a device that is compliant and without any. Not proof of anything, but where two policies differ in what is
written, one of these usually shows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from attrs import evolve

from kgate.documents.globs import Selection
from kgate.model import Action, Cluster, Context, Device, Identity, Operation
from kgate.policy.cases import Asker, Case, Circumstances, Deed, Expectation, Port
from kgate.policy.details import Argv
from kgate.policy.evaluate import Policy, evaluate
from kgate.policy.question import Question
from kgate.policy.resources import ResourceKey
from kgate.policy.rules import Entry, Kind, Rule

MOST = 200_000
EACH = 8
"""Values of one key that are tried."""
FILLER = "x"
_OTHER = "other"
_DISTANT = 14 * 86400.0


def samples(policy: Policy, now: float) -> Iterator[Question]:
    """At most ``MOST``; those of the tests first."""
    return islice(_all(policy, now), MOST)


def _all(policy: Policy, now: float) -> Iterator[Question]:
    for placed in policy.tests:
        yield Question(*placed.case.question())
    for rule in policy.rules:
        for entry in rule.entries:
            for identity in _people(rule):
                for action in _actions(rule, entry):
                    yield from _moments(policy, identity, action, now)


def _moments(policy: Policy, identity: Identity, action: Action, now: float) -> Iterator[Question]:
    context = Context(now, "10.0.0.1")
    yield Question(identity, action, context)
    yield Question(evolve(identity, device=Device("laptop", True)), action, context)
    edge = evaluate(policy, identity, action, context).until
    if edge is not None and now < edge < now + _DISTANT:
        yield Question(identity, action, evolve(context, now=edge))


def _people(rule: Rule) -> list[Identity]:
    who = rule.who
    users, groups = _words(who.users) or [FILLER], _words(who.groups)
    issuer, robot = (_words(who.issuers) or [""])[0], (_words(who.robots) or [""])[0]
    found = [Identity(user, tuple(groups[:1]), issuer=issuer, robot=robot) for user in users]
    return found + [Identity(users[0], (group,), issuer=issuer, robot=robot) for group in groups[1:]]


def _actions(rule: Rule, entry: Entry) -> Iterator[Action]:
    clusters = list(_clusters(rule))
    deeds = list(_deeds(entry, clusters[0]))
    for deed in deeds:
        yield _action(deed)
    for cluster in clusters[1:]:
        yield _action(evolve(deeds[0], cluster=cluster.name, labels=dict(cluster.labels)))


def _action(deed: Deed) -> Action:
    return Case(Asker(""), deed, Expectation.ALLOW, Circumstances()).question()[1]


def _clusters(rule: Rule) -> Iterator[Cluster]:
    labels = {key: _words(values) or [FILLER] for key, values in (rule.clusters.labels or {}).items()}
    first = {key: values[0] for key, values in labels.items()}
    for name in _words(rule.clusters.names) or [FILLER]:
        yield Cluster(name, tuple(sorted(first.items())))
    for key, values in labels.items():
        for value in values[1:]:
            yield Cluster((_words(rule.clusters.names) or [FILLER])[0], tuple(sorted({**first, key: value}.items())))


def _deeds(entry: Entry, cluster: Cluster) -> Iterator[Deed]:
    """The first value of each key together, then each other value of each key."""
    keys = {name: values for name, values in _values(entry).items() if values}
    first = {name: values[0] for name, values in keys.items()}
    made = Deed(cluster.name, dict(cluster.labels), **first)
    yield made
    for name, values in keys.items():
        for value in values[1:]:
            yield evolve(made, **{name: value})


def _values(entry: Entry) -> dict[str, list[Any]]:
    if entry.kind is Kind.PATHS:
        return {"verb": [*_words(entry.verbs, "get")], "path": [*_words(entry.paths, "/x")]}
    if entry.kind is Kind.ACTIONS:
        asked: dict[str, list[Any]] = {"action": [Operation(word) for word in _words(entry.actions, "exec")]}
    else:
        asked = {"verb": [*_words(entry.verbs, "get")]}
    resources = [*_words(entry.resources, "pods")]
    return {
        **asked,
        "resource": [text for text in resources if "/" not in text or entry.kind is Kind.RESOURCES] if entry.resources else [],
        "namespace": [*_words(entry.namespaces)] or [FILLER],
        "name": [*_words(entry.names)],
        "container": [*_words(entry.containers)],
        "command": [_command(each) for each in entry.commands or ()],
        "ports": [(Port(span[0]),) for span in entry.ports or ()],
    }


def _command(argv: Argv) -> tuple[str, ...]:
    return tuple(each if isinstance(each, str) else each.text.replace("*", FILLER) for each in argv.arguments) + (
        (FILLER,) if argv.rest else ()
    )


def _words(selection: Selection[str] | Selection[ResourceKey] | None, everything: str = _OTHER) -> list[str]:
    """Words that fit the list, then those that it excludes; ``everything`` is what stands for a star."""
    if selection is None:
        return []
    plain = [text for text in selection.texts if not text.startswith("!")] or ["*"]
    excluded = [text[1:] for text in selection.texts if text.startswith("!")]
    return list(dict.fromkeys(_word(text, everything) for text in (*plain[:EACH], *excluded[:EACH])))


def _word(text: str, everything: str) -> str:
    return everything if text == "*" else text.replace("*", FILLER)
