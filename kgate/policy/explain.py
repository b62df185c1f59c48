"""A decision, rule by rule: what matched, what was missing, what came nearest, and what would have to change.

Nothing is decided here. The decision is ``evaluate``'s own; whether an entry matches is told by the same sets of the index and the same questions to
details and conditions (``details_hold``, ``both``, ``decides``) that ``evaluate`` asks, only of every entry and not of those up to the first answer.
So the first entry here that matches is the one that decided (tests/policy/test_explain.py holds that over generated cases).

This names every rule: it is for whoever may read the policy. What a denied person is told is ``misses``' business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import Enum

from attrs import fields, frozen

from kgate.model import Action, Context, Decision, Ground, Identity, Reason
from kgate.policy.details import listed, shown
from kgate.policy.evaluate import Policy, both, decides, details_hold, evaluate, is_discovery, refused
from kgate.policy.index import Clause
from kgate.policy.listing import Bits
from kgate.policy.misses import miss
from kgate.policy.question import Question
from kgate.policy.rules import Entry, Kind, Rule

MOST_EDGES = 64
"""Windows' edges that are looked past for the instant at which the answer changes by itself."""


class Verdict(Enum):
    """What a rule has to do with the decision."""

    DECIDED = "decides"
    OVERRULED = "matches, after the one that decides"
    MISSED = "does not match"


@frozen
class EntryView:
    """One entry of a rule: as written, and what was missing. Nothing missing is a match."""

    text: str
    matches: bool
    missing: tuple[Reason, ...] = ()

    @property
    def apart(self) -> int:
        """How far it is from matching."""
        return _FAR if any(reason.text.startswith(_ABOUT) for reason in self.missing) else len(self.missing)


_ABOUT = "it is about "
_FAR = 99
"""What is about other requests lacks everything."""


@frozen
class RuleView:
    """One rule, held against the request."""

    name: str
    denies: bool
    verdict: Verdict
    entries: tuple[EntryView, ...]

    @property
    def nearest(self) -> EntryView:
        """The entry that matches, or lacks least."""
        return min(self.entries, key=lambda entry: entry.apart)


@frozen
class Explanation:
    """The decision and every rule's part in it, in the order in which rules count: denying ones first."""

    decision: Decision
    rules: tuple[RuleView, ...]
    changes: tuple[str, ...]
    """Each by itself would make a denied request an allowed one, as far as one can say."""


def explain(policy: Policy, identity: Identity, action: Action, context: Context) -> Explanation:
    """The decision of ``evaluate`` on this, and why."""
    decision = evaluate(policy, identity, action, context)
    rules = _rules(policy, Question(identity, action, context), decision)
    return Explanation(decision, rules, tuple(_changes(policy, Question(identity, action, context), decision, rules)))


def next_change(policy: Policy, asked: Question, decision: Decision) -> tuple[float, Decision] | None:
    """When the answer turns by itself, nothing else changing, and what it is then; None where no edge is known that does it."""
    found, now = decision, asked.context.now
    for _ in range(MOST_EDGES):
        if found.until is None or found.until <= now:
            return None
        now = found.until
        found = evaluate(policy, asked.identity, asked.action, asked.context.but(now=now))
        if found.allowed is not decision.allowed:
            return now, found
    return None


def written(entry: Entry) -> str:
    """An entry on one line: ``verbs: get, list; resources: pods``."""
    values = [(each.name, getattr(entry, each.name)) for each in fields(Entry)]
    return "; ".join(f"{name}: {written_value(value)}" for name, value in values if value is not None)


def _rules(policy: Policy, asked: Question, decision: Decision) -> tuple[RuleView, ...]:
    index = policy.index
    who = index.person(asked.identity).standing
    grounds = index.grounds(asked.action)
    settled = refused(asked.identity, asked.action, asked.context) is not None
    discovery = is_discovery(asked.action)
    found: dict[int, tuple[Rule, list[EntryView]]] = {}
    for number, clause in enumerate(index.clauses):
        view = _entry(clause, _missing(clause, 1 << number, who, grounds, asked), asked)
        found.setdefault(clause.number, (clause.rule, []))[1].append(view)
    views: list[RuleView] = []
    for rule, entries in found.values():
        matches = any(entry.matches for entry in entries)
        open_to_all = discovery and not rule.denies
        decided = matches and not settled and not open_to_all and not any(view.verdict is Verdict.DECIDED for view in views)
        verdict = Verdict.DECIDED if decided else Verdict.OVERRULED if matches else Verdict.MISSED
        views.append(RuleView(rule.name, rule.denies, verdict, tuple(entries)))
    return tuple(views)


def _missing(clause: Clause, bit: Bits, who: Bits, grounds: list[tuple[Ground, Bits]], asked: Question) -> list[Reason]:
    """What the index says is missing."""
    name = clause.rule.name
    found = [] if who & bit else [Reason(Ground.WHO, name, f"{shown(asked.identity.user)} is not among its {_who(clause.rule)}")]
    lacking = [ground for ground, entries in grounds if not entries & bit]
    if lacking and _is_about_others(clause.entry, asked.action):
        return [*found, Reason(_GROUND_OF[clause.entry.kind], name, _ABOUT + clause.entry.kind.value)]
    return found + [Reason(ground, name, miss(clause, _said_of(clause, ground), asked.action)) for ground in lacking]


def _said_of(clause: Clause, ground: Ground) -> Ground:
    """A deny takes a channel by its resource too, so that is what it lacks."""
    return Ground.RESOURCE if ground is Ground.ACTION and clause.denies and clause.entry.kind is Kind.RESOURCES else ground


def _is_about_others(entry: Entry, action: Action) -> bool:
    """Whether the entry is about another kind of request, so that it lacks everything."""
    if not action.resource or entry.kind is Kind.PATHS:
        return bool(action.resource) or entry.kind is not Kind.PATHS
    return entry.kind is Kind.ACTIONS and action.operation is None


_GROUND_OF = {Kind.PATHS: Ground.PATH, Kind.ACTIONS: Ground.ACTION, Kind.RESOURCES: Ground.RESOURCE}


def _entry(clause: Clause, missing: list[Reason], asked: Question) -> EntryView:
    holds = details_hold(clause, asked)
    if clause.conditions:
        holds = both(holds, clause.conditions.holds(asked))
    matches = not missing and decides(clause, holds)
    if not matches:
        name = clause.rule.name
        if not any(reason.ground in _OTHER_REQUESTS for reason in missing):
            missing = missing + [Reason(each.ground, name, each.miss(asked)) for each in clause.details if each.holds(asked) is not True]
        missing = missing + [Reason(each.ground, name, each.text) for each in clause.conditions.misses(asked)]
    return EntryView(written(clause.entry), matches, () if matches else tuple(missing))


_OTHER_REQUESTS = frozenset({Ground.ACTION, Ground.RESOURCE, Ground.PATH})
"""An entry that is about something else says nothing of this request's container, command or port."""


def _changes(policy: Policy, asked: Question, decision: Decision, rules: tuple[RuleView, ...]) -> Iterable[str]:
    if decision.allowed:
        return
    turn = next_change(policy, asked, decision)
    if turn is not None:
        yield f"nothing but time: {_by(turn[1])} allows it from {_instant(turn[0])} on"
    allows = [view for view in rules if not view.denies]
    granted = next((view for view in allows if view.verdict is not Verdict.MISSED), None)
    denying = [view.name for view in rules if view.denies and view.verdict is not Verdict.MISSED]
    if refused(asked.identity, asked.action, asked.context) is not None:
        yield " and ".join(reason.text for reason in decision.reasons)
    elif denying:
        but = f', for rule "{granted.name}" allows it' if granted else ", and another must allow it"
        yield f"{_rules_named(denying)} must not deny it{but}"
    elif granted is None:
        yield from (_lacking(view) for view in _nearest(allows, decision)[:3] if view.nearest.apart < _FAR)


def _nearest(allows: list[RuleView], decision: Decision) -> list[RuleView]:
    """The rule that the person was told of first, then those that lack least."""
    told = decision.reasons[0].rule if decision.reasons else ""
    return sorted(allows, key=lambda view: (view.name != told, view.nearest.apart))


def _lacking(view: RuleView) -> str:
    return f'rule "{view.name}" would allow it, but {" and ".join(reason.text for reason in view.nearest.missing)}'


def _rules_named(names: list[str]) -> str:
    quoted = [f'"{name}"' for name in names]
    return f"rule {quoted[0]}" if len(quoted) == 1 else f"rules {listed(tuple(quoted))}"


def _by(decision: Decision) -> str:
    return f'rule "{decision.rule}"' if decision.rule else "the policy"


def _who(rule: Rule) -> str:
    asked = [(each.name, getattr(rule.who, each.name)) for each in fields(type(rule.who))]
    return " and ".join(f"{name} {written_value(value)}" for name, value in asked if value is not None)


def written_value(value: object) -> str:
    """What stands beside a key, on one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={each}" for key, each in value.items())
    if isinstance(value, tuple):
        return ", ".join(f"{each[0]}-{each[1]}" if isinstance(each, tuple) and each[0] != each[1] else _plain(each) for each in value)
    return str(value)


def _plain(value: object) -> str:
    return str(value[0]) if isinstance(value, tuple) else str(value)


def _instant(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).strftime("%a %Y-%m-%d %H:%M:%S UTC")
