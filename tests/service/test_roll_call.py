"""``kgate sessions`` of several processes: each one's sessions are found and cut from any of them, and one that keeps silent is named."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from commanded_gate import Command, as_, commanded_gate, commands, watching
from fleet import Fleet, fleet_of_postgresql
from lab.waiting import eventually
from live_gate import LiveGate
from raw_client import RawClient
from running import both_up, children

from kgate.cli.the_gate import MOST_ANSWER
from kgate.sessions.roll_call import MOST_BYTES, fitting

POLICY = {
    "rules": [
        {"name": "reads", "who": {"users": ["*"]}, "clusters": {"names": ["*"]}, "allow": [{"verbs": ["*"], "resources": ["*"]}]},
        {"name": "on-call", "who": {"users": ["bob"]}, "clusters": {"names": ["*"]}, "allow": [{"actions": ["lock"]}]},
    ]
}


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGate]:
    """Two of one gate, on SQLite."""
    with commanded_gate(tmp_path_factory.mktemp("roll-call"), POLICY, {"workers": 2}) as gate:
        both_up(gate)
        yield gate


@pytest.fixture
def kgate(workers: LiveGate, tmp_path: Path) -> Command:
    return commands(workers, tmp_path)


def test_any_worker_knows_what_lives_with_the_others(workers: LiveGate, kgate: Command) -> None:
    with ExitStack() as stack:
        watches = [stack.enter_context(watching(workers, "alice")) for _ in range(12)]

        def everybody_s() -> list[dict[str, Any]]:
            ran = kgate("bob", "sessions", "list", "-o", "json")
            return json.loads(ran.out) if not ran.error else []

        for _ in range(6):  # whichever of them the command meets
            found = eventually("no worker is silent, as one of a busy machine may be", everybody_s)
            assert len(found) == 12
        assert len({each["gate"] for each in found}) == 2
        assert kgate("bob", "sessions", "cut", "--user", "alice").out.startswith("12 sessions of alice cut")
        for each in watches:
            assert b"kgate: closed by bob (request " in each.until(b"0\r\n\r\n")
        assert "nothing is live" in kgate("bob", "sessions", "list").out


def test_a_worker_that_keeps_silent_is_named(workers: LiveGate, kgate: Command) -> None:
    assert workers.process is not None
    frozen = children(workers.process.pid)[0]
    with ExitStack() as stack:
        clients = [stack.enter_context(RawClient(workers.port, workers.context())) for _ in range(16)]
        os.kill(frozen, signal.SIGSTOP)
        try:
            for each in clients:
                each.send(b"GET /kgate/v1/sessions HTTP/1.1\r\n%b\r\n" % as_("bob"))
            said = json.loads(first_answer(clients))
        finally:
            os.kill(frozen, signal.SIGCONT)
    (silent,) = said["silent"]
    assert silent.startswith(f"{socket.gethostname()}/") and said["sessions"] == []
    eventually("both answer", lambda: not kgate("bob", "sessions", "list").error)


def test_a_worker_that_was_killed_is_not_missed_once_its_successor_is_here(workers: LiveGate, kgate: Command) -> None:
    assert workers.process is not None
    os.kill(children(workers.process.pid)[0], signal.SIGKILL)
    both_up(workers)
    eventually("nobody is missed", lambda: not kgate("bob", "sessions", "list").error)


def first_answer(clients: list[RawClient]) -> bytes:
    """Of whichever is not a frozen worker's."""
    while clients:
        ready, _, _ = select.select([each.tls for each in clients], [], [], 20)
        client = next(each for each in clients if each.tls in ready)
        if client.status() == 200:
            return client.last_body
        clients.remove(client)
    raise AssertionError("nobody answered")


@pytest.mark.threat("19")
def test_nobody_keeps_every_gate_busy_with_looking_for_sessions(workers: LiveGate) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(RawClient(workers.port, workers.context())) for _ in range(16)]
        for each in clients:
            each.send(b"GET /kgate/v1/sessions HTTP/1.1\r\n%b\r\n" % as_("alice"))
        statuses = [each.status() for each in clients]
        assert set(statuses) == {200, 429} and b"retry-after: 1\r\n" in clients[statuses.index(429)].last_head
        clients[0].send(b"GET /kgate/v1/sessions HTTP/1.1\r\n%b\r\n" % as_("alice"))
        assert clients[0].status() == 200


def test_what_one_process_answers_has_an_end() -> None:
    made = iter([{"id": f"{number:04d}"} for number in range(1000)])
    assert [each["id"] for each in fitting(made, 40)] == ["0000", "0001", "0002"] and next(made)[
        "id"
    ] == "0004"  # the rest is not even made
    assert MOST_BYTES * 3 < MOST_ANSWER  # a command that asks several of them still reads it


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet_of_postgresql(tmp_path_factory.mktemp("roll-call-fleet")) as made:
        yield made


def ask(fleet: Fleet, gate: LiveGate, head: str, document: dict[str, str] | None = None) -> tuple[int, Any]:
    """As bob."""
    body = json.dumps(document).encode() if document is not None else b""
    with RawClient(gate.port, gate.context()) as client:
        client.send(b"%b HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\n" % (head.encode(), fleet.token("bob").encode()))
        client.send(b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        return client.status(), json.loads(client.last_body)


def test_what_lives_at_one_gate_of_a_fleet_is_found_and_cut_from_the_other(two: Fleet) -> None:
    here, there = two.gates
    with two.watch(there, two.token("alice")) as hers, two.watch(here, two.token("carol")):
        status, found = ask(two, here, "GET /kgate/v1/sessions")
        assert status == 200 and [each["user"] for each in found["sessions"]] == ["carol", "alice"] and "silent" not in found
        id_ = found["sessions"][1]["id"]
        status, shown = ask(two, here, f"GET /kgate/v1/sessions/{id_}")
        assert status == 200 and shown["user"] == "alice" and shown["resource"] == "pods"
        status, cut = ask(two, here, "POST /kgate/v1/sessions/cut", {"id": id_})
        assert status == 200 and cut["found"] == 1
        assert b"kgate: closed by bob (request " in hers.until(b"0\r\n\r\n")


def test_a_store_that_does_not_answer_leaves_what_lives_here_and_says_so(two: Fleet) -> None:
    here, there = two.gates
    with two.watch(there, two.token("alice")), two.watch(here, two.token("carol")):
        with two.store.frozen():
            status, found = ask(two, here, "GET /kgate/v1/sessions")
            assert status == 200 and [each["user"] for each in found["sessions"]] == ["carol"]
            assert found["problem"] == "the gate's store does not answer in time"
        eventually("the others are heard again", lambda: len(ask(two, here, "GET /kgate/v1/sessions")[1]["sessions"]) == 2)
