"""``kgate play`` on a terminal and off it; what it finds; and that nothing of a recording reaches a terminal but what draws (security.md class 27)."""

from __future__ import annotations

import errno
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kgate.audit.ids import instant_of
from kgate.audit.record import timestamp
from kgate.audit.recording.cast import Cast, Kind, header
from kgate.cli import main
from kgate.net import recordings

FIRST, SECOND = "01KBD4AV3WZZZZZZZZZZZZ0001", "01KBD5AV3WZZZZZZZZZZZZ0002"
EVIL = "\x1b]52;c;cm0gLXJmIC8K\x07\x1b[6n\x1b]8;;http://evil/\x1b\\\x1bP+q544e\x1b\\\x1b[c\x1b]2;owned\x07\u202e"


def write(folder: Path, id_: str, *said: tuple[float, Kind, bytes], user: str = "alice", tty: bool = True) -> Path:
    """A recording of ``id_``."""
    day = folder / "recordings" / "2025-12-01"
    day.mkdir(parents=True, exist_ok=True)
    cast, path = Cast(), day / f"{id_}.cast"
    lines = [cast.piece(at, kind, kind.value, data) for at, kind, data in said]
    first = header(f"{user}: exec prod/team-a/web-0", "sh", 1764581000.0, {"id": id_, "user": user, "tty": tty})
    path.write_bytes(first + b"".join(lines) + cast.ended(0))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(
        tmp_path,
        FIRST,
        (0.1, Kind.OUTPUT, b"$ "),
        (0.5, Kind.INPUT, b"cat /etc/passwd\r"),
        (0.6, Kind.OUTPUT, f"cat /etc/passwd\r\n{EVIL}\x1b[31mroot:x:0:0\x1b[m\r\n".encode()),
        (3661.0, Kind.OUTPUT, b"$ exit\r\n"),
    )
    write(tmp_path, SECOND, (0.2, Kind.OUTPUT, b"root:*:0:0\r\n"), user="bob")
    return tmp_path


def play(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["play", "-d", str(folder), *arguments])


def test_off_a_terminal_it_is_text_and_what_was_typed_only_where_it_is_asked_for(folder: Path) -> None:
    assert play(folder, FIRST).stdout == "$ cat /etc/passwd\nroot:x:0:0\n$ exit\n"
    assert play(folder, FIRST[-4:].lower(), "--text", "--input").stdout == "> cat /etc/passwd\n$ cat /etc/passwd\nroot:x:0:0\n$ exit\n"
    file = str(folder / "recordings" / "2025-12-01" / f"{FIRST}.cast")
    assert CliRunner().invoke(main, ["play", file]).stdout == play(folder, f"2025-12-01/{FIRST}.cast").stdout == play(folder, FIRST).stdout


@pytest.mark.threat("27")
def test_threat_27_json_is_for_programs_and_as_safe_to_look_at(folder: Path) -> None:
    result = play(folder, FIRST, "-o", "json")
    found = json.loads(result.stdout)
    assert found["header"]["user"] == "alice" and found["header"]["began"] == "2025-12-01T09:23:20.000000Z"
    assert [event["kind"] for event in found["events"]] == ["output", "input", "output", "output"]
    assert EVIL in found["events"][2]["text"]
    assert all(line.isprintable() for line in result.stdout.splitlines())


def test_words_are_found_in_what_was_shown_and_typed(folder: Path) -> None:
    result = play(folder, "--search", "ROOT:", "--search", ":0")
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["ID", "WHO", "AT", "LINE"], [FIRST, "alice", "0:00", "root:x:0:0"], [SECOND, "bob", "0:00", "root:*:0:0"],
    ]  # fmt: skip
    typed = json.loads(play(folder, "--search", "cat /etc", "-o", "json").stdout)
    assert [(each["id"], each["typed"], each["at"]) for each in typed] == [(FIRST, True, 0.5), (FIRST, False, 0.6)]
    assert "1:01:01" in play(folder, "--search", "exit").stdout
    between = timestamp((instant_of(FIRST) + instant_of(SECOND)) / 2)
    nothing = play(folder, "--search", "nowhere")
    assert (nothing.exit_code, nothing.stderr) == (1, "no recording has that\n")
    assert [each["id"] for each in json.loads(play(folder, "--search", "root", "--until", between, "-o", "json").stdout)] == [FIRST]


def test_one_recording_does_not_drown_the_others(folder: Path) -> None:
    """``yes root:`` is as many lines as fit on the disk."""
    write(folder, SECOND, (0.2, Kind.OUTPUT, b"root:\n" * 5000), user="bob")
    result = play(folder, "--search", "root:", "-o", "json")
    found = [each["id"] for each in json.loads(result.stdout)]
    assert (found.count(FIRST), found.count(SECOND)) == (1, 100)
    assert result.stderr == f"kgate: 4,900 lines more of {SECOND} have that; kgate play {SECOND} --text shows all of it\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "name a recording to play, or --search WORDS"),
        ((FIRST, "--search", "x"), 2, "name a recording to play, or --search WORDS"),
        (
            ("ZZZZ000",),
            2,
            '2 recordings have "ZZZZ000" in their name, the latest of them ' + f"{FIRST}, {SECOND}; write more of the one that is meant",
        ),
        (("\x1b]52;c",), 1, 'no recording has "\\x1b]52;c" in its name; kgate audit search recording!= lists what is recorded'),
        (("--recordings", "/nowhere", "x"), 1, "/nowhere does not exist; name the folder of the recordings with --recordings"),
    ],
)
def test_what_is_not_there_is_said(folder: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    result = play(folder, *arguments)
    assert (result.exit_code, said in result.stderr) == (code, True), result.stderr


def test_a_file_that_is_no_recording_is_said_and_the_others_are_searched(folder: Path) -> None:
    (folder / "recordings" / "2025-12-01" / "0.cast").write_text("not\x1b a cast\n")
    assert "this is no recording: its first line is not the header of an asciicast v2" in play(folder, "0.cast").stderr
    result = play(folder, "--search", "root:x")
    assert result.exit_code == 0 and FIRST in result.stdout and "0.cast: this is no recording" in result.stderr


def test_who_stops_reading_hears_nothing_of_the_file(folder: Path) -> None:
    """``kgate play ID | head``: the pipe is broken, not the recording."""
    write(folder, SECOND, *((1.0, Kind.OUTPUT, b"x" * 50_000 + b"\n") for _ in range(20)), tty=False)
    command = [Path(sys.executable).with_name("kgate"), "play", "-d", folder, SECOND]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.read(3) == b"xxx"
        process.stdout.close()
        assert process.stderr.read() == b""
    with Path("/dev/full").open("wb") as nowhere:
        full = subprocess.run([*command, "--text"], stdout=nowhere, stderr=subprocess.PIPE, check=False)
    assert (full.returncode, full.stderr) == (1, b"kgate: what this prints cannot be written: No space left on device\n")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            b'[1,"o","%s"]\n' % (b"x" * 2000),
            ":2: this line is longer than any that a gate writes; kgate audit verify says whether somebody",
        ),
        (b'["inf","o","x"]\n', ":2: this line is no event"),
        (b'[true,"o","x"]\n', ":2: this line is no event"),
    ],
)
def test_what_no_gate_wrote_does_not_hide_what_stands_behind_it(
    folder: Path, line: bytes, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "LONGEST_LINE", 1000)
    path = write(folder, SECOND)
    path.write_bytes(path.read_bytes() + line + b'[2,"o","behind"]\n')
    result = play(folder, SECOND)
    assert result.exit_code == 1 and said in result.stderr
    result = play(folder, "--search", "root:x")
    assert result.exit_code == 0 and FIRST in result.stdout and said in result.stderr


@pytest.mark.parametrize("moment", ["1e300", "-1e300", "99999999999999", "null"])
def test_a_moment_that_no_calendar_has_is_none(folder: Path, moment: str) -> None:
    path = folder / "strange.cast"
    path.write_text(f'{{"version":2,"timestamp":{moment}}}\n[1e300,"o","hello\\n"]\n')
    assert play(folder, str(path)).stdout == "hello\n"
    assert json.loads(play(folder, str(path), "-o", "json").stdout)["header"]["began"] == ""


@pytest.mark.parametrize("arguments", [("ZZZZ0001",), ("--search", "root")])
def test_a_day_that_cannot_be_read_is_not_one_without_recordings(
    folder: Path, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    day, listdir = folder / "recordings" / "2025-12-01", os.listdir

    def refused(path: Any = ".") -> list[str]:
        if Path(path) == day:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refused)
    result = play(folder, *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{day} cannot be read: permission denied; run this as somebody who may read the gate's recordings" in result.stderr


def test_a_name_that_no_file_can_have_is_one_that_is_not_there(folder: Path) -> None:
    result = play(folder, "a" * 300 + ".cast")
    assert result.exit_code == 1 and "in its name; kgate audit search" in result.stderr


def on_a_terminal(folder: Path, *arguments: str, stop_at: bytes = b"", by: signal.Signals = signal.SIGINT) -> tuple[bytes, int]:
    """All that a terminal gets to see of the command, and its exit code. Ctrl-C, or another signal, comes once it has seen ``stop_at``."""
    leader, follower = pty.openpty()
    command = [Path(sys.executable).with_name("kgate"), "play", "-d", folder, *arguments]
    process = subprocess.Popen(
        command, stdin=follower, stdout=follower, stderr=follower, start_new_session=True, env={**os.environ, "TERM": "xterm"}
    )
    os.close(follower)
    seen, deadline = b"", time.monotonic() + 120
    while time.monotonic() < deadline:
        if not select.select([leader], [], [], 0.1)[0]:
            continue
        try:
            data = os.read(leader, 65536)
        except OSError:  # nobody has the other end any more (EIO)
            break
        seen += data
        if stop_at and stop_at in seen:
            process.send_signal(by)
            stop_at = b""
    os.close(leader)
    return seen, process.wait(60)


@pytest.mark.threat("27")
def test_threat_27_on_a_terminal_it_is_as_it_was_but_for_what_does_not_draw(folder: Path) -> None:
    seen, code = on_a_terminal(folder, FIRST, "--speed", "100", "--idle", "0.5")
    assert code == 0
    introduction, _, shown = seen.partition(b"\r\n")
    assert introduction == b"alice: exec prod/team-a/web-0, 2025-12-01 09:23:20Z"
    assert shown == b"$ cat /etc/passwd\r\n\x1b[31mroot:x:0:0\x1b[m\r\n$ exit\r\n\x1b[0m\x1b(B\x1b)B\x0f\r\n"
    write(folder, SECOND, (0.1, Kind.OUTPUT, b"one\ntwo\n"), tty=False)
    assert b"one\r\ntwo\r\n" in on_a_terminal(folder, SECOND)[0]
    write(folder, SECOND, (0.1, Kind.OUTPUT, b"\x1b]one\ntwo\n"), tty=False)
    assert b"two\r\n" in on_a_terminal(folder, SECOND)[0], "where no terminal was, none left it out"
    write(folder, SECOND, (0.1, Kind.OUTPUT, b"one\ntwo"))
    assert b"one\ntwo\x1b[0m" in on_a_terminal(folder, SECOND)[0], "a line feed that an editor wrote only goes down"
    typed, _ = on_a_terminal(folder, FIRST, "--speed", "100", "--input")
    assert "$ \x1b[7mcat /etc/passwd⏎\x1b[27mcat".encode() in typed


@pytest.mark.threat("27")
def test_threat_27_the_terminal_is_put_back_after_ctrl_c_too(tmp_path: Path) -> None:
    write(tmp_path, FIRST, (0.1, Kind.OUTPUT, b"\x1b[?1049h\x1b[?25l\x1b[31mhere"), (60.0, Kind.OUTPUT, b"never"))
    began = time.monotonic()
    seen, code = on_a_terminal(tmp_path, FIRST, "--idle", "60", stop_at=b"here")
    assert code == 130 and time.monotonic() - began < 50
    assert seen.endswith(b"here\x1b[?1049l\x1b[?25h\x1b[0m\x1b(B\x1b)B\x0f\r\n\r\nkgate: stopped by Ctrl-C\r\n")
    seen, code = on_a_terminal(tmp_path, FIRST, "--idle", "60", stop_at=b"here", by=signal.SIGTERM)  # timeout 60 kgate play
    assert code == 143 and seen.endswith(b"here\x1b[?1049l\x1b[?25h\x1b[0m\x1b(B\x1b)B\x0f\r\n")


def test_a_terminal_that_is_too_small_is_said_by_the_size_that_it_had(tmp_path: Path) -> None:
    """The header says 80x24 of each: the client tells its size later."""
    path = write(tmp_path, FIRST, (0.1, Kind.OUTPUT, b"here"))
    first, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([first, b'[0.01,"r","200x50"]\n', *rest]))
    seen, _ = on_a_terminal(tmp_path, FIRST)
    assert b"; it was 200x50, which this terminal is too small for\r\n" in seen and b"here" in seen
