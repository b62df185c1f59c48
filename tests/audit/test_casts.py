"""Recordings as text: whatever passed, however it was cut, is in the cast; what was written of it so far can be read; and asciinema reads it, too."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgate.audit.recording.cast import Cast, Event, Kind, header, read_events, read_header
from kgate.audit.recording.names import day_ends, is_name, name_of
from kgate.errors import KgateError

HEADER = header("alice: exec prod/team-a/web-0", "sh -c 'ls'", 1764581000.5, {"user": "alice", "command": ["sh"]})
pieces = st.lists(st.tuples(st.sampled_from(["stdout", "stderr", "stdin"]), st.binary(max_size=40)), max_size=12)


def recorded(said: Iterable[tuple[str, bytes]]) -> bytes:
    """The lines of a cast, a piece each second."""
    cast, lines, at = Cast(), [], 0.0
    for channel, data in said:
        at += 1.0
        lines.append(cast.piece(at, Kind.INPUT if channel == "stdin" else Kind.OUTPUT, channel, data))
    return b"".join([*lines, cast.ended(at)])


def events(lines: bytes) -> list[Event]:
    return list(read_events(lines.splitlines(keepends=True), "it.cast"))


def text(found: Iterable[Event], kind: Kind) -> str:
    return "".join(event.text for event in found if event.kind is kind)


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=8))
def test_bytes_that_were_cut_anywhere_are_the_same_text(data: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    cut = [("stdout", data[begin:end]) for begin, end in pairwise(places)]
    assert text(events(recorded(cut)), Kind.OUTPUT) == data.decode("utf-8", "replace")


@given(pieces)
def test_each_channel_is_put_together_by_itself(said: list[tuple[str, bytes]]) -> None:
    found = events(recorded(said))
    typed = b"".join(data for channel, data in said if channel == "stdin")
    assert text(found, Kind.INPUT) == typed.decode("utf-8", "replace")
    shown = text(events(recorded([each for each in said if each[0] == "stderr"])), Kind.OUTPUT)
    assert shown == b"".join(data for channel, data in said if channel == "stderr").decode("utf-8", "replace")


@given(pieces, st.integers(0, 4000))
def test_what_was_written_when_a_gate_was_killed_can_be_read(said: list[tuple[str, bytes]], size: int) -> None:
    whole = recorded(said)
    before = events(whole[:size])
    assert before == events(whole)[: len(before)]


@pytest.mark.threat("25")
@given(st.text(max_size=60))
def test_threat_25_nothing_that_passed_ends_a_line_or_is_an_escape_in_the_file(said: str) -> None:
    line = recorded([("stdout", said.encode("utf-8", "replace"))])
    assert line.count(b"\n") == len(line.splitlines()) == (1 if said else 0)
    assert not any(character in "\x1b\x7f\x85\x9b\u2028\u202e" or character < " " for character in line.decode().rstrip("\n"))


def test_a_header_says_what_is_played() -> None:
    found = read_header(HEADER, "it")
    assert (found.width, found.height, found.began, found.title) == (80, 24, 1764581000.0, "alice: exec prod/team-a/web-0")
    assert found.facts == {"user": "alice", "command": ["sh"]}


@pytest.mark.parametrize("line", [b"", b"{}\n", b'{"version":1}\n', b"[2]\n", b"\xff\n", b'{"version":2,"timestamp":"x"}\n'])
def test_what_is_no_recording_is_said(line: bytes) -> None:
    with pytest.raises(KgateError, match="it: this is no recording"):
        read_header(line, "it")


@pytest.mark.parametrize("line", [b"[]", b'["x","o","a"]', b'[1,"o",2]', b"{}", b'[1,"o"]', b'[1,2,"o"]', b'[null,"o","a"]', b"\xff"])
def test_a_line_that_is_no_event_is_said_and_where(line: bytes) -> None:
    with pytest.raises(KgateError, match="it:3: this line is no event"):
        list(read_events([b'[0,"o","a"]\n', line + b"\n"], "it"))


def test_sizes_come_however_they_are_cut_and_what_is_none_is_passed_over() -> None:
    said = b'{"Width":80,"Height":24}\n{"Width":0,"Height":1}{"Width":70000,"Height":2}{"Width":"8"}garbage{]}{"Width":120,"Height":40}'
    for step in (1, 3, len(said)):
        cast = Cast()
        lines = b"".join(cast.resized(1.0, said[at : at + step]) for at in range(0, len(said), step))
        assert [event[1:] for event in events(lines)] == [(Kind.RESIZE, "80x24"), (Kind.RESIZE, "120x40")]


def test_a_client_that_never_ends_a_size_costs_nothing() -> None:
    cast = Cast()
    assert b"".join(cast.resized(1.0, b"{" * 1000) for _ in range(100)) == b""
    assert len(cast._sizes._rest) <= 1024


def test_asciinema_plays_it(tmp_path: Path) -> None:
    file = tmp_path / "it.cast"
    cast = Cast()
    lines = [cast.resized(0.0, b'{"Width":100,"Height":30}'), cast.piece(0.1, Kind.INPUT, "stdin", b"ls\r")]
    lines += [cast.piece(0.2, Kind.OUTPUT, "stdout", "grün\r\n".encode()), cast.marked(0.3, "kgate: closed by policy")]
    file.write_bytes(HEADER + b"".join(lines))
    player = Path(sys.executable).with_name("asciinema")
    played = subprocess.run([player, "cat", str(file)], capture_output=True, check=True, env={"HOME": str(tmp_path), "LANG": "C.UTF-8"})
    assert played.stdout == "grün\r\n".encode(), played


def test_a_name_is_the_day_and_the_id() -> None:
    id_ = "01KBD4AV3WZZZZZZZZZZZZ0001"
    assert name_of(id_) == f"2025-12-01/{id_}.cast"
    assert is_name(name_of(id_)) and day_ends("2025-12-01") == 1764633600.0
    with pytest.raises(ValueError, match="substring"):
        name_of("not an id!")


@pytest.mark.threat("25")
@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "2025-12-01/../../x.cast", "/etc/passwd", "2025-12-01/a/b.cast", "2025-12-01/.cast", "", None, 3]
)
def test_threat_25_a_forged_name_leads_nowhere(name: object) -> None:
    assert not is_name(name)


def test_a_folder_that_is_no_day_is_nobodys() -> None:
    assert [day_ends(name) for name in ("policies", "2025-13-01", "2025-02-30", "2025-12-01x", "")] == [None] * 5


def test_json_is_what_the_format_says() -> None:
    first = json.loads(HEADER)
    assert {"version": 2, "width": 80, "height": 24, "timestamp": 1764581000}.items() <= first.items()
    assert json.loads(recorded([("stdout", b"a")])) == [1.0, "o", "a"]
