"""What changes from one policy to another: in its rules as written, and in decisions.

The rules are compared as plain data, by name, so that a change of notation that means the same still shows. Decisions are compared on samples that both
policies' own rules and tests suggest (``samples``): for each entry somebody whom it is for, asking for something that it lists. A difference that no rule
hints at is for ``replay`` to find.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from enum import Enum

from attrs import define, frozen

from kgate.documents.reading import read_mapping
from kgate.model import Decision
from kgate.policy.evaluate import Policy, evaluate
from kgate.policy.load import split
from kgate.policy.question import Question
from kgate.policy.samples import samples


class Edit(Enum):
    """What happened to a rule or a named set."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    MOVED = "moved"


@frozen
class RuleEdit:
    """``keys`` are what changed: name, before, after, as JSON; empty text is nothing."""

    edit: Edit
    what: str
    """``rule`` or ``people``, ``clusters`` for a named set."""
    name: str
    keys: tuple[tuple[str, str, str], ...] = ()


@define
class Shift:
    """Samples that come out otherwise in the same way, and one of them."""

    before: Decision
    after: Decision
    example: Question
    count: int = 0


def edits(old: Policy, new: Policy) -> tuple[RuleEdit, ...]:
    """What was written otherwise, in the order of the new policy, what is gone last."""
    found: list[RuleEdit] = []
    for what in ("rule", "people", "clusters"):
        before, after = _written(old, what), _written(new, what)
        found += [_edit(what, name, before.get(name), after.get(name)) for name in after if before.get(name) != after[name]]
        found += [RuleEdit(Edit.REMOVED, what, name) for name in before if name not in after]
        found += [RuleEdit(Edit.MOVED, what, name) for name in _moved(list(before), list(after)) if what == "rule"]
    return tuple(found)


def shifts(old: Policy, new: Policy, now: float) -> list[Shift]:
    """How decisions on samples come out otherwise, by the rules that decided them. Other words for the same answer are no difference."""
    found: dict[tuple[bool, str, str], Shift] = {}
    for asked in _asked(old, new, now):
        before, after = evaluate(old, *asked), evaluate(new, *asked)
        if before.allowed is not after.allowed or before.impersonate != after.impersonate:
            key = before.allowed, before.rule, after.rule
            found.setdefault(key, Shift(before, after, asked)).count += 1
    return list(found.values())


def _asked(old: Policy, new: Policy, now: float) -> Iterator[Question]:
    seen: set[Question] = set()
    for policy in (old, new):
        for asked in samples(policy, now):
            if asked not in seen:
                seen.add(asked)
                yield asked


def _written(policy: Policy, what: str) -> dict[str, Mapping[str, object]]:
    """Rules or sets by name, as plain data."""
    found: dict[str, Mapping[str, object]] = {}
    for file, text in split(policy.source, policy.file):
        root = read_mapping(text, file, [])
        if what == "rule":
            found |= {rule["name"]: rule for rule in root.get("rules") or ()}
        else:
            found |= {name: {"members": members} for name, members in (root.get(what) or {}).items()}
    return found


def _edit(what: str, name: str, before: Mapping[str, object] | None, after: Mapping[str, object] | None) -> RuleEdit:
    if before is None or after is None:
        return RuleEdit(Edit.ADDED, what, name)
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return RuleEdit(Edit.CHANGED, what, name, tuple((key, _json(before.get(key)), _json(after.get(key))) for key in keys))


def _json(value: object) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _moved(before: list[str], after: list[str]) -> list[str]:
    """Rules that come before others than they did: the first allow that matches counts, so the order does."""
    kept = [name for name in after if name in before]
    order = [name for name in before if name in after]
    moved = []
    while kept != order:
        # whoever stands furthest from its old place went
        name = max(kept, key=lambda each: abs(kept.index(each) - order.index(each)))
        moved.append(name)
        kept.remove(name)
        order.remove(name)
    return moved
