"""The end of a gate, by SIGTERM and by kill -9: what lives is told why, and the audit has no loose ends."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from subprocess import TimeoutExpired

import orjson
import pytest
from arena import Arena
from lab.waiting import eventually
from live_gate import TOKENS
from reactors import dispose, make_reactor, turn_until
from recording_cluster import Connection
from running import EVENT, PODS, WATCH, Make, a_full_disk, chain, children, of, watching

from kgate.audit.chain import Verified
from kgate.audit.record import event_record
from kgate.net.journal import Journal
from kgate.service.records import Records
from kgate.settings.operation import AuditSettings
from kgate.settings.values import FilePath


@pytest.fixture
def arena(make: Make) -> Arena:
    """A gate that serves."""
    made = make(drain="1s")
    made.gate.start()
    return made


@pytest.mark.threat("26")
def test_sigterm_ends_an_idle_gate_at_once_and_nothing_of_a_token_was_written(arena: Arena) -> None:
    assert arena.get(PODS) == 200
    arena.ask(b"GET /clusters/lab/api/v1/pods HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer wrong-secret-token\r\n\r\n")
    started = time.monotonic()
    assert arena.gate.stop() == -signal.SIGTERM
    assert time.monotonic() - started < 10
    assert [record["event"] for record in arena.gate.records()][-1] == "stop"
    for path in arena.gate.folder.rglob("*"):
        if path.is_file() and path.name != "tokens.yaml":
            assert TOKENS["alice"].encode() not in path.read_bytes(), path
            assert b"wrong-secret-token" not in path.read_bytes(), path


def test_sigterm_lets_what_lives_go_on_for_a_while_and_then_says_why_it_ends(make: Make) -> None:
    arena = make(drain="3s")
    arena.gate.start()
    with watching(arena) as live:
        assert arena.gate.process is not None
        started = time.monotonic()
        arena.gate.process.send_signal(signal.SIGTERM)
        drains = (503, "gate: it drains: what is under way goes on, new requests belong elsewhere\n")
        eventually("it is not ready", lambda: arena.gate.admin("/readyz") == drains, every=0)
        rest = live.rest()
        assert 2.8 < time.monotonic() - started < 30
        assert b'"type":"ERROR"' in rest and b"kgate: " in rest
        with pytest.raises(ConnectionRefusedError):
            arena.client()
    arena.gate.process.wait(10)
    (end,) = of(arena, "stream-end")
    assert end["closed_by"] == "drain"
    assert isinstance(chain(arena.gate.folder / "audit"), Verified)


def both_told(arena: Arena) -> str:
    """The metrics, once the first of two workers tells any: a process that does heeds signals in the gate's own way, which "kgate serves" does not say yet."""
    page = arena.gate.admin("/metrics")[1]
    return page if 'kgate_recordings_total{worker="1"}' in page else ""


@pytest.mark.parametrize("workers", [1, 2])
def test_whoever_tells_it_twice_reads_that_it_is_stopping(make: Make, workers: int) -> None:
    """Ctrl-C reaches the workers of a gate in a terminal, which their supervisor then tells to stop too."""
    arena = make(workers=workers, drain="60s")
    process = arena.gate.start().process
    assert process is not None
    eventually("each is in its main loop", lambda: workers == 1 or 'kgate_recordings_total{worker="2"}' in both_told(arena))
    with watching(arena):
        processes = [process.pid, *children(process.pid)]
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
            for pid in processes:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
        eventually("it says so", lambda: "it is stopping already" in arena.gate.log.read_text())
        assert process.poll() is None
    assert process.wait(20) in (-signal.SIGTERM, -signal.SIGINT)
    assert "Traceback" not in arena.gate.log.read_text()


def test_a_request_under_way_is_answered_though_the_gate_is_told_to_stop(arena: Arena) -> None:
    assert arena.gate.process is not None
    process = arena.gate.process

    def late(connection: Connection, _head: bytes) -> None:
        process.send_signal(signal.SIGTERM)
        connection.closed.wait(0.3)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    arena.cluster.answer = late
    assert arena.get(PODS) == 200
    process.wait(10)


@pytest.mark.threat("25")
def test_kill_9_leaves_nothing_open_in_the_audit_for_ever(arena: Arena) -> None:
    with watching(arena):
        assert arena.gate.process is not None
        arena.gate.process.kill()
        arena.gate.process.wait(10)
    (opened,) = of(arena, "stream-start")
    (path,) = (arena.gate.folder / "audit").glob("audit-*.jsonl")
    with path.open("ab") as torn:
        torn.write(b'{"time":"2026-')
    arena.gate.start()
    ended = eventually("it is closed", lambda: [record for record in arena.gate.records() if record.get("outcome") == "unknown"])
    assert [record["id"] for record in ended] == [opened["id"]]
    assert path.with_suffix(".torn").read_bytes() == b'{"time":"2026-'
    assert arena.get(PODS) == 200
    assert isinstance(chain(arena.gate.folder / "audit"), Verified)


def test_a_stream_that_began_many_files_before_a_crash_is_closed_too(tmp_path: Path) -> None:
    reactor, clock, live, told = make_reactor(), [1_800_000_000.0], ["long", "short"], list[bool]()
    records = Records(reactor, "gate", AuditSettings(FilePath(tmp_path)), [tmp_path], lambda: None, lambda: 0.0, lambda: clock[0])
    records.journal.open()
    for id_ in live:
        records.journal.append(event_record("stream-start", id_, "gate", clock[0], allowed=True))
    for day in range(1, 5):
        clock[0] += 86400
        records.event("config", {}, told.append)
        turn_until(reactor, lambda day=day: len(told) == day)
        records.tick(lambda: live)
    records.journal.append(event_record("stream-end", live.pop(), "gate", clock[0]))
    stopped: list[object] = []
    records.journal.stop().addCallback(stopped.append)  # without a word about what is open
    turn_until(reactor, lambda: bool(stopped))
    after = Journal(reactor, tmp_path, lambda: 0.0, lambda: clock[0], lambda: None)
    assert after.open() == ["long"]
    dispose(reactor)


@pytest.mark.threat("25")
def test_how_many_records_were_lost_is_on_record_once_there_is_room(tmp_path: Path) -> None:
    reactor, told = make_reactor(), list[bool]()
    records = Records(reactor, "gate", AuditSettings(FilePath(tmp_path)), [tmp_path], lambda: None, lambda: 0.0, lambda: 1_800_000_000.0)
    records.journal.open()
    records.journal.lost = 3
    with a_full_disk(room=10):
        records.event("config", {}, told.append)
        turn_until(reactor, lambda: told == [False])
        records.tick(list)
        assert records.journal.lost == 3
    records.event("config", {}, told.append)
    turn_until(reactor, lambda: len(told) == 2)
    for _ in range(2):
        records.tick(list)
    stopped: list[object] = []
    records.journal.stop().addCallback(stopped.append)
    turn_until(reactor, lambda: bool(stopped))
    said = [orjson.loads(line) for path in tmp_path.glob("*.jsonl") for line in path.read_bytes().splitlines()]
    assert [(each["event"], each.get("count")) for each in said] == [("config", None), ("records-lost", 3)]
    dispose(reactor)


def test_a_farewell_at_the_end_of_the_drain_reaches_a_client_that_is_behind(arena: Arena) -> None:
    event = EVENT.replace(b'"a"', b'"%b"' % (b"a" * 16_000))  # a TLS record's worth

    def many(connection: Connection, _head: bytes) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(512):
            connection.send(b"%x\r\n%b\r\n" % (len(event), event))

    arena.cluster.answer = many
    process = arena.gate.process
    assert process is not None
    with arena.client() as client:
        client.send(WATCH + arena.head + b"\r\n")
        assert client.until(event)
        process.send_signal(signal.SIGTERM)
        eventually("it was cut", lambda: of(arena, "stream-end"))
        with suppress(TimeoutExpired):
            process.wait(1)
        assert b'"type":"ERROR"' in client.rest()[-1000:]
    process.wait(10)
