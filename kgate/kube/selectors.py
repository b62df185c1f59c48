"""Just enough of the selector grammars to know what an API server makes of a list request's query.

``fieldSelector=metadata.name=X`` turns a list of everything into a list of one named object, and RBAC sees that name
(k8s.io/apiserver ``RequestInfoFactory``). The API server does so only where *every* list option can be read; where one cannot, it forgets
them all and answers 400 a little later. We refuse such a request at once, so that there is only one reading of it.

Field selectors (k8s.io/apimachinery ``fields.ParseSelector``) are terms joined by commas, ``field=value``, ``==`` or ``!=``, with ``\\`` before a
literal ``\\``, ``,`` or ``=`` in a value. Label selectors are a language of their own, of which we need only "is this one valid?".
"""

from __future__ import annotations

import re

_TERM = re.compile(r"(?:[^,\\]|\\.)*", re.DOTALL)
_OPERATOR = re.compile(r"!=|==|=")
_VALUE = re.compile(r"(?:[^\\,=]|\\[\\,=])*", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)

_W = r"[ \t\r\n]"
_END = r"(?:[ \t\r\n,()!=<>]|$)"
_NAME = rf"(?=[-A-Za-z0-9_.]{{1,63}}{_END})[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?"
_PREFIX = r"(?=[^/]{1,253}/)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*/"
_KEY = rf"(?!(?:in|notin){_END})(?:{_PREFIX})?{_NAME}"
_LABEL = re.compile(
    rf"{_W}*(?:!{_W}*{_KEY}"
    rf"|{_KEY}(?:{_W}*(?:==|!=|=){_W}*(?:{_NAME})?"
    rf"|{_W}+(?:in|notin){_W}*\({_W}*{_NAME}(?:{_W}*,{_W}*{_NAME})*{_W}*\))?){_W}*"
)
_ROOM = 1024
"""Longer label selectors beside a name are not looked at: nobody needs them, and the check should stay cheap."""


def field_requirements(selector: str) -> list[tuple[str, str, str]] | None:
    """``(field, operator, value)`` of each term, ``==`` written as ``=``, sorted as the API server sorts them: by the terms' own text.

    None where the API server cannot read the selector.
    """
    terms = _terms(selector)
    if terms is None:
        return None
    found = []
    for term in sorted(terms):
        operator = _OPERATOR.search(term)
        if operator is None or not _VALUE.fullmatch(term, operator.end()):
            return None
        sign = "!=" if operator.group() == "!=" else "="
        found.append((term[: operator.start()], sign, _ESCAPED.sub(r"\1", term[operator.end() :])))
    return found


def _terms(selector: str) -> list[str] | None:
    """What stands between the commas that no backslash precedes, without the empty ones; None where a backslash stands last."""
    terms = []
    position = 0
    while position <= len(selector):
        match = _TERM.match(selector, position)
        end = match.end() if match else position
        if end < len(selector) and selector[end] != ",":
            return None
        if end > position:
            terms.append(selector[position:end])
        position = end + 1
    return terms


def required_name(selector: str) -> str | None:
    """The name that a readable field selector requires, empty where it requires none; None where the API server cannot read it.

    A name that cannot be a path segment (``.``, ``..``, anything with ``/`` or ``%``) is none.
    """
    requirements = field_requirements(selector)
    if requirements is None:
        return None
    for field, operator, value in requirements:
        if field == "metadata.name" and operator == "=":
            return "" if value in (".", "..") or "/" in value or "%" in value else value
    return ""


def is_label_selector(selector: str) -> bool:
    """Whether the API server can surely read this label selector. May say no to one that is valid but unheard of."""
    if not selector.strip(" \t\r\n"):
        return True
    if len(selector) > _ROOM:
        return False
    position = 0
    while True:
        match = _LABEL.match(selector, position)
        if match is None:
            return False
        position = match.end()
        if position == len(selector):
            return True
        if selector[position] != ",":
            return False
        position += 1
