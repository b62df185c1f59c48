"""The shell's grammar: text to a tree. A small part of POSIX' (IEEE 1003.1, Shell Command Language), enough to look around and to loop.

    list      = and_or ((";" | newline) and_or)*
    and_or    = pipeline (("&&" | "||") pipeline)*
    pipeline  = ["!"] command ("|" command)*
    command   = for | while | until | if | "{" list "}" | "(" list ")" | simple, and redirections

Words keep their quoting as parts, for expansion comes later. Text that merely stops too early raises ``Unfinished``: a prompt asks on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NoReturn

from attrs import frozen

from kgate.demo.syntax import (
    Arithmetic,
    Command,
    For,
    Group,
    If,
    Literal,
    Part,
    Pipeline,
    Redirection,
    Sequence,
    Simple,
    Substitution,
    Variable,
    While,
    Word,
)


class SyntaxProblem(Exception):
    """The text is no program."""


class Unfinished(SyntaxProblem):
    """The text may become a program when more follows."""


@frozen
class _Token:
    """An operator (``parts`` is None) or a word. ``bare`` is the text of a word without quotes, for reserved words."""

    text: str
    parts: Word | None = None

    @property
    def bare(self) -> str:
        if self.parts is not None and len(self.parts) == 1 and isinstance(self.parts[0], Literal) and not self.parts[0].quoted:
            return self.parts[0].text
        return ""


_OPERATORS = re.compile(r"\d?>&|\d?>>|\d?>|\d?<|&&|\|\||[|;&()\n]")
_NAME = re.compile(r"[A-Za-z_]\w*")
_VARIABLE = re.compile(r"\$(?:(?P<plain>[A-Za-z_]\w*|[?$#@0-9*!])|\{(?P<braced>[A-Za-z_]\w*|[?$#@0-9])(?::-(?P<default>[^}]*))?\})")
_ASSIGNMENT = re.compile(r"^[A-Za-z_]\w*=")
_RESERVED_ENDS = frozenset({"do", "done", "then", "elif", "else", "fi", "}"})


def parse(text: str) -> Sequence:
    """The program. Raises SyntaxProblem, or Unfinished."""
    parser = _Parser(_Lexer(text).tokens())
    program = parser.sequence(frozenset())
    if parser.token is not None:
        parser.unexpected()
    return program


class _Lexer:
    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    def tokens(self) -> list[_Token]:
        found: list[_Token] = []
        while True:
            self._skip()
            if self._at >= len(self._text):
                return found
            operator = _OPERATORS.match(self._text, self._at)
            if operator:
                self._at = operator.end()
                found.append(_Token(operator[0]))
            else:
                found.append(self._word())

    def _skip(self) -> None:
        while self._at < len(self._text):
            if self._text.startswith("\\\n", self._at):
                self._at += 2
            elif self._text[self._at] in " \t\r":
                self._at += 1
            elif self._text[self._at] == "#":
                end = self._text.find("\n", self._at)
                self._at = len(self._text) if end < 0 else end
            else:
                return

    def _word(self) -> _Token:
        start, parts = self._at, list[Part | _Quoted]()
        while self._at < len(self._text) and self._text[self._at] not in " \t\r\n|;&()<>":
            parts.append(self._part())
        return _Token(self._text[start : self._at], _joined(parts))

    def _part(self) -> Part | _Quoted:
        char = self._text[self._at]
        if char == "'":
            return Literal(self._until("'"), quoted=True)
        if char == '"':
            return self._double()
        if char == "\\":
            self._at += 2
            if self._at > len(self._text):
                raise Unfinished("a backslash at the end")
            return Literal(self._text[self._at - 1], quoted=True)
        if char in "$`":
            return self._dollar(quoted=False)
        self._at += 1
        return Literal(char)

    def _until(self, end: str) -> str:
        close = self._text.find(end, self._at + 1)
        if close < 0:
            raise Unfinished(f"unterminated {end}")
        text, self._at = self._text[self._at + 1 : close], close + 1
        return text

    def _double(self) -> Part | _Quoted:
        """A double-quoted run, as one substitution-like group: its parts are quoted."""
        self._at += 1
        parts: list[Part] = [Literal("", quoted=True)]
        while True:
            if self._at >= len(self._text):
                raise Unfinished('unterminated "')
            char = self._text[self._at]
            if char == '"':
                self._at += 1
                return parts[0] if len(parts) == 1 else _Quoted(tuple(parts))
            if char == "\\" and self._text[self._at + 1 : self._at + 2] in ("$", '"', "\\", "`"):
                parts.append(Literal(self._text[self._at + 1], quoted=True))
                self._at += 2
            elif char in "$`":
                parts.append(self._dollar(quoted=True))
            else:
                parts.append(Literal(char, quoted=True))
                self._at += 1

    def _dollar(self, *, quoted: bool) -> Part:
        text = self._text
        if text.startswith("$((", self._at):
            return Arithmetic(self._balanced(3, "))"))
        if text.startswith("$(", self._at):
            return Substitution(parse(self._balanced(2, ")")), quoted)
        if text[self._at] == "`":
            return Substitution(parse(self._until("`")), quoted)
        found = _VARIABLE.match(text, self._at)
        if not found:
            self._at += 1
            return Literal("$", quoted)
        self._at = found.end()
        return Variable(found["plain"] or found["braced"], quoted, found["default"] or "")

    def _balanced(self, opening: int, end: str) -> str:
        """What stands in parentheses, nested ones included."""
        start = at = self._at + opening
        depth = 0
        while at < len(self._text):
            if depth == 0 and self._text.startswith(end, at):
                self._at = at + len(end)
                return self._text[start:at]
            depth += {"(": 1, ")": -1}.get(self._text[at], 0)
            at += 1
        raise Unfinished("unterminated $(")


class _Quoted(tuple[Part, ...]):
    """Several parts of one double-quoted run, flattened by ``_joined``."""

    __slots__ = ()


def _joined(parts: list[Part | _Quoted]) -> Word:
    """Parts in order, with neighbouring literals of the same quoting as one."""
    flat = [inner for part in parts for inner in (part if isinstance(part, _Quoted) else (part,))]
    joined: list[Part] = []
    for part in flat:
        last = joined[-1] if joined else None
        if isinstance(part, Literal) and isinstance(last, Literal) and part.quoted == last.quoted:
            joined[-1] = Literal(last.text + part.text, part.quoted)
        else:
            joined.append(part)
    return tuple(joined)


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens, self._at = tokens, 0

    @property
    def token(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def unexpected(self) -> NoReturn:
        token = self.token
        if token is None:
            raise Unfinished("unexpected end of file")
        shown = "newline" if token.text == "\n" else token.text
        raise SyntaxProblem(f'syntax error: unexpected "{shown}"')

    def _operator(self, *texts: str) -> bool:
        """Take an operator if it is one of ``texts``."""
        token = self.token
        if token is not None and token.parts is None and token.text in texts:
            self._at += 1
            return True
        return False

    def _reserved(self, word: str) -> bool:
        token = self.token
        if token is not None and token.bare == word:
            self._at += 1
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._reserved(word):
            self.unexpected()

    def _newlines(self) -> None:
        while self._operator("\n"):
            pass

    def sequence(self, ends: frozenset[str]) -> Sequence:
        """Steps up to a reserved word of ``ends``, a closing parenthesis or the end."""
        steps: list[tuple[str, Pipeline]] = []
        self._newlines()
        while (token := self.token) is not None and token.bare not in ends and token.text != ")":
            steps.append((";", self._pipeline()))
            while (token := self.token) is not None and token.parts is None and token.text in ("&&", "||"):
                self._at += 1
                self._newlines()
                steps.append((token.text, self._pipeline()))
            if not self._operator(";", "\n"):
                break
            self._newlines()
        return Sequence(tuple(steps))

    def _pipeline(self) -> Pipeline:
        negated = self._reserved("!")
        commands = [self._command()]
        while self._operator("|"):
            self._newlines()
            commands.append(self._command())
        return Pipeline(tuple(commands), negated)

    def _command(self) -> Command:
        compounds: dict[str, Callable[[], Command]] = {"for": self._for, "while": self._while, "until": self._while, "if": self._if}
        token = self.token
        if token is None:
            self.unexpected()
        if token.bare in compounds:
            return compounds[token.bare]()
        if token.bare == "{":
            return self._braces()
        if token.parts is None and token.text == "(":
            return self._parentheses()
        return self._simple()

    def _body(self, *ends: str) -> Sequence:
        body = self.sequence(frozenset(ends))
        if not body.steps:
            self.unexpected()
        return body

    def _for(self) -> For:
        self._at += 1
        token = self.token
        if token is None or not _NAME.fullmatch(token.bare):
            self.unexpected()
        self._at += 1
        words: list[Word] = []
        if self._reserved("in"):
            while (following := self.token) is not None and following.parts is not None:
                words.append(following.parts)
                self._at += 1
        self._operator(";", "\n")
        self._newlines()
        self._expect("do")
        body = self._body("done")
        self._expect("done")
        return For(token.bare, tuple(words), body, self._redirections())

    def _while(self) -> While:
        negated = self._reserved("until") or not self._reserved("while")
        condition = self._body("do")
        self._expect("do")
        body = self._body("done")
        self._expect("done")
        return While(condition, body, negated, self._redirections())

    def _if(self) -> If:
        branches: list[tuple[Sequence, Sequence]] = []
        otherwise = Sequence(())
        self._expect("if")
        while True:
            condition = self._body("then")
            self._expect("then")
            branches.append((condition, self._body("elif", "else", "fi")))
            if not self._reserved("elif"):
                break
        if self._reserved("else"):
            otherwise = self._body("fi")
        self._expect("fi")
        return If(tuple(branches), otherwise, self._redirections())

    def _braces(self) -> Group:
        self._at += 1
        body = self._body("}")
        self._expect("}")
        return Group(body, apart=False, redirections=self._redirections())

    def _parentheses(self) -> Group:
        self._at += 1
        body = self._body()
        if not self._operator(")"):
            self.unexpected()
        return Group(body, apart=True, redirections=self._redirections())

    def _redirections(self) -> tuple[Redirection, ...]:
        found: list[Redirection] = []
        while (redirection := self._redirection()) is not None:
            found.append(redirection)
        return tuple(found)

    def _redirection(self) -> Redirection | None:
        token = self.token
        if token is None or token.parts is not None or not ("<" in token.text or ">" in token.text):
            return None
        self._at += 1
        target = self.token
        if target is None or target.parts is None:
            self.unexpected()
        self._at += 1
        operator = token.text.lstrip("0123456789")
        digits = token.text.removesuffix(operator)
        return Redirection(int(digits) if digits else 0 if operator == "<" else 1, operator, target.parts)

    def _simple(self) -> Simple:
        assignments: list[tuple[str, Word]] = []
        words: list[Word] = []
        redirections: list[Redirection] = []
        while (token := self.token) is not None:
            if (redirection := self._redirection()) is not None:
                redirections.append(redirection)
            elif token.parts is None or (not words and token.bare in _RESERVED_ENDS):
                break
            else:
                self._at += 1
                if not words and _ASSIGNMENT.match(token.text):
                    assignments.append(_assignment(token.parts))
                else:
                    words.append(token.parts)
        if not words and not assignments and not redirections:
            self.unexpected()
        if self.token is not None and self.token.text == "&":
            raise SyntaxProblem("this small shell runs nothing in the background: leave the & out")
        return Simple(tuple(assignments), tuple(words), tuple(redirections))


def _assignment(parts: Word) -> tuple[str, Word]:
    first = parts[0]
    assert isinstance(first, Literal)
    name, _, text = first.text.partition("=")
    return name, (*((Literal(text),) if text else ()), *parts[1:])
