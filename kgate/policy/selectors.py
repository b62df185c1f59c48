"""``label_selector`` and ``field_selector`` of an entry: the request's own selector must confine it to what the entry names.

``label_selector: {team: [shop, pay-*]}`` is met by a list, watch or deletecollection whose label selector leaves only such values of ``team``
possible (``team=shop``, ``team in (shop,pay-eu)``). A request that names one object has no label selector, so its labels are not known. The fields
``metadata.name`` and ``metadata.namespace`` are known from the path too.

The readings here are narrower than the API server's: what is not plain (a backslash, a key that occurs nowhere in a plain term) confines nothing.
So a selector that they do not understand allows nothing and stops no deny.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from attrs import frozen

from kgate.documents.globs import Words
from kgate.model import Action, Ground
from kgate.policy.question import Question

_SELECTING = frozenset({"list", "watch", "deletecollection"})
# Of terms without the spaces around them: no two parts of a pattern may take the same ones, or every way to share them is tried.
_EQUAL = re.compile(r"([A-Za-z0-9./_-]+)\s*(==|=)\s*([A-Za-z0-9._-]*)")
_IN = re.compile(r"([A-Za-z0-9./_-]+)\s+in\s*\(([A-Za-z0-9._,\s-]*)\)")
_OTHER = re.compile(
    r"!\s*[A-Za-z0-9./_-]+|[A-Za-z0-9./_-]+|[A-Za-z0-9./_-]+\s*!=\s*[A-Za-z0-9._-]*|[A-Za-z0-9./_-]+\s+notin\s*\([A-Za-z0-9._,\s-]*\)"
)
_TERM = re.compile(r"[^,()]*(\([^()]*\))?[^,()]*")
_FIELD = re.compile(r"([A-Za-z0-9._-]+)(==|=|!=)([^=!\\,]*)")

Confined = Mapping[str, frozenset[str]]
"""The values that are left possible, for each key that is confined at all."""


@frozen
class Selected:
    """Both keys of an entry. All that is asked must hold."""

    labels: tuple[tuple[str, Words], ...]
    fields: tuple[tuple[str, Words], ...]
    ground = Ground.SELECTOR

    def holds(self, asked: Question) -> bool | None:
        """Whether all values that are left possible are in the list; False where none is, None where some are or nothing is confined."""
        action = asked.action
        answers = [*_answers(self.labels, _labels(action)), *_answers(self.fields, _fields(action))]
        return False if False in answers else None if None in answers else True

    def miss(self, asked: Question) -> str:
        """What the selector must say."""
        by_label = [f"{key}: {words}" for key, words in self.labels if _answer(words, _labels(asked.action).get(key)) is not True]
        if by_label:
            return f"the request must select by label {', '.join(by_label)}"
        by_field = [f"{key}: {words}" for key, words in self.fields if _answer(words, _fields(asked.action).get(key)) is not True]
        return f"the request must select by field {', '.join(by_field)}"


def _answers(wanted: tuple[tuple[str, Words], ...], confined: Confined) -> Iterable[bool | None]:
    return [_answer(words, confined.get(key)) for key, words in wanted]


def _answer(words: Words, possible: frozenset[str] | None) -> bool | None:
    if not possible:
        return None
    fit = [words.matches(value) for value in possible]
    return True if all(fit) else False if not any(fit) else None


def _labels(action: Action) -> Confined:
    return label_values(action.label_selector) if action.verb in _SELECTING else {}


def _fields(action: Action) -> Confined:
    by_path = {"metadata.name": action.name, "metadata.namespace": action.namespace}
    known = {key: frozenset((value,)) for key, value in by_path.items() if value}
    return {**(field_values(action.field_selector) if action.verb in _SELECTING else {}), **known}


@lru_cache(maxsize=1024)
def label_values(selector: str) -> Confined:
    """What a label selector leaves possible; nothing where it is not plain."""
    confined: dict[str, frozenset[str]] = {}
    for term in _terms(selector):
        equal, within = _EQUAL.fullmatch(term), _IN.fullmatch(term)
        if equal:
            _confine(confined, equal[1], {equal[3]})
        elif within:
            _confine(confined, within[1], {value.strip() for value in within[2].split(",")})
        elif not _OTHER.fullmatch(term):
            return {}
    return confined


@lru_cache(maxsize=1024)
def field_values(selector: str) -> Confined:
    """What a field selector leaves possible; nothing where it is not plain."""
    confined: dict[str, frozenset[str]] = {}
    for term in filter(None, selector.split(",")):
        found = _FIELD.fullmatch(term)
        if found is None:
            return {}
        if found[2] != "!=":
            _confine(confined, found[1], {found[3]})
    return confined


def _terms(selector: str) -> list[str]:
    """What stands between the commas outside of parentheses, without the spaces around it."""
    terms, position = [], 0
    while position < len(selector):
        found = _TERM.match(selector, position)
        end = found.end() if found else position
        if end < len(selector) and selector[end] != ",":
            return ["("]
        terms.append(selector[position:end].strip())
        position = end + 1
    return terms


def _confine(confined: dict[str, frozenset[str]], key: str, values: set[str]) -> None:
    confined[key] = confined[key] & values if key in confined else frozenset(values)
