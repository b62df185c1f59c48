"""``facts: {incident: {open: false}, freeze: [none, soft]}``: what holds in the world, as a file, a service or a signed message told the gate.

A fact is any JSON. What a rule writes beside its name must fit it: a mapping key by key, a list as "any of these", anything else by being equal. A
fact that nobody told, that is too old, or that lacks a key is unknown.
"""

from __future__ import annotations

import json
from functools import lru_cache

from attrs import frozen

from kgate.documents.values import Unacceptable, fact_name
from kgate.model import Context, Fact, Ground
from kgate.policy.details import shown
from kgate.policy.question import Question


@frozen
class Wanted:
    """One fact, and what it must be, as JSON."""

    name: str
    value: str

    def __str__(self) -> str:
        return f"{self.name} is {shown(self.value)}"


@frozen
class Facts:
    """All of them must hold."""

    wanted: tuple[Wanted, ...]
    ground = Ground.FACT

    def holds(self, asked: Question) -> bool | None:
        """Whether each is as wanted."""
        answers = [self._holds(each, asked.context) for each in self.wanted]
        return False if False in answers else None if None in answers else True

    def edge(self, asked: Question) -> float | None:
        """The instant at which the first of them is too old."""
        known = (known_fact(asked.context, each.name) for each in self.wanted)
        return min((fact.until for fact in known if fact is not None and fact.until is not None), default=None)

    def miss(self, asked: Question) -> str:
        """Which fact, and what it is instead."""
        return next((self._words(each, asked.context) for each in self.wanted if self._holds(each, asked.context) is not True), "")

    def hit(self, asked: Question) -> str:
        """That they are so, for an ``unless``."""
        unknown = [each for each in self.wanted if self._holds(each, asked.context) is None]
        return self._words(unknown[0], asked.context) if unknown else f"fact {' and '.join(map(str, self.wanted))}"

    @staticmethod
    def _holds(wanted: Wanted, context: Context) -> bool | None:
        fact = known_fact(context, wanted.name)
        return _fits(parsed(wanted.value), parsed(fact.value)) if fact is not None else None

    @staticmethod
    def _words(wanted: Wanted, context: Context) -> str:
        fact = known_fact(context, wanted.name)
        if fact is None:
            return f"fact {wanted.name} is not known"
        return f"fact {wanted.name} is {shown(fact.value)}, not {shown(wanted.value)}"


def known_fact(context: Context, name: str) -> Fact | None:
    """The fact, where it is known and not too old."""
    for fact in context.facts:
        if fact.name == name:
            return fact if fact.until is None or fact.until > context.now else None
    return None


def facts(written: dict[str, object]) -> Facts:
    """What a rule writes. Raises Unacceptable where it is nothing."""
    if not written:
        raise Unacceptable("asks nothing", "name a fact and what it must be: {incident: {open: false}}")
    for name, value in written.items():
        fact_name(name)
        if value is None or value == {} or value == []:
            raise Unacceptable("does not say what it must be", "write a value, a list of values, or keys with values", (name,))
    return Facts(tuple(Wanted(name, json.dumps(value, sort_keys=True, ensure_ascii=False)) for name, value in written.items()))


@lru_cache(maxsize=1024)
def parsed(value: str) -> object:
    """The JSON in a ``Fact``; to be read only."""
    return json.loads(value)


def _fits(wanted: object, found: object) -> bool | None:
    if isinstance(wanted, dict):
        if not isinstance(found, dict):
            return None
        answers = [_fits(value, found[key]) if key in found else None for key, value in wanted.items()]
        return False if False in answers else None if None in answers else True
    if isinstance(wanted, list):
        return any(_same(each, found) for each in wanted)
    return _same(wanted, found)


def _same(wanted: object, found: object) -> bool:
    """JSON's equality: true is not 1."""
    return wanted == found and isinstance(wanted, bool) == isinstance(found, bool)
