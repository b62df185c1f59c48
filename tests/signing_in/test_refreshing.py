"""Refreshing: one for all who ask at once, none lost to a kill, and a copied secret ends the session (classes 14 and 24)."""

from __future__ import annotations

import hashlib
import http.client
import json
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from attrs import define
from lab.waiting import eventually
from sign_in import Machine, Scene, scene

AT_ONCE = 50


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("refreshing")) as running:
        yield running


def make_stale(machine: Machine) -> dict[str, Any]:
    """The kept token is over."""
    kept: dict[str, Any] = json.loads(machine.kept().read_text())
    write(machine, {**kept, "token_expires": 0.0})
    return kept


def write(machine: Machine, kept: dict[str, Any]) -> None:
    machine.kept().unlink()
    machine.kept().touch(0o600)
    machine.kept().write_text(json.dumps(kept))


@define
class Client:
    """Somebody who speaks to the token endpoint directly: the client's own protocol, or a thief's."""

    world: Scene

    def refresh(self, secret: str, following: str) -> tuple[int, dict[str, Any]]:
        digest = hashlib.sha256(following.encode()).hexdigest()
        return self.post(grant_type="refresh_token", refresh_token=secret, refresh_next=digest)

    def post(self, **form: str) -> tuple[int, dict[str, Any]]:
        gate = self.world.gate.gate
        connection = http.client.HTTPSConnection("127.0.0.1", gate.port, context=gate.context(), timeout=60)
        headers = {"content-type": "application/x-www-form-urlencoded"}
        connection.request("POST", "/oauth2/token", urlencode({"client_id": "kgate", **form}), headers)
        answer = connection.getresponse()
        document = json.loads(answer.read())
        connection.close()
        return answer.status, document


def refreshes(world: Scene) -> int:
    """How often the token endpoint gave a token for a refresh secret: the store remembers each."""
    with closing(sqlite3.connect(world.gate.gate.folder / "state.db")) as database:
        return int(database.execute("SELECT count(*) FROM refresh_secrets WHERE next != ''").fetchone()[0])


@pytest.mark.threat("24")
def test_fifty_at_once_make_one_refresh(world: Scene) -> None:
    machine = world.signed_in("alice")
    make_stale(machine)
    before = refreshes(world)
    processes = [machine.start("credential") for _ in range(AT_ONCE)]
    answers = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * AT_ONCE, [err for _, err in answers if err][:3]
    assert len({json.loads(out)["status"]["token"] for out, _ in answers}) == 1
    assert refreshes(world) == before + 1


def test_a_refresh_that_was_killed_is_made_again_whichever_step_it_reached(world: Scene) -> None:
    machine, client = world.signed_in("alice"), Client(world)
    kept = make_stale(machine)
    # killed after it wrote the following secret down, before it asked
    write(machine, {**kept, "token_expires": 0.0, "following": "f" * 43})
    assert machine.run("credential")[0] == 0
    # killed after the gate had answered, before the answer was written down
    kept = make_stale(machine)
    write(machine, {**kept, "token_expires": 0.0, "following": "g" * 43})
    assert client.refresh(kept["secret"], "g" * 43)[0] == 200
    assert machine.run("credential")[0] == 0
    assert json.loads(machine.kept().read_text())["secret"] == "g" * 43
    make_stale(machine)
    assert machine.run("credential")[0] == 0


def test_kill_nine_in_mid_refresh_loses_no_session(world: Scene) -> None:
    machine = world.signed_in("alice")
    for delay in (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3):
        make_stale(machine)
        process = machine.start("credential")
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=90)
        code, _, err = machine.run("credential")
        assert code == 0, (delay, err)


@pytest.mark.threat("24")
def test_a_copied_secret_ends_the_session_and_says_so_to_its_owner(world: Scene, tmp_path: Path) -> None:
    machine, client = world.signed_in("alice"), Client(world)
    stolen = make_stale(machine)["secret"]
    assert client.refresh(stolen, "thief-1")[0] == 200
    code, _, err = machine.run("credential")
    assert code == 1 and "used twice" in err and "find out who else has your files" in err
    assert client.refresh("thief-1", "thief-2")[1]["error"] == "invalid_grant"
    assert not machine.kept().exists()
    record = world.until_recorded("login", session=json.loads(json.dumps(world.records("login")))[-1]["session"], allowed=False)
    assert record["user"] == "alice" and "used twice" in record["reasons"][0]


def test_nobody_gets_a_token_for_nothing(world: Scene) -> None:
    client = Client(world)
    digest = "0" * 64
    for form in (
        {"grant_type": "refresh_token", "refresh_token": "guess", "refresh_next": digest},
        {"grant_type": "authorization_code", "code": "guess", "redirect_uri": "http://127.0.0.1:1/callback", "refresh_next": digest},
        {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": "guess", "refresh_next": digest},
    ):
        status, answer = client.post(**form)
        assert (status, answer["error"]) == (400, "invalid_grant")
    assert client.post(grant_type="password", refresh_next=digest)[1]["error"] == "unsupported_grant_type"
    assert client.post(grant_type="refresh_token", refresh_token="x")[1]["error"] == "invalid_request"
    assert client.post(grant_type="refresh_token", refresh_token="x", refresh_next="short")[1]["error"] == "invalid_request"


def test_a_gate_that_was_down_meanwhile_loses_nobody(world: Scene) -> None:
    machine = world.signed_in("alice")
    make_stale(machine)
    gate = world.gate.gate
    gate.stop()
    code, _, err = machine.run("credential")
    assert code == 3 and "does not answer" in err
    gate.start()
    eventually("a token again", lambda: machine.run("credential")[0] == 0, every=0.2)
    token = json.loads(machine.run("credential")[1])["status"]["token"]
    assert world.gate.whoami(token)["user"] == "alice"
