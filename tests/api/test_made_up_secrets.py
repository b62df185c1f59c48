"""Whoever shows a secret that nobody was given is told so, and has nothing written (class 19): the store has one writer, for which news of who is out
waits too."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import pytest
from sqlalchemy import Connection, Engine
from twisted.internet.defer import Deferred

from kgate.api.application import Application
from kgate.api.attempts import Attempts
from kgate.api.clients import Clients
from kgate.api.pages import Pages, Place
from kgate.api.redemption import DEVICE_GRANT
from kgate.api.signing_in import SignIns
from kgate.exchange.local import LocalRequest, LocalResponse
from kgate.identity.credentials import Credentials
from kgate.store.engine import open_engine
from kgate.store.migrate import migrate

pytestmark = pytest.mark.threat("19")

URL = "https://kube.example.com"
NEXT = hashlib.sha256(b"next").hexdigest()


class Readable:
    """A store in which nothing is written."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    async def read(self, work: Callable[[Connection], Any]) -> Any:
        with self.engine.begin() as connection:
            return work(connection)

    async def write(self, work: object) -> Any:
        raise AssertionError("somebody has something written")


class Recorder:
    """What was put on record."""

    def __init__(self) -> None:
        self.refused: list[str] = []

    async def login(self, allowed: bool, asker: object, person: object, session: str, reason: str, how: str) -> bool:
        assert not allowed
        self.refused.append(reason)
        return True


class Gate:
    """The gate's pages over an empty store."""

    def __init__(self, engine: Engine) -> None:
        self.recorder = Recorder()
        nothing: Any = None
        signins = SignIns(dict, nothing, Readable(engine), nothing, cast("Any", self.recorder), lambda: 1.0)
        plenty = Attempts(lambda: 100)
        pages = Pages(lambda: Place(URL, lambda _: ()), signins, nothing, lambda *_: None, lambda: 1.0, plenty, plenty)
        clients = Clients(lambda: URL, signins, pages, lambda *_: None, lambda: 1.0, plenty)
        self.application = Application(lambda: None, pages.routes(), clients.routes())

    def ask(self, method: str, target: str, **form: str) -> LocalResponse:
        answers: Deferred[LocalResponse] = Deferred()
        path, _, query = target.partition("?")
        body = urlencode({"client_id": "kgate", "refresh_next": NEXT, **form}).encode()
        self.application.serve(LocalRequest(method, path, query, (), body, Credentials(address="192.0.2.1")), answers.callback)
        return cast("LocalResponse", answers.result)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    engine = open_engine(f"sqlite:///{tmp_path}/state.db")
    migrate(engine)
    yield Gate(engine)
    engine.dispose()


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"grant_type": "authorization_code", "code": "made-up"}, "the sign-in code is not known, or too old; run kgate login again"),
        ({"grant_type": DEVICE_GRANT, "device_code": "made-up"}, "there is no such device code"),
        ({"grant_type": "refresh_token", "refresh_token": "made-up"}, "your session is over; run kgate login"),
    ],
)
def test_a_made_up_secret_is_worth_nothing(gate: Gate, form: dict[str, str], told: str) -> None:
    answer = gate.ask("POST", "/oauth2/token", **form)
    assert (answer.status, json.loads(answer.body)) == (400, {"error": "invalid_grant", "error_description": told})
    assert gate.recorder.refused == ([told] if "code" in form else [])


def test_nobody_is_signed_out_by_a_made_up_secret(gate: Gate) -> None:
    answer = gate.ask("POST", "/oauth2/revoke", token="made-up")
    assert (answer.status, json.loads(answer.body)) == (200, {"ended": False})


def test_nobody_comes_back_with_a_made_up_state(gate: Gate) -> None:
    answer = gate.ask("GET", "/login/callback?state=made-up&code=c")
    assert answer.status == 400 and b"This sign-in is not under way any more" in answer.body
    assert len(gate.recorder.refused) == 1
