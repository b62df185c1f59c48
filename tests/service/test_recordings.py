"""Recordings of a gate as an operator runs it: what is on the disk, what is on record, and what becomes of a stream that cannot be recorded."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from arena import Arena
from lab.waiting import eventually
from recorded_exec import ENDED, RESIZE, STDERR, STDIN, STDOUT, begun, casts, heard, kgate, policy, refused, said, saying, written
from running import Make, of

pytestmark = pytest.mark.threat("25")


def started(make: Make, record: str = "full", **settings: Any) -> Arena:
    arena = make(**settings)
    arena.gate.write_policy(policy(record))
    arena.gate.start()
    return arena


def recordings(arena: Arena) -> Path:
    return arena.gate.folder / "audit" / "recordings"


def ended(arena: Arena) -> dict[str, Any]:
    """The end of the one stream that there was."""
    eventually("its end on record", lambda: len(of(arena, "stream-end")) == 1)
    return of(arena, "stream-end")[0]


def play(arena: Arena) -> None:
    """A whole exec: a size, a word, its echo, the end."""
    arena.cluster.answer = saying(
        heard(STDOUT, "gr\u00fc".encode()[:3]), heard(STDERR, b"err\r\n"), heard(STDOUT, "\u00fc\x1b[1m\r\n".encode()[1:]), ENDED
    )
    with begun(arena) as client:
        client.send(said(RESIZE, b'{"Width":120,"Height":40}') + said(STDIN, b"ls\r"))
        client.rest()


def test_that_a_session_is_recorded_is_said_where_it_is_listed(make: Make) -> None:
    arena = started(make)
    arena.cluster.answer = saying(heard(STDOUT, b"$ "))
    with begun(arena), arena.client() as client:
        client.send(b"GET /kgate/v1/sessions HTTP/1.1\r\n%b\r\n" % arena.head)
        assert client.status() == 200
        (session,) = json.loads(client.last_body)["sessions"]
        (start,) = of(arena, "stream-start")
        assert session["recording"] == start["recording"] and session["id"] == start["id"]


def test_a_recording_holds_what_was_seen_and_typed_and_is_proved_by_the_chain(make: Make) -> None:
    arena = started(make)
    play(arena)
    end, start = ended(arena), of(arena, "stream-start")[0]
    (path,) = casts(recordings(arena))
    header, events = written(path)
    assert header["version"] == 2 and (header["width"], header["height"]) == (80, 24)
    assert header["kgate"]["user"] == "alice" and header["kgate"]["command"] == ["sh"] and header["kgate"]["rule"] == "developers"
    assert [event[1:] for event in events] == [
        ["r", "120x40"], ["i", "ls\r"], ["o", "gr"], ["o", "err\r\n"], ["o", "\u00fc\x1b[1m\r\n"],
    ]  # fmt: skip
    assert path.read_bytes().isascii() is False and b"\x1b" not in path.read_bytes()
    assert start["recording"] == end["recording"] == f"{path.parent.name}/{start['id']}.cast"
    assert end["recorded"]["bytes"] == path.stat().st_size and "problem" not in end["recorded"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == stat.S_IMODE(recordings(arena).stat().st_mode) == 0o700
    folder = arena.gate.folder
    whole = kgate(folder, "audit", "verify")
    assert whole.returncode == 0 and "1 recording as they were recorded" in whole.stdout
    assert kgate(folder, "audit", "search", f"recording=*{start['id']}*").returncode == 0
    shown = kgate(folder, "play", start["id"][-6:].lower(), "--text", "--input")
    assert shown.stdout == "> ls\ngrerr\n\u00fc\n", shown
    path.write_bytes(path.read_bytes().replace(b"err", b"ERR"))
    changed = kgate(folder, "audit", "verify")
    assert changed.returncode == 1 and f"{path.parent.name}/{path.name}: the recording is not what was recorded" in changed.stdout
    path.unlink()
    gone = kgate(folder, "audit", "verify")
    assert gone.returncode == 1 and "the recording is missing" in gone.stdout
    assert kgate(folder, "audit", "verify", "--without-recordings").returncode == 0


def test_stdout_alone_keeps_what_was_typed_to_itself(make: Make) -> None:
    arena = started(make, "stdout")
    play(arena)
    ended(arena)
    assert {event[1] for event in written(casts(recordings(arena))[0])[1]} == {"r", "o"}


def test_a_request_that_never_became_a_stream_leaves_no_recording(make: Make) -> None:
    arena = started(make)
    arena.cluster.answer = lambda connection, _head: connection.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    assert b" 404 " in refused(arena).last_head
    end = ended(arena)
    assert end["status"] == 404 and "recording" not in end
    eventually("no file", lambda: casts(recordings(arena)) == [])
    assert kgate(arena.gate.folder, "audit", "verify").returncode == 0


def test_what_cannot_be_recorded_is_not_sent_to_the_cluster(make: Make) -> None:
    arena = make()
    arena.gate.write_policy(policy("stdout"))
    (arena.gate.folder / "audit").mkdir()
    recordings(arena).write_text("in the way")
    arena.gate.start()
    arena.cluster.reset()
    client = refused(arena)
    assert b" 503 " in client.last_head and b"it is to be recorded and cannot be, so nothing was sent to the cluster: " in client.last_body
    assert arena.cluster.heads == []
    end = ended(arena)
    assert end["status"] == 503 and end["recorded"]["problem"]
    assert "warning: recordings: " in arena.gate.admin("/readyz")[1]
    recordings(arena).unlink()
    play(arena)
    eventually("ready without a warning", lambda: arena.gate.admin("/readyz") == (200, "ok\n"))


def test_best_effort_goes_on_and_says_so(make: Make) -> None:
    arena = make(audit={"directory": "audit", "mode": "best_effort"})
    arena.gate.write_policy(policy("stdout"))
    (arena.gate.folder / "audit").mkdir()
    recordings(arena).write_text("in the way")
    arena.gate.start()
    play(arena)
    end = ended(arena)
    assert end["status"] == 101 and end["recorded"] == {"problem": "File exists"}
    (lost,) = of(arena, "recording-lost")
    assert lost["id"] == end["id"] and lost["reasons"] == ["it goes on unrecorded: File exists"]


def test_a_recording_that_is_as_long_as_it_may_be_ends_its_stream_with_words(make: Make) -> None:
    arena = started(make, "stdout", audit={"directory": "audit", "recordings": {"bytes": "2KiB"}})
    arena.cluster.answer = saying(heard(STDOUT, b"x" * 3000))
    with begun(arena) as client:
        client.send(said(STDIN, b"cat\r"))
        assert (
            b"kgate: closed: its recording has the 2,048 bytes that audit.recordings.bytes allows; run the command again" in client.rest()
        )
    end = ended(arena)
    assert end["closed_by"] == "recording"
    _, events = written(casts(recordings(arena))[0])
    assert events[0][2] == "x" * 3000, "what passed is in it"
    assert events[-1][1] == "m" and "audit.recordings.bytes" in events[-1][2]
    assert kgate(arena.gate.folder, "audit", "verify").returncode == 0


def test_a_stream_that_is_faster_than_the_disk_waits_for_it(make: Make) -> None:
    arena = started(make, "stdout")
    piece, times = heard(STDOUT, b"the quick brown fox jumps over the lazy dog\n" * 700) * 16, 100
    arena.cluster.answer = saying(*[piece] * times, ENDED)
    with begun(arena) as client:
        client.send(said(STDIN, b"x"))
        assert sum(map(len, iter(client.receive, b""))) == len(piece) * times + len(ENDED)
    end = ended(arena)
    assert "closed_by" not in end and end["recorded"]["bytes"] == casts(recordings(arena))[0].stat().st_size > len(piece) * times
    assert "problem" not in end["recorded"]


def test_a_stream_of_which_more_is_to_be_recorded_is_cut_and_one_of_which_less_is_goes_on(make: Make) -> None:
    arena = started(make, "stdout")
    arena.cluster.answer = saying(heard(STDOUT, b"up"))
    with begun(arena) as less:
        less.send(said(STDIN, b"x"))
        less.until(b"up")
        arena.gate.write_policy(policy("none"))
        eventually("the reload", lambda: len(of(arena, "config")) == 1)
        with begun(arena) as more:
            more.send(said(STDIN, b"x"))
            more.until(b"up")
            arena.gate.write_policy(policy("stdout"))
            eventually("the reload", lambda: len(of(arena, "config")) == 2)
            assert b'rule \\"developers\\" wants it recorded, which cannot begin in the middle; run the command again' in more.rest()
            assert [record["closed_by"] for record in eventually("its end on record", lambda: of(arena, "stream-end"))] == ["policy"]
            less.send(said(STDIN, b"y"))
        arena.gate.write_policy(policy("full"))
        assert b"wants it recorded, which cannot begin in the middle" in less.rest()
    assert len(casts(recordings(arena))) == 1


def test_what_a_killed_gate_wrote_is_a_beginning_that_plays_and_is_proved_by_the_next_start(make: Make) -> None:
    arena = started(make)
    arena.cluster.answer = saying(heard(STDOUT, b"hello\r\n"))
    with begun(arena) as client:
        client.send(said(STDIN, b"ls\r"))
        client.until(b"hello\r\n")
        eventually("it is written", lambda: b"hello" in casts(recordings(arena))[0].read_bytes())
        assert arena.gate.process is not None
        arena.gate.process.kill()
        arena.gate.process.wait()
    (path,) = casts(recordings(arena))
    with path.open("ab") as file:
        file.write(b'[1.5,"o","half a li')
    assert kgate(arena.gate.folder, "play", str(path), "--text").stdout == "hello\n"
    arena.gate.start()
    (end,) = eventually("it is closed", lambda: of(arena, "request-end"))
    assert end["outcome"] == "unknown" and end["recorded"]["bytes"] == path.stat().st_size
    assert kgate(arena.gate.folder, "audit", "verify").returncode == 0
    path.write_bytes(path.read_bytes()[:-1])
    assert kgate(arena.gate.folder, "audit", "verify").returncode == 1


def test_a_gate_that_stops_sees_what_is_recorded_to_the_disk(make: Make) -> None:
    arena = started(make, "stdout", drain="1s")
    arena.cluster.answer = saying(heard(STDOUT, b"up"))
    with begun(arena) as client:
        client.send(said(STDIN, b"x"))
        client.until(b"up")
        arena.gate.stop()
    end = ended(arena)
    assert (end["closed_by"], end["recorded"]["bytes"]) == ("drain", casts(recordings(arena))[0].stat().st_size)
    assert (of(arena, "stop") and arena.gate.records()[-1] == end) or arena.gate.records()[-1]["event"] == "stop"
    assert kgate(arena.gate.folder, "audit", "verify").returncode == 0


def test_workers_record_in_one_folder_and_what_is_old_goes_and_is_not_missed(make: Make) -> None:
    audit = {"directory": "audit", "recordings": {"keep": "1d"}}
    arena = make(audit=audit, workers=2)
    old = recordings(arena) / "2020-01-01" / "01DXF6DT000000000000000000.cast"
    old.parent.mkdir(parents=True)
    old.write_text("{}\n")
    os.utime(old, (1_577_880_000.0, 1_577_880_000.0))
    arena.gate.write_policy(policy("stdout"))
    arena.gate.start()
    eventually("the old one goes", lambda: not old.parent.exists())
    (removed,) = eventually("that is on record", lambda: of(arena, "recordings-removed"))
    assert (removed["recording"], removed["count"]) == ("2020-01-01/", 1)
    for _ in range(4):
        play(arena)
    eventually("their ends on record", lambda: len(of(arena, "stream-end")) == 4)
    assert len(casts(recordings(arena))) == 4
    for place in ("audit", *{f"audit/worker-{end['gate'][-1]}" for end in of(arena, "stream-end")}):
        assert kgate(arena.gate.folder, "audit", "verify", "-d", place).returncode == 0
    assert "kgate_recordings_total{worker=" in arena.gate.admin("/metrics")[1]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB for recordings."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small tmpfs takes root, and a container that lets it")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_disk_that_gets_full_ends_the_stream_at_once_with_words(make: Make, small_disk: Path) -> None:
    arena = started(make, "stdout", audit={"directory": "audit", "recordings": {"directory": str(small_disk / "recordings")}})
    arena.cluster.answer = saying(heard(STDOUT, b"y" * 300_000))
    with begun(arena) as client:
        client.send(said(STDIN, b"cat\r"))
        began = time.monotonic()
        rest = client.rest()
        assert time.monotonic() - began < 10
    assert b"kgate: closed: it is to be recorded and cannot be any more: No space left on device; tell whoever runs this gate" in rest
    end = ended(arena)
    (path,) = casts(small_disk / "recordings")
    assert end["closed_by"] == "recording"
    assert (end["recorded"]["bytes"], end["recorded"]["problem"]) == (path.stat().st_size, "No space left on device")
    assert path.read_bytes().endswith(b"\n"), "what could not be written whole was taken off again"
    assert f"{small_disk / 'recordings'}: recordings cannot be written: No space left on device" in arena.gate.log.read_text()
    assert kgate(arena.gate.folder, "audit", "verify").returncode == 0
