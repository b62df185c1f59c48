"""Expressions that operators write: CEL, the Common Expression Language, as Kubernetes speaks it.

An expression is compiled when the file that holds it is loaded: against a ``Vocabulary``, which says which names there are and what they are. So a
misspelt name, a wrong type and an expression that gives text where a condition is needed are mistakes of the file, with their line, and not a denial at
three in the morning. What an expression then finds out only at work (a claim that is not there, a division by zero) is ``Failed``, a value:
whoever asked decides what that means, and for a condition it never means yes.

It is CEL by Google's own C++ implementation, with the extensions that Kubernetes has on everywhere: strings, optional values (``claims.?x.orValue(y)``),
``cel.bind`` and math. Kubernetes' own libraries (url, ip, cidr, quantity, sets) are not there: a file that uses them is refused when it is loaded.

CEL always ends, and that is not enough for something that runs on the reactor's thread. An expression is at most ``MAX_LENGTH`` characters; the
library refuses more than 32 levels of nesting and stops after 10,000 steps of its comprehensions, however they are nested, which takes some
milliseconds; regular expressions are RE2's, linear in the text, and those that stand there are tried (``patterns``). What could grow large without
many steps is refused when it is compiled (``growth``). The rest is bounded by the size of the values, which are ours or a token's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from functools import cache

from attrs import field, frozen
from cel_expr_python import cel
from cel_expr_python.ext import ext_bindings, ext_math, ext_optional, ext_strings

from kgate.documents.values import Unacceptable
from kgate.expressions.growth import LIMIT, largest
from kgate.expressions.patterns import literal_patterns

MAX_LENGTH = 4096
_MESSAGE = re.compile(r"ERROR: <input>:(\d+):(\d+): ([^\n]*)")
_UNKNOWN = re.compile(r"undeclared reference to '([^']*)'")
_DROPPED = re.compile(r"^[A-Z_]+: | expecting \{.*\}| \(in container ''\)| \[[A-Z_]+\]$")


class Kind(Enum):
    """What a name stands for, or what an expression gives. ``ANY`` is checked only when it is used."""

    ANY = cel.Type.DYN
    BOOLEAN = cel.Type.BOOL
    NUMBER = cel.Type.INT
    TEXT = cel.Type.STRING
    TEXTS = cel.Type.List(cel.Type.STRING)
    INSTANT = cel.Type.TIMESTAMP
    MAPPING = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)

    @property
    def words(self) -> str:
        """For a message."""
        return _WORDS[self]


_WORDS = {
    Kind.ANY: "any value",
    Kind.BOOLEAN: "true or false",
    Kind.NUMBER: "a whole number",
    Kind.TEXT: "text",
    Kind.TEXTS: "a list of texts",
    Kind.INSTANT: "an instant",
    Kind.MAPPING: "a mapping",
}


@frozen
class Failed:
    """An expression that came to no value. ``text`` says why, in CEL's words; it may quote a value's type, never a secret of ours."""

    text: str


@frozen
class Expression:
    """A compiled expression. Two are the same where their texts are."""

    text: str
    _program: cel.Expression = field(repr=False, eq=False)

    def evaluate(self, values: Mapping[str, object]) -> object | Failed:
        """What it comes to for ``values``: plain data (str, int, float, bool, None, list, dict, aware datetime). Never raises."""
        try:
            if _has_nul(values):
                return Failed("a value has the character U+0000")
            found = self._program.eval(data=values)
            return Failed(_plain(str(found.plain_value()))) if found.type() == cel.Type.ERROR else found.plain_value()
        except (RuntimeError, TypeError, ValueError) as error:  # a spent budget; a value that is none of CEL's
            return Failed(_plain(str(error)))

    def holds(self, values: Mapping[str, object]) -> bool | Failed:
        """Whether the condition is true of ``values``."""
        found = self.evaluate(values)
        return found if isinstance(found, (bool, Failed)) else Failed("it gives neither true nor false")


class Vocabulary:
    """The names that an expression may use; a dotted one (``identity.groups``) is one value of its own, and misspelling it is found out."""

    def __init__(self, names: Mapping[str, Kind]) -> None:
        self._names = tuple(sorted(names))
        extensions = [ext_strings.ExtStrings(), ext_optional.ExtOptional(), ext_bindings.ExtBindings(), ext_math.ExtMath()]
        self._environment = cel.NewEnv(variables={name: kind.value for name, kind in names.items()}, extensions=extensions)

    def compile(self, text: str, *gives: Kind) -> Expression:
        """The expression that ``text`` writes, which must give one of ``gives`` (nothing: anything). Raises Unacceptable."""
        if len(text) > MAX_LENGTH:
            raise Unacceptable(f"is an expression of more than {MAX_LENGTH} characters", "split it into several")
        if not text.strip():
            raise Unacceptable("is an empty expression", "write one, or leave the key out")
        try:
            program = self._environment.compile(text)
        except (RuntimeError, ValueError) as error:
            raise self._refusal(str(error)) from None
        given = program.return_type()
        if gives and not any(given in (kind.value, cel.Type.DYN) for kind in gives):
            raise Unacceptable(f"gives {given.name().lower()}, not {' or '.join(kind.words for kind in gives)}")
        checked = program.serialize()
        if largest(checked) > LIMIT:
            raise Unacceptable(
                "is an expression whose values could grow beyond all bounds",
                "take a step less: replace, join, cel.bind, or a loop within a loop",
            )
        _try_patterns(checked)
        return Expression(text, program)

    def _refusal(self, message: str) -> Unacceptable:
        found = _MESSAGE.search(message)
        if found is None:
            return Unacceptable(f"is not an expression: {_plain(message)}")
        line, column, text = found.groups()
        where = f"at character {column}" if line == "1" else f"at character {column} of its line {line}"
        unknown = _UNKNOWN.search(text)
        if unknown is not None:
            return Unacceptable(f'has the unknown name "{unknown[1]}" {where}', f"names: {', '.join(self._names)}")
        return Unacceptable(f"is not an expression: {_plain(text)} {where}")


def _try_patterns(checked: bytes) -> None:
    for pattern in literal_patterns(checked):
        found = _matches_nothing().evaluate({"pattern": pattern})
        if isinstance(found, Failed):
            said = found.text.partition(": ")[2] or found.text
            hint = "patterns are RE2's: no lookahead, no backreferences, no more than 1000 repetitions"
            raise Unacceptable(f"has a regular expression that does not compile: {said}", hint)


@cache
def _matches_nothing() -> Expression:
    """What compiles ``pattern``: the library has no other way to look at one."""
    return Vocabulary({"pattern": Kind.TEXT}).compile("''.matches(pattern)")


def _has_nul(value: object) -> bool:
    """Whether a text in ``value`` has a NUL. The library takes it for the text's end, and ``"admin\\0x" == "admin"`` would be true."""
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(_has_nul(key) or _has_nul(each) for key, each in value.items())
    return isinstance(value, (list, tuple)) and any(map(_has_nul, value))


def _plain(message: str) -> str:
    """The first line of the library's message, without its own decoration."""
    text = message.partition("\n")[0]
    while (shorter := _DROPPED.sub("", text)) != text:
        text = shorter
    return text[:200]
