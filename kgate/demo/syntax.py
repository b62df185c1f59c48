"""The tree of a shell program: words with their quoting, commands, pipelines and sequences."""

from __future__ import annotations

from attrs import frozen


@frozen
class Literal:
    """Text as it stands. Quoted text is neither split nor expanded."""

    text: str
    quoted: bool = False


@frozen
class Variable:
    """``$NAME`` or ``${NAME}``; ``default`` is what follows ``:-``."""

    name: str
    quoted: bool
    default: str = ""


@frozen
class Substitution:
    """``$(list)``."""

    body: Sequence
    quoted: bool


@frozen
class Arithmetic:
    """``$((expression))``."""

    text: str


Part = Literal | Variable | Substitution | Arithmetic
Word = tuple[Part, ...]


@frozen
class Redirection:
    """``descriptor operator target``; for ``>&`` the target is a descriptor."""

    descriptor: int
    operator: str
    target: Word


@frozen
class Simple:
    """Assignments, a command and its arguments."""

    assignments: tuple[tuple[str, Word], ...]
    words: tuple[Word, ...]
    redirections: tuple[Redirection, ...] = ()


@frozen
class For:
    """``for name in words; do body; done``."""

    name: str
    words: tuple[Word, ...]
    body: Sequence
    redirections: tuple[Redirection, ...] = ()


@frozen
class While:
    """``while condition; do body; done``; ``negated`` for ``until``."""

    condition: Sequence
    body: Sequence
    negated: bool
    redirections: tuple[Redirection, ...] = ()


@frozen
class If:
    """Branches in order, each a condition and a body; ``otherwise`` may be empty."""

    branches: tuple[tuple[Sequence, Sequence], ...]
    otherwise: Sequence
    redirections: tuple[Redirection, ...] = ()


@frozen
class Group:
    """``{ list; }``, or ``( list )``, whose variables and directory are its own."""

    body: Sequence
    apart: bool
    redirections: tuple[Redirection, ...] = ()


Command = Simple | For | While | If | Group


@frozen
class Pipeline:
    """Commands joined by pipes."""

    commands: tuple[Command, ...]
    negated: bool


@frozen
class Sequence:
    """Pipelines, each with what joins it to the one before: ``;``, ``&&`` or ``||``."""

    steps: tuple[tuple[str, Pipeline], ...]
