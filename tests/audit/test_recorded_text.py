"""A recording as lines of text: what stood there in the end, what was typed, and when; and how it is played."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgate.audit.recording.cast import Event, Kind
from kgate.audit.recording.escapes import Filter
from kgate.audit.recording.page import LONGEST, Page
from kgate.audit.recording.playing import Line, Step, lines, spelt, steps

OUT, IN, SIZE = Kind.OUTPUT, Kind.INPUT, Kind.RESIZE


def page(text: str) -> list[str]:
    made = Page()
    return [*made.feed(text), *made.ended()]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("one\r\ntwo\r\n", ["one", "two"]),
        ("lss\b \b -l\r\n", ["ls -l"]),
        ("10%\r50%\r100%\r\n", ["100%"]),
        ("\x1b[1;32mgreen\x1b[0m\r\n", ["green"]),
        ("abc\x1b[2D\x1b[K!\r\n", ["a!"]),
        ("abcd\x1b[1G\x1b[P\r\n", ["bcd"]),
        ("ac\x1b[D\x1b[@b\r\n", ["abc"]),
        ("abc\x1b[3D\x1b[2X\r\n", ["  c"]),
        ("abc\x1b[1K!\x1b[2K?\r\n", ["    ?"]),
        ("a\tb\r\n", ["a       b"]),
        ("\x1b]0;title\x07$ \x1b[?2004hls\r\n\x1b[?2004l", ["$ ls"]),
        ("\x1b[2J\x1b[1;1Hfirst\x1b[2;1Hsecond", ["first", "second"]),
        ("half", ["half"]),
        ("", []),
        ("\x1b[99999C!", [" " * 9999 + "!"]),
    ],
)
def test_a_line_is_as_it_stood_in_the_end(text: str, shown: list[str]) -> None:
    assert page(text) == shown


@pytest.mark.threat("27")
def test_threat_27_few_bytes_do_not_fill_the_memory_of_whoever_reads_them() -> None:
    assert sum(map(len, page("\x1b[9999@" * 100 + "x"))) <= 2 * LONGEST


def test_a_line_without_end_is_cut() -> None:
    assert [len(line) for line in page("x" * (2 * LONGEST + 5))] == [LONGEST, LONGEST, 5]


@given(st.text(alphabet="ab\r\n\b\t\x1b[]0123;?KDCGPX@HJm\x07\x9b", max_size=80), st.integers(1, 5))
def test_lines_are_the_same_however_the_text_was_cut_and_plain(text: str, step: int) -> None:
    cut = Page()
    found = [line for at in range(0, len(text), step) for line in cut.feed(text[at : at + step])] + list(cut.ended())
    assert found == page(text)
    assert all(character.isprintable() for line in found for character in line)


def test_what_was_typed_is_lines_of_its_own() -> None:
    events = [
        Event(1, OUT, "$ "),
        Event(2, IN, "rm -rfx\x7f /\r"),
        Event(3, OUT, "rm -rf /\r\n"),
        Event(4, SIZE, "1x1"),
        Event(5, IN, "\x1b[A\x03"),
    ]
    assert list(lines(events)) == [
        Line(2, "rm -rf /", typed=True),
        Line(3, "$ rm -rf /"),
        Line(5, "^C", typed=True),
    ]


@pytest.mark.threat("27")
@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("ihello\x1b:!sh\r", "ihello^[:!sh"),
        ("\x1b]\rrm -rf /\r", "^[]"),
        ("\x1bPrm -rf /\r", "^[Prm -rf /"),
        ("\x9drm -rf /\r", "\\x9drm -rf /"),
        ("\x1bOA\x1b[1;5Dls\x1b[200~ -l\r", "ls -l"),
        ("\x1bOhello\r", "^[Ohello"),
        ("\x1b[<0;10;10Mls\x1b[?1;2c\r", "ls"),
    ],
)
def test_threat_27_nothing_that_is_typed_hides_what_is_typed_behind_it(typed: str, line: str) -> None:
    """Escape is a key, in vi for one; what keys for moving send is left out."""
    assert next(lines([Event(1, IN, typed)])) == Line(1, line, typed=True)
    piecewise = [Event(1, IN, each) for each in typed]
    assert "".join(found.text for found in lines(piecewise)).count("rm -rf /") == typed.count("rm -rf /"), "however it was cut"


def test_a_string_that_never_ends_hides_no_more_than_its_line() -> None:
    """Where there is no terminal, whoever reads it has all of it."""
    assert page("one\n\x1b]two\nthree\n\x9dfour\nfive\n") == ["one", "", "three", "", "five"]


def test_why_the_gate_ended_it_is_the_last_word() -> None:
    events = [Event(1, OUT, "$ sle"), Event(2, Kind.MARK, 'kgate: closed by policy: lock "x" \x1b]0;y')]
    said = 'kgate: closed by policy: lock "x" ^[]0;y'
    assert list(lines(events)) == [Line(2, "$ sle"), Line(2, said)]
    events[0] = Event(1, OUT, "\x1b[?1049hvi")
    assert [step.text for step in steps(events, Filter())] == [
        "\x1b[?1049hvi",
        f"\x1b[?1049l\x1b[0m\x1b(B\x1b)B\x0f\r\n\x1b[7m{said}\x1b[27m",
    ]


def test_typed_keys_are_spelt_out() -> None:
    assert spelt("ls\r\x03\x1b[A\t\x7f\u202e\u00fc") == "ls⏎^C^[[A⇥⌫\\u202e\u00fc"


def test_it_is_played_in_its_time_and_waits_no_longer_than_it_may() -> None:
    events = [Event(0.5, OUT, "a"), Event(1.0, IN, "x"), Event(2.0, OUT, "b"), Event(60.0, OUT, "c"), Event(59.0, OUT, "d")]
    assert list(steps(events, Filter())) == [Step(0.5, "a"), Step(1.5, "b"), Step(58.0, "c"), Step(0.0, "d")]
    assert list(steps(events, Filter(), speed=2.0, idle=3.0)) == [Step(0.25, "a"), Step(0.75, "b"), Step(1.5, "c"), Step(0.0, "d")]
    assert [step.text for step in steps(events, Filter(), typed=True)] == ["a", "\x1b[7mx\x1b[27m", "b", "c", "d"]
