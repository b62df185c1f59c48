"""Moments at which a rule's conditions are put to the test: one that meets all of them, and one for each further value that they list.

For ``samples``. An expression is not solved, and time is the caller's; everything else that ``when`` and ``request`` ask can be made.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_network
from itertools import islice
from typing import Any, TypeVar

from kgate.documents.globs import Selection
from kgate.model import Action, Context, Device, Fact, Grant, Identity, Pairs
from kgate.policy.conditions import When
from kgate.policy.conditions.facts import parsed
from kgate.policy.conditions.network import Networks
from kgate.policy.question import Question
from kgate.policy.resources import ResourceKey
from kgate.policy.rules import Rule

T = TypeVar("T")
ANYWHERE = "10.0.0.1"
PRIVATE_SYSTEM = 4_200_000_000
"""The first of the numbers that nobody has on the internet (RFC 6996)."""
FILLER = "x"
EACH = 8
"""Values of one list that are tried."""
_HOUR = 3600.0


def moments(rule: Rule, identity: Identity, action: Action, now: float) -> Iterator[Question]:
    """A moment of which nothing is known, then those that the rule speaks of."""
    yield Question(identity, action, Context(now, ANYWHERE))
    # known, and on nobody's list, so that an unless is certain not to hold
    elsewhere = Context(now, ANYWHERE, "sample", "ZZ", PRIVATE_SYSTEM, grants=_grants(rule, identity, action, now))
    met = Question(identity, action, elsewhere)
    met = _meeting(rule.when, met) if rule.when is not None else met
    yield met
    yield from _others(rule.when, met) if rule.when is not None else ()
    if rule.unless is not None:
        barred = _meeting(rule.unless, met)
        yield barred
        yield from _others(rule.unless, barred)


def words_of(selection: Selection[str] | Selection[ResourceKey] | None, everything: str = "other") -> list[str]:
    """Words that fit the list, then those that it excludes; ``everything`` is what stands for a star."""
    if selection is None:
        return []
    plain = [text for text in selection.texts if not text.startswith("!")] or ["*"]
    excluded = [text[1:] for text in selection.texts if text.startswith("!")]
    texts = (*plain[:EACH], *excluded[:EACH])
    return list(dict.fromkeys(everything if text == "*" else text.replace("*", FILLER) for text in texts))


def _meeting(when: When, asked: Question) -> Question:
    """The first value of everything that is asked."""
    identity, context = asked.identity, asked.context
    if when.device is not None:
        compliant = True if when.device.compliant is None else when.device.compliant
        name = identity.device.name if identity.device is not None else "device"
        identity = identity.but(device=Device(name, compliant, next(iter(_postures(when)), ())))
    if when.authentication is not None:
        strength = when.authentication
        acr, amr = (words_of(strength.acr) or [""])[0], tuple(words_of(strength.amr)[:1])
        identity = identity.but(acr=acr, amr=amr, authenticated_at=context.now)
    if when.facts is not None:
        context = context.but(facts=next(_facts(when)))
    for field, values in _lists(when):
        context = context.but(**{field: values[0]})
    return Question(identity, asked.action, context)


def _others(when: When, met: Question) -> Iterable[Question]:
    """Each further value, the rest as it was."""
    for field, values in _lists(when):
        for value in values[1:]:
            yield met._replace(context=met.context.but(**{field: value}))
    for facts in islice(_facts(when), 1, None):
        yield met._replace(context=met.context.but(facts=facts))
    device = met.identity.device
    for posture in _postures(when)[1:]:
        assert device is not None  # ``met`` has one where a posture is asked for
        yield met._replace(identity=met.identity.but(device=Device(device.name, device.compliant, posture)))
    if when.authentication is not None:
        for acr in words_of(when.authentication.acr)[1:]:
            yield met._replace(identity=met.identity.but(acr=acr))
        for amr in words_of(when.authentication.amr)[1:]:
            yield met._replace(identity=met.identity.but(amr=(amr,)))


def _postures(when: When) -> list[Pairs]:
    """The first value of each key together, then each other value of each key."""
    asked = {key: words_of(values) for key, values in (when.device.posture or {}).items()} if when.device is not None else {}
    return [tuple(sorted(each.items())) for each in _each_by_itself(asked)]


def _facts(when: When) -> Iterator[tuple[Fact, ...]]:
    """Likewise of each fact."""
    asked = {each.name: _fitting(parsed(each.value)) for each in when.facts.wanted} if when.facts is not None else {}
    for told in _each_by_itself(asked):
        yield tuple(Fact(name, json.dumps(value, sort_keys=True, ensure_ascii=False)) for name, value in sorted(told.items()))


def _fitting(wanted: object) -> list[Any]:
    """Values of a fact that are as wanted."""
    if isinstance(wanted, dict):
        return list(_each_by_itself({key: _fitting(value) for key, value in wanted.items()}))
    return wanted[:EACH] or [None] if isinstance(wanted, list) else [wanted]


def _each_by_itself(asked: Mapping[str, list[T]]) -> Iterator[dict[str, T]]:
    first = {key: values[0] for key, values in asked.items()}
    yield first
    for key, values in asked.items():
        for value in values[1:]:
            yield {**first, key: value}


def _lists(when: When) -> Iterator[tuple[str, list[Any]]]:
    """Fields of the context, and the values that the rule names."""
    if when.network is not None:
        yield "address", _addresses(when.network)
    if when.country is not None:
        yield "country", words_of(when.country.words)
    if when.asn is not None:
        yield "asn", [int(word) for word in words_of(when.asn.words) if word.isdigit()] or [0]
    if when.user_agent is not None:
        yield "user_agent", words_of(when.user_agent.words)


def _addresses(wanted: Networks) -> list[str]:
    """Both ends of each network, those that fit first: the beginning of one may be what another takes out of it."""
    spans = [ip_network(text.removeprefix("!")) for text in wanted.texts]
    return sorted(dict.fromkeys(str(each[end]) for each in spans for end in (0, -1)), key=lambda text: not wanted.contains(text))


def _grants(rule: Rule, identity: Identity, action: Action, now: float) -> tuple[Grant, ...]:
    if rule.request is None:
        return ()
    return (Grant("sample", identity.user, rule.name, action.cluster.name, begins=now, until=now + _HOUR, approvers=("approver",)),)
