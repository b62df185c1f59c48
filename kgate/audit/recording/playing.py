"""A recording's events → what is written, and after how long; the same as lines of text.

What was typed is told from what was shown by being shown reversed, with its control characters spelt out. It is not shown unless somebody asks for it:
a terminal echoes most of it, and what it does not echo is a password.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from kgate.audit.recording.cast import Event, Kind
from kgate.audit.recording.escapes import BIDIRECTIONAL, Filter
from kgate.audit.recording.page import Page

_REVERSED: Final = "\x1b[7m{}\x1b[27m"
_ENTER: Final = {"\r": "⏎", "\n": "⏎", "\t": "⇥", "\x7f": "⌫", "\b": "⌫"}
_BACK: Final = "\b\x1b[K"
_MOVES: Final = re.compile(r"\x1b(?:\[[<>?]?[0-9;]{0,16}[A-Za-z~]|O[A-DFHMP-S])")
"""What arrows, Home, F1 and the like send, in one piece, a mouse, and a terminal around what is pasted and as its answers."""


class Step(NamedTuple):
    """``text`` is to be written ``after`` seconds."""

    after: float
    text: str


def steps(events: Iterable[Event], shown: Filter, *, speed: float = 1.0, idle: float | None = None, typed: bool = False) -> Iterator[Step]:
    """A recording played ``speed`` times as fast, waiting nowhere for more than ``idle`` seconds (before that); ``typed`` shows what was typed, too."""
    last, waited = 0.0, 0.0
    for event in events:
        pause = max(0.0, event.at - last)
        last = max(last, event.at)
        waited += min(pause, idle) if idle is not None else pause
        text = _shown(event, shown, typed)
        if text:
            yield Step(waited / speed, text)
            waited = 0.0


def _shown(event: Event, shown: Filter, typed: bool) -> str:
    if event.kind is Kind.OUTPUT:
        return shown.feed(event.text)
    if event.kind is Kind.MARK:
        return shown.restored() + _REVERSED.format(spelt(event.text))  # an editor's screen is gone in the end, and this is to stay
    return _REVERSED.format(spelt(event.text)) if event.kind is Kind.INPUT and typed else ""


def spelt(text: str) -> str:
    """What was typed, as it may stand in a line: ``ls⏎``, ``^C``, ``^[[A`` for an arrow."""
    return "".join(map(_spelt, text))


def _spelt(character: str) -> str:
    if character in _ENTER:
        return _ENTER[character]
    if character < " ":
        return f"^{chr(ord(character) + 64)}"
    return character if character.isprintable() else _escaped(character)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


class Line(NamedTuple):
    """A line of text, ``at`` how many seconds it was complete, and whether somebody typed it."""

    at: float
    text: str
    typed: bool = False


def lines(events: Iterable[Event]) -> Iterator[Line]:
    """All that was shown and typed, as lines, in the order in which they were complete; and why the gate ended it, which its holder read elsewhere."""
    shown, typed, at = Page(), Page(), 0.0
    for event in events:
        at = max(at, event.at)
        if event.kind is Kind.OUTPUT:
            yield from (Line(at, text) for text in shown.feed(event.text))
        elif event.kind is Kind.INPUT:
            yield from (Line(at, text, typed=True) for text in typed.feed(_edited(event.text)))
        elif event.kind is Kind.MARK:
            yield from (Line(at, text) for text in (*shown.ended(), spelt(event.text)))
    yield from (Line(at, text) for text in shown.ended())
    yield from (Line(at, text, typed=True) for text in typed.ended())


def _edited(text: str) -> str:
    """A line ends where Enter was hit; the key for going back takes a character away. Keys that move are left out; other controls are spelt out, those
    that begin a sequence too, for it would hide what was typed behind it: of a terminal's own words nothing is typed, and Escape is a key."""
    return "".join(_key(character) for character in _MOVES.sub("", text.translate(BIDIRECTIONAL)))


def _key(character: str) -> str:
    if character in "\r\n":
        return "\n"
    if character in "\x7f\b":
        return _BACK
    if "\x80" <= character <= "\x9f":
        return _escaped(character)
    return f"^{chr(ord(character) + 64)}" if character < " " and character != "\t" else character
