"""Nothing of a recording reaches the auditor's terminal but what draws (security.md class 27), however it was cut; and the terminal is put back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgate.audit.recording.escapes import Filter

pytestmark = pytest.mark.threat("27")
DRAWS = re.compile(
    r"[^\x00-\x1f\x7f-\x9f]|[\t\n\r\b\x0e\x0f]"
    r"|\x1b[78DEM]|\x1b[()][0B]"
    r"|\x1b\[[0-9;:]*[@A-HILMPSTXZ`abdefmrKJ]|\x1b\[[su]|\x1b\[4[hl]"
    r"|\x1b\[\?(?:(?:6|7|25|47|1047|1048|1049)(?:;|(?=[hl])))+[hl]"
)
"""All that may be there; anything else is a hole."""
HARMFUL = {
    "the clipboard": "\x1b]52;c;cm0gLXJmIC8K\x07",
    "the clipboard, with ST": "\x1b]52;c;cm0gLXJmIC8K\x1b\\",
    "the clipboard, C1": "\x9d52;c;cm0gLXJmIC8K\x9c",
    "a link that leads elsewhere": "\x1b]8;;http://evil/\x1b\\",
    "the title": "\x1b]2;owned\x07",
    "the title reported": "\x1b[21t",
    "the window's size": "\x1b[8;1;1t",
    "device attributes": "\x1b[c\x1b[>c\x1b[=c\x1b[0c\x1bZ\x9bc",
    "the cursor's place": "\x1b[6n\x1b[?6n\x1b[5n",
    "DECRQSS": '\x1bP$q"p\x1b\\',
    "termcap": "\x1bP+q544e\x1b\\",
    "sixel": "\x1bPq#0;2;0;0;0#0~~@@vv\x1b\\",
    "XTVERSION": "\x1b[>q",
    "a mode reported": "\x1b[?2004$p\x1b[4$p",
    "parameters": "\x1b[x\x1b[1x",
    "kitty's keyboard": "\x1b[?u\x1b[>1u",
    "other keys": "\x1b[>4;2m\x1b[?4m",
    "the mouse": "\x1b[?1000h\x1b[?1002h\x1b[?1003h\x1b[?1006h",
    "focus": "\x1b[?1004h",
    "brackets around what is pasted": "\x1b[?2004h",
    "printing": "\x1b[5i\x1b[?5i\x1b[i",
    "the keypad": "\x1b=\x1b>",
    "lines that scrolled off": "\x1b[3J",
    "the answer to ENQ": "\x05",
    "the bell": "\a",
    "columns": "\x1b[?3h",
    "Enter sends two": "\x1b[20h",
    "palette": "\x1b]4;1;?\x07\x1b]10;?\x07\x1b]P1ff0000",
    "APC, PM, SOS": "\x1b_Gf=100;AAAA\x1b\\\x1b^x\x1b\\\x1bXx\x1b\\",
    "C1 strings": "\x90+q544e\x9c\x9fx\x9c\x9ex\x9c\x98x\x9c",
    "a checksum of the screen": "\x1b[1;1;1;1;5;5*y",
    "margins": "\x1b[?69h\x1b[1;5s",
    "a macro": "\x1bP1;0;0!z\x1b\\\x1b[1*z",
    "direction": "\u202e\u2066\u200f",
    "a repetition without end": "\x1b[99999999b",
    "never ended": "\x1b]52;c;aGk=",
    "UTF-8 switched off": "\x1b%@",
    "locking shifts": "\x1bn\x1bo\x1b|\x1b}\x1b~",
    "tab stops": "\x1bH\x1b[3g",
    "DECALN": "\x1b#8",
}
DRAWING = [
    "plain, \tgr\u00fcn \u65e5\u672c \U0001f600\r\n", "\x1b[1;38:2::1:2:3m\x1b[m", "\x1b[2J\x1b[H\x1b[K\x1b[1K", "\x1b[?1049h\x1b[?25l\x1b[5;20r",
    "\x1b[10A\x1b[B\x1b[3C\x1b[D\x1b[7G\x1b[4d", "\x1b(0lqqk\x1b(B\x0e\x0f", "\x1b7\x1b8\x1b[s\x1b[u\x1bM\x1bD\x1bE", "\x1b[2L\x1b[M\x1b[P\x1b[@\x1b[X\x1b[5b",
    "\x1b[4hx\x1b[4l",
]  # fmt: skip


@pytest.mark.parametrize("said", HARMFUL.values(), ids=HARMFUL)
def test_it_does_not_come_through(said: str) -> None:
    assert Filter().feed(said) == ""
    assert "".join(map(Filter().feed, said)) == ""


@pytest.mark.parametrize("said", DRAWING)
def test_what_draws_comes_through_as_it_is(said: str) -> None:
    assert Filter().feed(said) == said
    cut = Filter()
    assert "".join(map(cut.feed, said)) == said


def test_what_stands_behind_a_string_that_ended_is_shown_and_what_stands_in_it_is_not() -> None:
    assert Filter().feed("a\x1b]0;title\x07b\x1bPdcs\x1b\\c\x9ddosc\x9cd") == "abcd"


def test_modes_are_let_through_one_by_one() -> None:
    assert Filter().feed("\x1b[?1000;25;2004l") == "\x1b[?25l"


def test_what_is_broken_off_is_nothing() -> None:
    assert Filter().feed("\x1b[31\x18m\x1b[3\x1b[1mx\x1b]8;\x1aq") == "m\x1b[1mxq"


def test_a_sequence_without_end_costs_nothing() -> None:
    shown = Filter()
    assert "".join(shown.feed("\x1b[" + "1;" * 100_000) for _ in range(3)) == ""
    assert len(shown._parser._kept) <= 200
    assert shown.feed("m") == ""


fragments = st.one_of(
    st.sampled_from(
        [*HARMFUL.values(), *DRAWING, "\x1b", "\x1b[", "\x9b", "?", ";", "1049", "h", "\x07", "\x1b\\", "\x18", "m", "c", "n", "3J"]
    ),
    st.text(alphabet=st.characters(max_codepoint=0x2FF), max_size=6),
    st.text(max_size=4),
)


@given(st.lists(fragments, max_size=25), st.integers(1, 7))
def test_whatever_is_said_only_what_draws_comes_through_however_it_is_cut(said: list[str], step: int) -> None:
    text = "".join(said)
    shown, whole = Filter(), Filter()
    passed = "".join(shown.feed(text[at : at + step]) for at in range(0, len(text), step)) + shown.restored()
    assert passed == whole.feed(text) + whole.restored()
    assert DRAWS.sub("", passed) == "", ascii(passed)
    assert "\x1b[3J" not in passed


def test_the_terminal_is_put_back_wherever_it_stopped() -> None:
    shown = Filter()
    shown.feed("\x1b[?1049h\x1b[?25l\x1b[2;3r\x1b[4h\x1b[?7l\x1b[31mx\x1b(0")
    assert shown.restored() == "\x1b[4l\x1b7\x1b[r\x1b8\x1b[?1049l\x1b[?25h\x1b[?7h\x1b[0m\x1b(B\x1b)B\x0f\r\n"
    assert Filter().restored() == ""
