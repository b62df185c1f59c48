"""The regular expressions that stand in an expression as they are: one that RE2 does not take would fail each time it is asked, which for a condition is
never a yes. Those that are put together at work cannot be looked at before.
"""

from __future__ import annotations

from collections.abc import Iterator

from kgate.expressions.tree import CALL, CONST, STRING, every, fields, roots, text

_NAME = 2
"""Call.function"""
_ARGUMENT = 3
"""Call.args; the pattern is the last, in ``x.matches(p)`` as in ``matches(x, p)``."""


def literal_patterns(checked: bytes) -> Iterator[str]:
    """Those of a serialised expression."""
    for root in roots(checked):
        for kind, body in every(root):
            if kind == CALL and text(body, _NAME) == "matches":
                *_, pattern = (each for number, each in fields(body) if number == _ARGUMENT)
                yield from (text(constant, STRING) for found, constant in fields(pattern) if found == CONST)
