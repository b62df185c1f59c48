"""Requests that a policy's own rules and tests suggest: for each entry somebody whom it is for, asking for what it lists.

Each key of an entry is varied by itself, the others held at their first value; a glob is stood for by a word that fits it. Each request is asked at the
given moment with nothing known, where the rule's conditions hold (``moments``), and at the next edge of time. Not proof of anything, but where two
policies differ in what is written, one of these usually shows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from attrs import evolve

from kgate.documents.globs import Words
from kgate.model import Action, Cluster, Device, Identity, Operation
from kgate.policy.cases import Asker, Case, Circumstances, Deed, Expectation, Port
from kgate.policy.details import Argv
from kgate.policy.evaluate import Policy, evaluate
from kgate.policy.moments import FILLER, moments, words_of
from kgate.policy.question import Question
from kgate.policy.rules import Entry, Kind, Rule

MOST = 200_000
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
                    yield from _moments(policy, rule, identity, action, now)


def _moments(policy: Policy, rule: Rule, identity: Identity, action: Action, now: float) -> Iterator[Question]:
    """Those of the rule, and the next edge of time of each."""
    for asked in moments(rule, identity, action, now):
        yield asked
        edge = evaluate(policy, *asked).until
        if edge is not None and now < edge < now + _DISTANT:
            yield asked._replace(context=asked.context.but(now=edge))


def _people(rule: Rule) -> list[Identity]:
    who = rule.who
    users, groups = words_of(who.users) or [FILLER], words_of(who.groups)
    issuer, robot = (words_of(who.issuers) or [""])[0], (words_of(who.robots) or [""])[0]
    device = next((Device(name) for name in words_of(who.devices)), None)
    found = [Identity(user, tuple(groups[:1]), issuer=issuer, robot=robot, device=device) for user in users]
    return found + [Identity(users[0], (group,), issuer=issuer, robot=robot, device=device) for group in groups[1:]]


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
    labels = {key: words_of(values) or [FILLER] for key, values in (rule.clusters.labels or {}).items()}
    first = {key: values[0] for key, values in labels.items()}
    for name in words_of(rule.clusters.names) or [FILLER]:
        yield Cluster(name, tuple(sorted(first.items())))
    for key, values in labels.items():
        for value in values[1:]:
            yield Cluster((words_of(rule.clusters.names) or [FILLER])[0], tuple(sorted({**first, key: value}.items())))


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
        return {"verb": [*words_of(entry.verbs, "get")], "path": [*words_of(entry.paths, "/x")]}
    if entry.kind is Kind.ACTIONS:
        asked: dict[str, list[Any]] = {"action": _operations(entry.actions)}
    else:
        asked = {"verb": [*words_of(entry.verbs, "get")]}
    resources = [*words_of(entry.resources, "pods")]
    return {
        **asked,
        "resource": [text for text in resources if "/" not in text or entry.kind is Kind.RESOURCES] if entry.resources else [],
        "namespace": [*words_of(entry.namespaces)] or [FILLER],
        "name": [*words_of(entry.names)],
        "container": [*words_of(entry.containers)],
        "command": [_command(each) for each in entry.commands or ()],
        "ports": [(Port(span[0]),) for span in entry.ports or ()],
        "label_selector": _selectors(entry.label_selector),
        "field_selector": _selectors(entry.field_selector),
    }


def _operations(actions: Words | None) -> list[Operation]:
    """Those that are meant, then the others."""
    return sorted(Operation, key=lambda each: actions is None or not actions.matches(each.value))


def _selectors(asked: Mapping[str, Words] | None) -> list[str]:
    """``app=web,tier=front``: the first value of each key."""
    return [",".join(f"{key}={words_of(values)[0]}" for key, values in asked.items())] if asked else []


def _command(argv: Argv) -> tuple[str, ...]:
    return tuple(each if isinstance(each, str) else each.text.replace("*", FILLER) for each in argv.arguments) + (
        (FILLER,) if argv.rest else ()
    )
