"""Who may do this, and what may somebody do: the rules read the other way round.

A policy does not know its people (groups come with their tokens), so ``who_can`` answers in its terms: the rules that allow a request, whom each is for,
and what it asks besides; and those that deny it, for whom. The sets and questions are ``evaluate``'s, only without the question who asks. Where an answer
depends on the person (their device, their own namespaces), it says so.
"""

from __future__ import annotations

from enum import Enum

from attrs import AttrsInstance, fields, frozen

from kgate.model import Action, Cluster, Context, Ground, Identity
from kgate.policy.conditions import When
from kgate.policy.evaluate import Policy, both, details_hold, is_discovery
from kgate.policy.explain import written, written_value
from kgate.policy.index import Clause
from kgate.policy.parties import Who
from kgate.policy.question import Question

NOBODY = Identity("")
_PERSONAL = frozenset({Ground.DEVICE, Ground.AUTHENTICATION, Ground.EXPRESSION, Ground.GRANT})
"""What cannot be said of nobody in particular."""


class Standing(Enum):
    """Whether a rule has its say at this moment."""

    NOW = "now"
    NOT_NOW = "not now"
    DEPENDS = "depends"


@frozen
class Reach:
    """One entry of one rule: for whom, on what, and what stands between."""

    rule: str
    denies: bool
    who: str
    clusters: str
    what: str
    when: str
    standing: Standing
    everyone: bool
    """Whether it is for whoever there is."""
    why: tuple[str, ...] = ()
    """What is missing at this moment, or what it depends on."""


def who_can(policy: Policy, action: Action, context: Context) -> tuple[Reach, ...]:
    """The entries that are about this request, the denying ones first, whoever asks. Of discovery, which is open to all, only those that deny it."""
    index = policy.index
    left = index.denying if is_discovery(action) else index.all
    for _, entries in index.grounds(action):
        left &= entries
    asked = Question(NOBODY, action, context)
    found = [_reach(index.clauses[number], asked) for number in range(len(index.clauses)) if left >> number & 1]
    return tuple(reach for reach in found if reach is not None)


def what_can(policy: Policy, identity: Identity, cluster: Cluster | None, context: Context) -> tuple[Reach, ...]:
    """The entries that concern ``identity``, on ``cluster`` or anywhere."""
    index = policy.index
    left = index.person(identity).standing
    if cluster is not None:
        left &= index.of_cluster(cluster)
    asked = Question(identity, Action(cluster or Cluster(""), "", "", "", ""), context)
    return tuple(_of_person(index.clauses[number], asked) for number in range(len(index.clauses)) if left >> number & 1)


def _reach(clause: Clause, asked: Question) -> Reach | None:
    """None where the entry is not about this request after all."""
    own = clause.entry.namespaces is not None and bool(clause.entry.namespaces.templates)
    details = details_hold(clause, asked)
    if details is False and not own:
        return None
    why = [each.miss(asked) for each in clause.details if each.holds(asked) is None]
    why += ["its namespaces are the caller's own"] if own else []
    return _judged(clause, asked, None if own else details, why)


def _of_person(clause: Clause, asked: Question) -> Reach:
    return _judged(clause, asked, True, [])


def _judged(clause: Clause, asked: Question, details: bool | None, why: list[str]) -> Reach:
    misses = clause.conditions.misses(asked)
    holds = both(details, clause.conditions.holds(asked))
    if holds is False and asked.identity is NOBODY and all(miss.ground in _PERSONAL for miss in misses):
        holds = None
    standing = Standing.DEPENDS if holds is None else Standing.NOW if holds else Standing.NOT_NOW
    why = why + [miss.text for miss in misses]
    rule = clause.rule
    when = "; ".join(filter(None, (_conditions("when", rule.when), _conditions("unless", rule.unless))))
    return Reach(
        rule.name, clause.denies, _all_of(rule.who), _all_of(rule.clusters), written(clause.entry), when, standing, _is_everyone(rule.who), tuple(why)
    )  # fmt: skip


def _is_everyone(who: Who) -> bool:
    words = [getattr(who, each.name) for each in fields(Who)]
    return all(each is None or each.universal for each in words)


def _all_of(asked: AttrsInstance) -> str:
    """``groups: developers, sre; issuers: tokens``."""
    values = [(each.name, getattr(asked, each.name)) for each in fields(type(asked))]
    return "; ".join(f"{name}: {written_value(value)}" for name, value in values if value is not None)


def _conditions(word: str, asked: When | None) -> str:
    if asked is None:
        return ""
    values = [(each.name, getattr(asked, each.name)) for each in fields(When)]
    return f"{word} " + ", ".join(_condition(name, value) for name, value in values if value is not None)


def _condition(name: str, value: object) -> str:
    """A condition that can be said shortly says itself; of another its name must do."""
    return f"{name} {value}" if type(value).__str__ is not object.__str__ else name
