"""Expansion of the shell's words: variables, substitutions, arithmetic, splitting at white space, and patterns matched against files."""

from __future__ import annotations

import ast
import fnmatch
import operator
import posixpath
from collections.abc import Awaitable, Callable

from kgate.demo.files import FileProblem
from kgate.demo.runs import Run
from kgate.demo.syntax import Arithmetic, Literal, Part, Sequence, Variable, Word

Substitute = Callable[[Run, Sequence], Awaitable[str]]
"""Runs the inside of ``$(…)``; gives what it wrote, less the newlines at its end."""


async def expand(run: Run, word: Word, substitute: Substitute) -> list[str]:
    """A word as arguments: variables and substitutions replaced, unquoted results split, patterns matched against files."""
    fields: list[list[tuple[str, bool]]] = [[]]
    for part in word:
        text, quoted = await _expanded(run, part, substitute)
        if quoted or isinstance(part, Literal):
            fields[-1].append((text, quoted))
            continue
        pieces = text.split()
        if pieces and text[0].isspace() and fields[-1]:
            fields.append([])
        for index, piece in enumerate(pieces):
            if index:
                fields.append([])
            fields[-1].append((piece, False))
        if pieces and text[-1].isspace():
            fields.append([])
    return [match for field in fields if field for match in _matches(run, field)]


async def one_text(run: Run, word: Word, substitute: Substitute) -> str:
    """A word as one text, neither split nor matched: assignments, targets of redirections."""
    return "".join([(await _expanded(run, part, substitute))[0] for part in word])


async def _expanded(run: Run, part: Part, substitute: Substitute) -> tuple[str, bool]:
    if isinstance(part, Literal):
        home = not part.quoted and (part.text == "~" or part.text.startswith("~/"))
        return (run.environment.get("HOME", "/") + part.text[1:] if home else part.text), part.quoted
    if isinstance(part, Variable):
        return variable(run, part.name) or part.default, part.quoted
    if isinstance(part, Arithmetic):
        return str(_calculate(run, part.text)), True
    return await substitute(run, part.body), part.quoted


def variable(run: Run, name: str) -> str:
    """``$name``."""
    if name in ("?", "$", "#"):
        return str({"?": run.status, "$": run.pid, "#": len(run.arguments) - 1}[name])
    if name in ("@", "*"):
        return " ".join(run.arguments[1:])
    if name.isdigit():
        return run.arguments[int(name)] if int(name) < len(run.arguments) else ""
    return run.environment.get(name, "")


def _matches(run: Run, field: list[tuple[str, bool]]) -> list[str]:
    text = "".join(piece for piece, _ in field)
    pattern = "".join(piece.replace("[", "[[]").replace("*", "[*]").replace("?", "[?]") if quoted else piece for piece, quoted in field)
    if not any(char in piece for piece, quoted in field for char in "*?[" if not quoted):
        return [text]
    head, name = posixpath.split(pattern)
    if any(char in head for char in "*?["):
        return [text]
    try:
        entries = run.files.directory(run.path(head or ".")).entries
    except FileProblem:
        return [text]
    names = [entry for entry in sorted(entries) if fnmatch.fnmatchcase(entry, name) and (name.startswith(".") or not entry.startswith("."))]
    return [posixpath.join(head, entry) for entry in names] or [text]


_OPERATIONS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.floordiv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


def _calculate(run: Run, text: str) -> int:
    """Whole numbers, variables, ``+ - * / %`` and parentheses."""
    try:
        return _value(run, ast.parse(text.replace("$", "").strip() or "0", mode="eval").body)
    except (SyntaxError, ZeroDivisionError, ValueError, RecursionError) as error:
        raise FileProblem(f"arithmetic: {text}: {error}") from error


def _value(run: Run, node: ast.expr) -> int:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    if isinstance(node, ast.Name):
        return int(variable(run, node.id) or "0")
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(run, node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        return _OPERATIONS[type(node.op)](_value(run, node.left), _value(run, node.right)) % (1 << 63)
    raise ValueError("not understood")
