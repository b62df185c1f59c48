"""Losing it at once: what the identity provider, a sign-out or a clock takes away ends live streams, whatever token they were opened with."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from lab.waiting import eventually
from raw_client import RawClient
from recording_cluster import Connection
from sign_in import PEOPLE, Machine, Scene, scene

WATCH = "/clusters/lab/api/v1/namespaces/a/pods?watch=true"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
RECHECK = 1


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(
        tmp_path_factory.mktemp("continuous"), {"recheck": f"{RECHECK}s", "unreachable": "1m", "token": "5s"}, drain="1s"
    ) as running:
        running.gate.cluster.answer = lambda connection, head: answer(connection, head)
        yield running


def answer(connection: Connection, head: bytes) -> None:
    """A watch that goes on, and an answer to everything else."""
    if b"watch=true" in head.split(b"\r\n")[0]:
        connection.send(HEAD + b"3\r\n{}\n\r\n")
        connection.receive()
    else:
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")


@pytest.fixture(autouse=True)
def everybody_is_there(world: Scene) -> Iterator[None]:
    yield
    world.company.has(PEOPLE)


def token_of(machine: Machine) -> str:
    code, out, err = machine.run("credential")
    assert code == 0, err
    return str(json.loads(out)["status"]["token"])


class Watch:
    """A live watch by somebody's token."""

    def __init__(self, world: Scene, token: str) -> None:
        self._client = RawClient(world.gate.gate.port, world.gate.gate.context())
        self._client.send(f"GET {WATCH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        begun = self._client.until(b"{}\n\r\n")
        assert b" 200 " in begun.split(b"\r\n")[0], begun

    def until_cut(self, seconds: float) -> str:
        """What it says as it ends, which must be within ``seconds``."""
        self._client.tls.settimeout(seconds)
        said = self._client.until(b"\r\n0\r\n\r\n").decode()
        self.close()
        return said

    def close(self) -> None:
        self._client.tls.close()

    def lives(self, seconds: float) -> bool:
        self._client.tls.settimeout(seconds)
        try:
            return bool(self._client.receive())
        except TimeoutError:
            return True


def test_a_refused_refresh_cuts_what_lives_and_the_person_reads_why(world: Scene) -> None:
    machine = world.signed_in("alice")
    watch = Watch(world, token_of(machine))
    world.company.has({"bob": ["sre"]})
    said = watch.until_cut(10)
    assert "your session ended: the identity provider does not stand by it any more" in said and "alice left the company" in said
    code, _, err = machine.run("credential")
    assert code == 1 or "left the company" in world.gate.ask(token_of(machine))[1], err
    assert "left the company" in world.until_recorded("logout", user="alice")["reasons"][0]


def test_changed_groups_take_effect_on_live_streams(world: Scene) -> None:
    machine = world.signed_in("alice")
    held = token_of(machine)
    watch = Watch(world, held)
    world.company.has({**PEOPLE, "alice": ["guests"]})
    assert "no rule is for alice" in watch.until_cut(10)
    assert world.gate.whoami(token_of(machine))["groups"] == ["guests"]
    world.company.has(PEOPLE)
    eventually("alice is a developer again", lambda: world.gate.whoami(token_of(machine))["groups"] == ["developers"], every=0.3)


def test_an_unchanged_person_is_left_alone_past_the_tokens_own_end(world: Scene) -> None:
    machine = world.signed_in("alice")
    held = token_of(machine)
    watch = Watch(world, held)
    assert watch.lives(6)  # the token was good for 5 s: it opened the stream, the session keeps it
    watch.close()
    status, message = world.gate.ask(held)
    assert status == 401 and "the gate token has expired" in message


def test_signing_out_cuts_what_runs_under_the_session_at_once(world: Scene) -> None:
    machine, other = world.signed_in("alice"), world.signed_in("alice")
    watch, bystander = Watch(world, token_of(machine)), Watch(world, token_of(other))
    assert machine.run("logout")[0] == 0
    began = time.monotonic()  # when the command, which takes a second to start, is through
    assert "your session ended: you signed out" in watch.until_cut(5)
    assert time.monotonic() - began < 5
    assert bystander.lives(0.5)
    bystander.close()
    ended = world.until_recorded("stream-end", closed_by="logout")
    assert ended["revocation_ms"] < 5000


def test_a_provider_that_is_silent_for_too_long_ends_its_sessions(tmp_path_factory: pytest.TempPathFactory) -> None:
    with scene(tmp_path_factory.mktemp("silent"), {"recheck": "1s", "unreachable": "8s"}, drain="1s") as world:
        machine = world.signed_in("alice")
        world.company.stop()
        eventually("it was asked in vain", lambda: "could not be confirmed: " in world.gate.gate.log.read_text())
        assert world.gate.whoami(token_of(machine))["user"] == "alice"  # its silence is no news, for a while
        ended = world.until_recorded("logout", 90, user="alice")
        assert "could not be confirmed for too long" in ended["reasons"][0]
