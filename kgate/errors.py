"""One hierarchy of exceptions, each written for the person who reads its message.

A message is one or two lines: what happened, and what to do next. Whatever a peer may do wrong is a value, not one of these; these are for
what an operator or a user can put right. Anything else that raises is a bug in kgate.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import field, frozen


class KgateError(Exception):
    """Something that the person in front of the terminal can put right. ``str()`` is the whole message."""

    exit_code = 1


class UsageError(KgateError):
    """The command line does not say what to do."""

    exit_code = 2


class UnreachableError(KgateError):
    """The gate, a cluster or another server does not answer."""

    exit_code = 3


LONGEST = 400
"""Characters of a message that quotes a file: a value of a megabyte must not go to the log, the audit and /readyz whole."""


def printable(text: str) -> str:
    """``text`` with whatever a terminal could take for more than a character (security.md class 27) spelt out: ``\\x1b``, ``\\u202e``."""
    return text if text.isprintable() else "".join(each if each.isprintable() else _spelt(each) for each in text)


def _spelt(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _bounded(text: str) -> str:
    """A message that quotes a file, which may be somebody else's."""
    return printable(text if len(text) <= LONGEST else f"{text[: LONGEST - 50]} … {text[-47:]}")


@frozen
class Mistake:
    """One mistake in a file: ``line`` counts from 1, 0 where the whole file is meant."""

    file: str
    line: int
    text: str = field(converter=_bounded)
    hint: str = field(default="", converter=_bounded)

    def __str__(self) -> str:
        where = printable(f"{self.file}:{self.line}" if self.line else self.file)
        return f"{where}: {self.text}" + (f" ({self.hint})" if self.hint else "")


class InvalidFileError(KgateError):
    """A configuration, policy, token or kubeconfig file with every mistake that was found in it, in the file's order."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(map(str, self.mistakes)))
