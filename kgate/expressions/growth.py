"""How large the values of an expression may become, found before it ever runs.

CEL ends, and the library stops after 10,000 steps of comprehensions; but values can grow without a step. ``"x".replace("x", "xxxxxxxxxx")`` nine times
over is a gigabyte, and so is ``cel.bind(a, …, cel.bind(b, a+a+a+a, …))``. So the size of each part is bounded from above here, taking every input
for ``INPUT`` long, and an expression of which a part could exceed ``LIMIT`` is refused where it stands.
"""

from __future__ import annotations

from collections.abc import Mapping

from kgate.expressions.tree import CALL, COMPREHENSION, CONST, IDENT, LIST, SELECT, STRING, STRUCT, fields, roots, text

INPUT = 1_000
"""What a name of the vocabulary is taken to be long, in characters and elements together."""
LIMIT = 2_000_000
MOST_DIGITS = 1_000
MOST_LOOPS = 6
"""Loops within loops. Each is looked at three times over, so this bounds our own work, too."""
MOST_STEPS = 10_000
"""The library's own bound on the steps of comprehensions."""

_TEXTS = (STRING, 7)
"""Constant.string_value, bytes_value"""
_SCALARS = frozenset(
    {
        "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "_&&_", "_||_", "!_", "-_", "_-_", "_*_", "_/_", "_%_", "@in", "size", "startsWith",
        "endsWith", "contains", "matches", "indexOf", "lastIndexOf", "hasValue", "int", "uint", "double", "bool", "timestamp", "duration",
        "@not_strictly_false",
    }
)  # fmt: skip
"""Functions that give a number or a truth."""

Sizes = Mapping[str, float]


def largest(checked: bytes) -> float:
    """The upper bound of the largest value of a serialised expression."""
    return max((_Bound().of(raw, {}) for raw in roots(checked)), default=float("inf"))


class _Bound:
    """Bounds of one expression. ``of`` gives a part's own; what a part inside of it exceeds makes it infinite."""

    def __init__(self) -> None:
        self._loops = 0

    def of(self, raw: bytes, known: Sizes) -> float:
        """The bound of an Expr; ``known`` has the variables that the expression itself made."""
        for kind, body in fields(raw):
            found = self._kind(kind, body, known)
            if found is not None:
                return found if found <= LIMIT else float("inf")
        return 1.0

    def _kind(self, kind: int, body: bytes, known: Sizes) -> float | None:
        if kind == CONST:
            return float(max((len(value) for number, value in fields(body) if number in _TEXTS), default=1)) + 1.0
        if kind == IDENT:
            return known.get(text(body, 1), float(INPUT))
        if kind == SELECT:
            return max((self.of(each, known) for number, each in fields(body) if number == 1), default=float(INPUT))
        if kind == CALL:
            return self._call(body, known)
        if kind == LIST:
            return sum((self.of(each, known) for number, each in fields(body) if number == 1), 1.0)
        if kind == STRUCT:
            entries = (entry for number, entry in fields(body) if number == 2)
            return sum((self.of(each, known) for entry in entries for number, each in fields(entry) if number in (3, 4)), 1.0)
        if kind != COMPREHENSION:
            return None
        if self._loops >= MOST_LOOPS:
            return float("inf")
        self._loops += 1
        found = self._comprehension(body, known)
        self._loops -= 1
        return found

    def _call(self, body: bytes, known: Sizes) -> float:
        counted = list(fields(body))
        target = [self.of(each, known) for number, each in counted if number == 1]
        arguments = [self.of(each, known) for number, each in counted if number == 3]
        parts = target + arguments
        if float("inf") in parts:
            return float("inf")
        function = text(body, 2)
        if function in _SCALARS:
            return 1.0
        if function == "_?_:_":
            return max(parts[1:], default=1.0)
        if function == "_[_]":
            return parts[0]
        if function in ("replace", "join", "format"):
            # each piece may bring a whole argument with it, or a number of as many digits as the library lets a format ask for
            return (parts[0] + 1.0) * (1.0 + sum(parts[1:]) + (MOST_DIGITS if function == "format" else 0.0))
        return sum(parts, 1.0)

    def _comprehension(self, body: bytes, known: Sizes) -> float:
        """A macro's loop: what it adds in all its steps. ``cel.bind`` is one that does not turn and names its accumulator.

        The elements together are no larger than what is looped over. What a step gives grows at least in proportion to its element, so the sum is
        largest where all elements are small, or where one of them is everything.
        """
        parts = dict(fields(body))
        within = self.of(parts.get(2, b""), known)
        begin = self.of(parts.get(4, b""), known)
        accumulator = text(body, 3)
        names = [text(body, number) for number in (1, 8) if number in parts]
        small, large = ({**known, **dict.fromkeys(names, size), accumulator: 0.0} for size in (1.0, within))
        total = begin
        if not _is_empty_list(parts.get(2, b"")):
            step = parts.get(6, b"")
            total += max(min(within, float(MOST_STEPS)) * self.of(step, small), self.of(step, large))
        if self.of(parts.get(5, b""), {**large, accumulator: total}) > LIMIT:
            return float("inf")
        return self.of(parts.get(7, b""), {**known, accumulator: total})


def _is_empty_list(raw: bytes) -> bool:
    return any(kind == LIST and not body for kind, body in fields(raw))
