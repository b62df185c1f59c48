"""What a terminal showed, as plain lines of text: for reading, searching and pipes.

A line is put together as the terminal does it: what goes back over it (a shell's editing, a progress bar) shows as it stood in the end. Whatever draws
elsewhere on the screen, as editors do, begins a line of its own: all that was shown is there, though not where it was shown. A terminal's strings (titles,
links) are left out to the end of their line and no farther: whoever reads an output that goes elsewhere than to a terminal has what stands in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from kgate.audit.recording.escapes import BIDIRECTIONAL, Control, Parser, Sequence, Text

LONGEST: Final = 16 * 1024
"""Characters of a line; what is longer goes on in the next."""
_TAB: Final = 8
_PLAIN: Final = re.compile(rf"(?:[^\x00-\x1f\x7f-\x9f]{{0,{LONGEST}}}\r?\n)+")
"""Whole lines in which nothing moves: most of what is long, at a fiftieth of the price."""
_ELSEWHERE: Final = frozenset("ABEFHJLMSTdefr")


class Page:
    """Lines from a terminal's text, however it was cut."""

    def __init__(self) -> None:
        self._parser = Parser(lines=True)
        self._cells: list[str] = []
        self._at = 0

    def feed(self, text: str) -> Iterator[str]:
        """The lines that are complete now."""
        at, size = 0, len(text)
        while at < size:
            plain = _PLAIN.match(text, at) if self._parser.is_at_rest and not self._cells and not self._at else None
            if plain is not None:
                yield from plain[0].translate(BIDIRECTIONAL).replace("\r", "").split("\n")[:-1]
                at = plain.end()
            else:
                end = text.find("\n", at) + 1 or size
                yield from self._drawn(text[at:end])
                at = end

    def _drawn(self, text: str) -> Iterator[str]:
        for token in self._parser.feed(text):
            if isinstance(token, Text):
                yield from self._write(token.text.translate(BIDIRECTIONAL))
            elif isinstance(token, Control):
                yield from self._control(token.character)
            elif isinstance(token, Sequence) and not token.between and token.parameters[:1] not in ("?", ">", "<", "="):
                yield from self._sequence(token)

    def ended(self) -> Iterator[str]:
        """The last line, where there is one."""
        if self._cells:
            yield self._line()

    def _line(self) -> str:
        cells, self._cells, self._at = self._cells, [], 0
        return "".join(cells)

    def _write(self, text: str) -> Iterator[str]:
        self._cells[self._at : self._at + len(text)] = text
        self._at += len(text)
        while len(self._cells) > LONGEST:
            rest, self._cells = self._cells[LONGEST:], self._cells[:LONGEST]
            yield self._line()
            self._cells, self._at = rest, len(rest)

    def _control(self, character: str) -> Iterator[str]:
        if character in "\n\v\f":
            yield self._line()
        elif character == "\r":
            self._at = 0
        elif character == "\b":
            self._at = max(0, self._at - 1)
        elif character == "\t":
            self._go(self._at + _TAB - self._at % _TAB)

    def _sequence(self, sequence: Sequence) -> Iterator[str]:
        count = max(1, sequence.numbers()[0])
        if sequence.final in _ELSEWHERE:
            if self._cells:
                yield self._line()
        elif sequence.final in "Ca":
            self._go(self._at + count)
        elif sequence.final == "D":
            self._at = max(0, self._at - count)
        elif sequence.final in "G`":
            self._go(count - 1)
        elif sequence.final == "K":
            self._erase(sequence.numbers(0)[0])
        elif sequence.final == "P":
            del self._cells[self._at : self._at + count]
        elif sequence.final == "X":
            count = min(count, len(self._cells) - self._at)
            self._cells[self._at : self._at + count] = " " * count
        elif sequence.final == "@":
            self._cells[self._at : self._at] = " " * min(count, LONGEST - len(self._cells))

    def _go(self, place: int) -> None:
        """Move within the line; what was not written yet is blank."""
        self._at = min(place, LONGEST)
        self._cells += " " * (self._at - len(self._cells))

    def _erase(self, how: int) -> None:
        if how in (0, 2):
            del self._cells[self._at if how == 0 else 0 :]
        if how == 1:
            self._cells[: self._at + 1] = " " * min(self._at + 1, len(self._cells))
        if how == 2:
            self._cells = [" "] * self._at
