"""``expression: '"leads" in identity.groups || !facts.incident.open'``: CEL for what the other matchers do not cover.

It sees the request and the facts, and no clock: what an expression says cannot change by itself but by a fact's age. For time there is ``time``. An
expression that fails (a fact that is not there, an index out of range) is unknown: it allows nothing and stops no deny.
"""

from __future__ import annotations

import re

from attrs import frozen

from kgate.expressions import Expression, Failed, Kind, Vocabulary
from kgate.model import Ground
from kgate.policy.conditions.facts import parsed
from kgate.policy.details import shown
from kgate.policy.question import Question

NAMES = {
    "identity.user": Kind.TEXT,
    "identity.groups": Kind.TEXTS,
    "identity.uid": Kind.TEXT,
    "identity.issuer": Kind.TEXT,
    "identity.robot": Kind.TEXT,
    "identity.acr": Kind.TEXT,
    "identity.amr": Kind.TEXTS,
    "identity.extra": Kind.MAPPING,
    "device.known": Kind.BOOLEAN,
    "device.name": Kind.TEXT,
    "device.compliant": Kind.BOOLEAN,
    "device.posture": Kind.MAPPING,
    "cluster.name": Kind.TEXT,
    "cluster.labels": Kind.MAPPING,
    "action.verb": Kind.TEXT,
    "action.operation": Kind.TEXT,
    "action.group": Kind.TEXT,
    "action.resource": Kind.TEXT,
    "action.subresource": Kind.TEXT,
    "action.namespace": Kind.TEXT,
    "action.name": Kind.TEXT,
    "action.container": Kind.TEXT,
    "action.command": Kind.TEXTS,
    "action.path": Kind.TEXT,
    "context.address": Kind.TEXT,
    "context.country": Kind.TEXT,
    "context.asn": Kind.NUMBER,
    "context.user_agent": Kind.TEXT,
    "facts": Kind.MAPPING,
}
"""Every name, as docs/policy.md lists them."""
_VOCABULARY = Vocabulary(NAMES)
_FACTS = re.compile(r"\bfacts\b")


@frozen
class Condition:
    """One expression."""

    expression: Expression
    by_facts: bool
    """Whether it looks at facts, so that their age counts."""
    ground = Ground.EXPRESSION

    def holds(self, asked: Question) -> bool | None:
        """Whether it is true; None where it fails."""
        found = self.expression.holds(values(asked))
        return None if isinstance(found, Failed) else found

    def edge(self, asked: Question) -> float | None:
        """The instant at which the first fact is too old."""
        if not self.by_facts:
            return None
        now = asked.context.now
        return min((fact.until for fact in asked.context.facts if fact.until is not None and fact.until > now), default=None)

    def miss(self, asked: Question) -> str:
        """Which expression, and what is wrong where it failed."""
        found = self.expression.holds(values(asked))
        name = f"expression {shown(self.expression.text)}"
        return f"{name} failed: {shown(found.text)}" if isinstance(found, Failed) else f"{name} is false"

    def hit(self, asked: Question) -> str:
        """That it is true, for an ``unless``."""
        found = self.expression.holds(values(asked))
        return self.miss(asked) if isinstance(found, Failed) else f"expression {shown(self.expression.text)} is true"


def condition(text: str) -> Condition:
    """The condition that ``text`` writes. Raises Unacceptable."""
    return Condition(_VOCABULARY.compile(text, Kind.BOOLEAN), _FACTS.search(text) is not None)


def values(asked: Question) -> dict[str, object]:
    """What the names stand for. What is not known is left out, so that an expression which asks for it fails."""
    who, what, where = asked
    device = who.device
    values: dict[str, object] = {
        "identity.user": who.user,
        "identity.groups": list(who.groups),
        "identity.uid": who.uid,
        "identity.issuer": who.issuer,
        "identity.robot": who.robot,
        "identity.acr": who.acr,
        "identity.amr": list(who.amr),
        "identity.extra": {key: list(each) for key, each in who.extra},
        "device.known": device is not None,
        "cluster.name": what.cluster.name,
        "cluster.labels": dict(what.cluster.labels),
        "action.verb": what.verb,
        "action.operation": what.operation.value if what.operation is not None else "",
        "action.group": what.api_group,
        "action.resource": what.resource,
        "action.subresource": what.subresource,
        "action.namespace": what.namespace,
        "action.name": what.name,
        "action.container": what.container,
        "action.command": list(what.command),
        "action.path": what.path,
        "context.address": where.address,
        "context.user_agent": where.user_agent,
        "facts": {fact.name: parsed(fact.value) for fact in where.facts if fact.until is None or fact.until > where.now},
    }
    if where.country:
        values["context.country"] = where.country
    if where.asn is not None:
        values["context.asn"] = where.asn
    if device is not None:
        values |= {"device.name": device.name, "device.posture": dict(device.posture)}
        if device.compliant is not None:
            values["device.compliant"] = device.compliant
    return values
