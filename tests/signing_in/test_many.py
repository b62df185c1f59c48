"""A thousand sign-ins at once: all are under way before the first one is finished, and each ends with a session of its own."""

from __future__ import annotations

import http.client
import re
import sqlite3
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

from attrs import define, field, frozen
from lab.waiting import eventually
from sign_in import Scene, scene

SIGN_INS, PEOPLE = 1000, 10
THREADS = 4
"""A sign-in takes several commits: where the disk is busy, a gate of which more is asked at the same moment says to some that its store is slow."""
KEPT = ("client_id", "redirect_uri", "state", "nonce", "code_challenge")


@frozen
class Begun:
    """Somebody at the provider's door."""

    person: str
    location: str
    cookie: str


@define
class Crowd:
    """Four keep-alive connections to each side, with many people behind them."""

    world: Scene
    opened: list[http.client.HTTPSConnection] = field(factory=list)
    _here: threading.local = field(factory=threading.local)

    def ask(self, port: int, method: str, target: str, body: str = "", **headers: str) -> http.client.HTTPResponse:
        connections: dict[int, http.client.HTTPSConnection] = self._here.__dict__.setdefault("connections", {})
        if port not in connections:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connections[port] = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=60)
            self.opened.append(connections[port])
        connections[port].request(method, target, body, headers)
        answer = connections[port].getresponse()
        answer.read()
        return answer

    @property
    def gate(self) -> int:
        return self.world.gate.gate.port

    def begin(self, number: int) -> Begun:
        answer = self.ask(self.gate, "GET", "/login")
        assert answer.status == 303, answer.status
        return Begun(f"person-{number % PEOPLE}", answer.headers["location"], answer.headers["set-cookie"].partition(";")[0])

    def finish(self, begun: Begun) -> str:
        """The session cookie."""
        parts = urlsplit(begun.location)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items() if name in KEPT}
        form = urlencode({**asked, "person": begun.person})
        sent = self.ask(parts.port or 0, "POST", "/authorize", form, **{"Content-Type": "application/x-www-form-urlencoded"})
        back = urlsplit(sent.headers["location"])
        answer = self.ask(self.gate, "GET", f"{back.path}?{back.query}", Cookie=begun.cookie)
        assert (answer.status, answer.headers["location"]) == (303, "/"), answer.status
        found = re.match(r"(__Host-kgate=[^;]+)", answer.headers["set-cookie"])
        assert found is not None
        return found[1]


def test_a_thousand_at_once(tmp_path: Path) -> None:
    with scene(tmp_path, limits={"sign_ins_per_address": 5000}) as world, ThreadPoolExecutor(THREADS) as threads:
        world.company.has({f"person-{number}": ["developers"] for number in range(PEOPLE)})
        crowd = Crowd(world)
        begun = list(threads.map(crowd.begin, range(SIGN_INS)))
        with closing(sqlite3.connect(world.gate.gate.folder / "state.db")) as database:
            assert database.execute("SELECT count(*) FROM signins").fetchone() == (SIGN_INS,)
        cookies = list(threads.map(crowd.finish, begun))
        assert len(set(cookies)) == SIGN_INS
        with closing(sqlite3.connect(world.gate.gate.folder / "state.db")) as database:
            assert database.execute("SELECT count(*) FROM sessions WHERE ended IS NULL").fetchone() == (SIGN_INS,)
            assert database.execute("SELECT count(*) FROM signins").fetchone() == (0,)
        assert crowd.ask(crowd.gate, "GET", "/kubeconfig", Cookie=cookies[-1]).status == 200
        eventually("each is on record, for which nobody waits", lambda: len(world.records("login")) == SIGN_INS, every=0.2)
        for connection in crowd.opened:
            connection.close()
