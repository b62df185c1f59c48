"""Static tokens at a running gate: made, limited, revoked; and when each was last used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from click.testing import CliRunner
from identity_gate import identity_gate
from lab.waiting import eventually
from sqlalchemy import Connection

from kgate.cli import main
from kgate.model import Identity
from kgate.net.database import StoreUnavailableError
from kgate.service.robots import EVERY, RobotUses
from kgate.store.engine import open_engine
from kgate.store.migrate import migrate
from kgate.store.robots import Use, last_uses

T = TypeVar("T")
POLICY = {
    "rules": [
        {"name": "robots", "who": {"robots": ["*"]}, "clusters": {"names": ["*"]}, "allow": [{"verbs": ["*"], "resources": ["*"]}]},
    ]
}


def create(folder: Path, *arguments: str) -> str:
    done = CliRunner().invoke(main, ["token", "create", *arguments, "-f", str(folder / "tokens.yaml")])
    assert done.exit_code == 0, done.output
    return done.stdout.strip()


def test_a_token_from_its_making_to_its_end(tmp_path: Path) -> None:
    with identity_gate(tmp_path, {"tokens": {"file": "tokens.yaml"}}, POLICY) as gate:
        token = create(tmp_path, "ci")
        elsewhere = create(tmp_path, "elsewhere", "--network", "10.9.0.0/16")
        other = create(tmp_path, "other", "--cluster", "prod-*")
        eventually("the gate took them over", lambda: gate.ask(token)[0] == 200, 10)
        assert gate.whoami(token)["robot"] == "ci"
        status, message = gate.ask(elsewhere)
        assert (status, "the credential may not be used from 127.0.0.1" in message) == (403, True), message
        status, message = gate.ask(other)
        assert (status, "the credential is for prod-*, not for lab" in message) == (403, True), message
        with gate.watch(token) as watch:
            done = CliRunner().invoke(main, ["token", "revoke", "ci", "-f", str(tmp_path / "tokens.yaml")])
            assert done.exit_code == 0
            assert "closed by policy" in watch.end()
        assert gate.ask(token)[0] == 401


class OneThread:
    """A store in this thread; ``broken`` refuses."""

    def __init__(self, path: Path) -> None:
        self.engine, self.broken, self.writes = open_engine(f"sqlite:///{path}"), False, 0
        migrate(self.engine)

    async def read(self, work: Callable[[Connection], T]) -> T:
        with self.engine.begin() as connection:
            return work(connection)

    async def write(self, work: Callable[[Connection], T]) -> T:
        if self.broken:
            raise StoreUnavailableError("broken")
        self.writes += 1
        return await self.read(work)


def test_uses_are_gathered_and_written_now_and_then(tmp_path: Path) -> None:
    store, clock = OneThread(tmp_path / "state.db"), [1000.0]
    uses = RobotUses(store, lambda: clock[0], lambda: clock[0] + 1_790_000_000)

    def passes(seconds: float) -> tuple[Use, ...]:
        clock[0] += seconds
        uses.tick()
        with store.engine.begin() as connection:
            return last_uses(connection)

    uses.saw(Identity("alice"), "10.0.0.1")
    assert passes(EVERY) == ()
    for address in ("10.0.0.1", "10.0.0.2"):
        uses.saw(Identity("ci-bot", robot="ci"), address)
    assert passes(EVERY) == (Use("ci", 1_790_000_000 + 1000 + EVERY, "10.0.0.2"),)
    assert store.writes == 1
    store.broken = True
    uses.saw(Identity("ci-bot", robot="ci"), "10.0.0.3")
    assert passes(EVERY)[0].address == "10.0.0.2"
    store.broken = False
    assert passes(EVERY)[0].address == "10.0.0.3"
    store.engine.dispose()
