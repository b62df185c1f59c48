"""What a command wrote to its terminal, taken apart (ECMA-48, as xterm reads it), and what of that is let through to another one when it is played.

A recording is written by whoever was watched. Played as it stands, it could set the auditor's clipboard (OSC 52), show one address and open another
(OSC 8), print, resize, or have the terminal answer, which the shell then reads as typed (device reports, DECRQSS, titles; security.md class 27). So
nothing is let through because it is not known to be bad: ``Filter`` writes text, and of the sequences only those that draw, each put together anew.

    GROUND ──ESC──▶ ESCAPE ──[──▶ SEQUENCE ──final──▶ GROUND      CAN, SUB and ESC break off anything
                      └─P ] X ^ _──▶ STRING ──BEL, ST──▶ GROUND   what stands in a string is never shown

pyte, the terminal in Python, draws what stands in DCS, PM and APC strings (0.8.2), so it is no judge of what a sequence is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import Final, NamedTuple

ESC: Final = "\x1b"
BIDIRECTIONAL: Final = dict.fromkeys((0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)))
"""They turn the reading direction round (CVE-2021-42574): what is shown would not be what stands there."""
_LONGEST: Final = 128
"""Characters of a sequence's parameters: what is longer means nothing."""
_MOST: Final = 9999
"""A parameter that is greater moves nothing farther, and repeats for long."""
_RUN: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f]+")
_WHOLE: Final = re.compile(rf"\x1b\[([0-?]{{0,{_LONGEST}}})([ -/]*)([@-~])")
"""Most sequences come whole, and so are taken at once: at a third of the price."""
_STRINGS: Final = frozenset("P]X^_\x90\x9d\x98\x9e\x9f")


class Text(NamedTuple):
    """Characters that are drawn."""

    text: str


class Control(NamedTuple):
    """A control character of its own."""

    character: str


class Escape(NamedTuple):
    """ESC, what stands between, and one character."""

    between: str
    final: str


class Sequence(NamedTuple):
    """A control sequence: CSI, parameters, what stands between, one character."""

    parameters: str
    between: str
    final: str

    def numbers(self, otherwise: int = 1) -> list[int]:
        """The parameters, of which each that is not there is ``otherwise``."""
        return [min(int(each), _MOST) if each.isdecimal() else otherwise for each in self.parameters.split(";")]


Token = Text | Control | Escape | Sequence


class _State(Enum):
    """See the module."""

    GROUND = "ground"
    ESCAPE = "escape"
    SEQUENCE = "sequence"
    STRING = "string"


class Parser:
    """Takes text apart, however it was cut. What is begun and not ended is kept, within a bound. ``lines``: no string goes on into the next line, as some
    terminals have it, so that one that never ends hides little."""

    def __init__(self, *, lines: bool = False) -> None:
        self._state, self._lines = _State.GROUND, lines
        self._kept = ""

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing is begun."""
        return self._state is _State.GROUND

    def feed(self, text: str) -> Iterator[Token]:
        """What is complete now."""
        at, size = 0, len(text)
        while at < size:
            run = _RUN.match(text, at) if self._state in (_State.GROUND, _State.STRING) else None
            if run is not None:
                at = run.end()
                if self._state is _State.GROUND:
                    yield Text(run[0])
                continue
            whole = _WHOLE.match(text, at) if self._state is _State.GROUND else None
            if whole is not None:
                at = whole.end()
                yield Sequence(whole[1], whole[2], whole[3])
                continue
            token = self._take(text[at])
            at += 1
            if token is not None:
                yield token

    def _take(self, character: str) -> Token | None:
        """One character that is no plain text."""
        if character in "\x18\x1a":
            self._begin(_State.GROUND)
        elif character == ESC:
            self._begin(_State.ESCAPE)
        elif "\x80" <= character <= "\x9f":
            self._begin(_STATES.get(character, _State.GROUND))  # the same as ESC and the character that is 64 before it
        elif self._state is _State.STRING:
            if character == "\n" and self._lines:
                self._begin(_State.GROUND)
                return Control(character)
            if character == "\a":
                self._begin(_State.GROUND)
        elif character < " " or character == "\x7f":
            return Control(character)  # in the midst of a sequence too
        elif self._state is _State.ESCAPE:
            return self._escape(character)
        elif self._state is _State.SEQUENCE:
            return self._sequence(character)
        return None

    def _begin(self, state: _State) -> None:
        self._state, self._kept = state, ""

    def _escape(self, character: str) -> Token | None:
        if not self._kept and (character == "[" or character in _STRINGS):
            self._begin(_State.SEQUENCE if character == "[" else _State.STRING)
        elif " " <= character <= "/":
            self._keep(character)
        else:
            kept = self._kept
            self._begin(_State.GROUND)
            return Escape(kept, character)
        return None

    def _sequence(self, character: str) -> Token | None:
        if " " <= character <= "?":
            self._keep(character)
            return None
        kept = self._kept
        self._begin(_State.GROUND)
        parameters = kept.rstrip(" !\"#$%&'()*+,-./")
        return Sequence(parameters, kept[len(parameters) :], character)

    def _keep(self, character: str) -> None:
        if len(self._kept) <= _LONGEST:
            self._kept += character


_STATES: Final = {"\x9b": _State.SEQUENCE, **dict.fromkeys("\x90\x98\x9d\x9e\x9f", _State.STRING)}

# --- what is let through

_CONTROLS: Final = {"\t": "\t", "\n": "\n", "\v": "\n", "\f": "\n", "\r": "\r", "\b": "\b", "\x0e": "\x0e", "\x0f": "\x0f"}
_ESCAPES: Final = {
    ("", "7"): "\x1b7", ("", "8"): "\x1b8", ("", "D"): "\x1bD", ("", "E"): "\x1bE", ("", "M"): "\x1bM",
    ("(", "0"): "\x1b(0", ("(", "B"): "\x1b(B", ("(", "A"): "\x1b(B", (")", "0"): "\x1b)0", (")", "B"): "\x1b)B", (")", "A"): "\x1b)B",
    ("", "c"): "\x1b[0m\x1b[H\x1b[2J",
}  # fmt: skip
"""Cursor kept and put back, index, line drawing. A reset is less of one here: it would take the auditor's own lines."""
_DRAWING: Final = frozenset("@ABCDEFGHIJKLMPSTXZ`abdefmr")
_ALONE: Final = frozenset("su")
"""Of these only what has no parameters: the cursor is kept, or put back."""
_MODES: Final = {
    "6": "\x1b[?6l",
    "7": "\x1b[?7h",
    "25": "\x1b[?25h",
    "47": "\x1b[?47l",
    "1047": "\x1b[?1047l",
    "1048": "",
    "1049": "\x1b[?1049l",
}
"""Private modes that say where and how is drawn: origin, autowrap, cursor, alternate screen; and what takes each back."""
_PARAMETERS: Final = re.compile(r"[0-9;:]*", re.ASCII)
_PRIVATE: Final = re.compile(r"\?[0-9;]+", re.ASCII)
_INSERTS: Final = "4"


class Filter:
    """Text as a terminal may have it; ``restored`` ends it. ``lines`` as of the ``Parser``: for what no terminal had."""

    def __init__(self, *, lines: bool = False) -> None:
        self._parser = Parser(lines=lines)
        self._modes: dict[str, None] = {}
        """Those that were changed."""
        self._drawn = False

    def feed(self, text: str) -> str:
        """What is let through."""
        passed = "".join(map(self._passed, self._parser.feed(text)))
        self._drawn = self._drawn or bool(passed)
        return passed

    def restored(self) -> str:
        """What makes the terminal as it was before, wherever the recording stopped."""
        if not self._drawn:
            return ""
        modes, self._modes = self._modes, {}
        back = "".join(_MODES[mode] for mode in modes if mode in _MODES)
        insert = "\x1b[4l" if _INSERTS in modes else ""
        region = "\x1b7\x1b[r\x1b8" if "r" in modes else ""
        return f"{insert}{region}{back}\x1b[0m\x1b(B\x1b)B\x0f\r\n"

    def _passed(self, token: Token) -> str:
        match token:
            case Text(text):
                return text.translate(BIDIRECTIONAL)
            case Control(character):
                return _CONTROLS.get(character, "")
            case Escape(between, final):
                return _ESCAPES.get((between, final), "")
            case Sequence():
                return self._sequence(token)

    def _sequence(self, sequence: Sequence) -> str:
        parameters, between, final = sequence
        if between or len(parameters) > _LONGEST:
            return ""
        if final in "hl":
            return self._mode(parameters, final)
        if final in _ALONE:
            return f"\x1b[{final}" if not parameters else ""
        if final not in _DRAWING or not _PARAMETERS.fullmatch(parameters) or _too_great(parameters) or _erases_more(parameters, final):
            return ""
        if final == "r":
            self._modes["r"] = None
        return f"\x1b[{parameters}{final}"

    def _mode(self, parameters: str, final: str) -> str:
        if parameters == _INSERTS:
            self._modes[_INSERTS] = None
            return f"\x1b[4{final}"
        if not _PRIVATE.fullmatch(parameters):
            return ""
        modes = [mode for mode in parameters[1:].split(";") if mode in _MODES]
        self._modes |= dict.fromkeys(modes)
        return f"\x1b[?{';'.join(modes)}{final}" if modes else ""


def _too_great(parameters: str) -> bool:
    return any(len(each) > len(f"{_MOST}") for each in re.split("[;:]", parameters))


def _erases_more(parameters: str, final: str) -> bool:
    """The lines that scrolled off the screen are the auditor's own."""
    return final == "J" and "3" in parameters
