"""Two gates with one PostgreSQL: who signs in at one is known at the other, and who is signed out at one is out at the other (class 14)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import postgresql
import pytest
from identity_gate import IdentityGate
from lab.waiting import eventually
from live_gate import LiveGate
from sign_in import Scene, scene

pytestmark = pytest.mark.threat("14")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scene, IdentityGate]]:
    where = postgresql.programs()
    if where is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    folder = tmp_path_factory.mktemp("fleet")
    with postgresql.throw_away(where) as database, scene(folder, state=database.url()) as world:
        first = world.gate.gate
        other: Path = folder / "other"
        other.mkdir()
        for name in ("secrets.key", "cluster-ca.crt", "cluster-token"):
            (other / name).write_bytes((first.folder / name).read_bytes())
        same = {name: first.config[name] for name in ("identity", "secrets", "state", "public_url")}
        second = LiveGate(other, first.authority, first.config["clusters"], settings=same)
        second.start()
        yield world, IdentityGate(second, world.gate.cluster)
        second.stop()


def test_a_session_is_one_session_at_every_gate(fleet: tuple[Scene, IdentityGate]) -> None:
    world, other = fleet
    machine = world.signed_in("alice")
    token = json.loads(machine.run("credential")[1])["status"]["token"]
    assert other.ask(token)[0] == 200 and other.whoami(token)["user"] == "alice"
    assert machine.run("logout")[0] == 0
    began = time.monotonic()
    eventually("it is over at the other gate", lambda: other.ask(token)[0] == 401, 5, 0.02)
    assert time.monotonic() - began < 5
    assert "your session ended: you signed out" in other.ask(token)[1]


def test_signing_keys_are_shared(fleet: tuple[Scene, IdentityGate]) -> None:
    world, other = fleet
    browser, _ = world.browser_of("bob")
    kubeconfig = browser.open(f"{world.url}/kubeconfig")
    assert kubeconfig.status == 404  # bob may see nothing here, but he is signed in, at both:
    cookie = next(each for each in browser.cookies if each.name == "__Host-kgate")
    import http.client

    connection = http.client.HTTPSConnection("127.0.0.1", other.gate.port, context=other.gate.context(), timeout=60)
    connection.request("GET", "/", headers={"Cookie": f"__Host-kgate={cookie.value}"})
    assert b"You are signed in as bob" in connection.getresponse().read()
    connection.close()


def test_the_metrics_count_the_sessions_of_all_gates(fleet: tuple[Scene, IdentityGate]) -> None:
    world, other = fleet
    world.signed_in("alice")

    def count(page: str) -> int:
        return next(int(float(line.split()[1])) for line in page.splitlines() if line.startswith("kgate_sessions "))

    eventually(
        "both count the same", lambda: count(world.gate.gate.admin("/metrics")[1]) == count(other.gate.admin("/metrics")[1]) > 0, every=0.1
    )
