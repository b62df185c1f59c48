"""``when`` and ``unless``: what a rule asks of the context.

Each kind of context is one file with one frozen class: how it is written, whether it holds, until when, and what to say where it does not. ``When``
lists them; adding one is a file and a line there.
"""

from __future__ import annotations

from typing import Protocol

from attrs import fields, frozen

from kgate.documents.values import Unacceptable, accept
from kgate.model import Ground, Reason
from kgate.policy.conditions import expression
from kgate.policy.conditions.authentication import Strength
from kgate.policy.conditions.client import UserAgents
from kgate.policy.conditions.device import DeviceState
from kgate.policy.conditions.facts import Facts
from kgate.policy.conditions.network import Networks
from kgate.policy.conditions.place import Countries, Systems
from kgate.policy.conditions.time import Time
from kgate.policy.question import Question


class Condition(Protocol):
    """One matcher of the context."""

    @property
    def ground(self) -> Ground:
        """Its word in the closed vocabulary."""

    def holds(self, asked: Question) -> bool | None:
        """Whether it holds; None where that is not known."""

    def edge(self, asked: Question) -> float | None:
        """The next instant at which ``holds`` may change by itself; None is never."""

    def miss(self, asked: Question) -> str:
        """Why it does not hold."""

    def hit(self, asked: Question) -> str:
        """That it holds, for an ``unless``."""


@frozen
class When:
    """All of them must hold."""

    time: Time | None = None
    network: Networks | None = None
    country: Countries | None = None
    asn: Systems | None = None
    device: DeviceState | None = None
    authentication: Strength | None = None
    user_agent: UserAgents | None = None
    facts: Facts | None = None
    expression: expression.Condition | None = None

    def __attrs_post_init__(self) -> None:
        accept(None if self.conditions else Unacceptable("asks nothing", "leave it out, or name time, network, country, device, facts …"))

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Those that are asked."""
        return tuple(value for value in (getattr(self, each.name) for each in fields(When)) if value is not None)


@frozen
class Conditions:
    """A rule's ``when`` and ``unless`` together."""

    when: tuple[Condition, ...] = ()
    unless: tuple[Condition, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.when or self.unless)

    def holds(self, asked: Question) -> bool | None:
        """All of ``when`` and not all of ``unless``; None where an unknown decides it."""
        met = every(self.when, asked)
        if met is False or not self.unless:
            return met
        barred = every(self.unless, asked)
        if barred is True:
            return False
        return None if barred is None else met

    def edge(self, asked: Question) -> float | None:
        """The next instant at which ``holds`` may change by itself."""
        edges = [edge for each in (*self.when, *self.unless) if (edge := each.edge(asked)) is not None]
        return min(edges, default=None)

    def misses(self, asked: Question) -> tuple[Reason, ...]:
        """Why the rule does not allow, as far as the context goes."""
        found = [Reason(each.ground, text=each.miss(asked)) for each in self.when if each.holds(asked) is not True]
        if self.unless and every(self.unless, asked) is not False:
            found += [Reason(each.ground, text=each.hit(asked)) for each in self.unless if each.holds(asked) is not False]
        return tuple(found)


def every(conditions: tuple[Condition, ...], asked: Question) -> bool | None:
    """Kleene's conjunction: False if one is, else None if one is not known."""
    result: bool | None = True
    for each in conditions:
        holds = each.holds(asked)
        if holds is False:
            return False
        if holds is None:
            result = None
    return result
