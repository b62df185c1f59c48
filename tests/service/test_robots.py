"""Static tokens at a running gate: made, limited, revoked; and when each was last used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
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
        eventually("the gate took them over, of which the file got one after the other", lambda: gate.ask(other)[0] == 403)
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


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OneThread]:
    opened = OneThread(tmp_path / "state.db")
    yield opened
    opened.engine.dispose()


class Gate:
    """What notes uses, with its clock."""

    def __init__(self, store: OneThread) -> None:
        self.store, self.clock = store, 1000.0
        self.uses = RobotUses(store, lambda: self.clock, lambda: self.clock + 1_790_000_000)

    def saw(self, robot: str) -> None:
        self.uses.saw(Identity("bot", robot=robot), "10.0.0.1")

    def passes(self, seconds: float = EVERY) -> set[str]:
        """Whose last use is known then."""
        self.clock += seconds
        self.uses.tick()
        with self.store.engine.begin() as connection:
            return {use.name for use in last_uses(connection)}


def test_of_a_token_that_is_no_more_no_use_is_kept(store: OneThread) -> None:
    """The table grew with every token that there ever was, and a new one of a former one's name was shown as used before it was made."""
    gate = Gate(store)
    gate.uses.are(frozenset({"ci", "build-1"}))
    gate.saw("ci")
    gate.saw("build-1")
    assert gate.passes() == {"ci", "build-1"}
    gate.saw("build-1")  # just before it is revoked
    gate.clock += 1
    gate.uses.are(frozenset({"ci", "build-2"}))
    store.broken = True
    assert gate.passes() == {"ci", "build-1"}
    store.broken = False
    assert gate.passes() == {"ci"}


def test_nor_of_one_that_was_taken_out_while_no_gate_ran(store: OneThread) -> None:
    """It was kept for another 400 days."""
    before = Gate(store)
    before.uses.are(frozenset({"ci", "build-1"}))
    before.saw("ci")
    before.saw("build-1")
    assert before.passes() == {"ci", "build-1"}
    after = Gate(store)
    after.clock += 3600
    after.uses.are(frozenset({"ci", "build-2"}))
    assert after.passes() == {"ci"}
    writes = store.writes
    assert after.passes() == {"ci"} and store.writes == writes, "nothing is written where nothing came"


def test_a_token_that_another_gate_has_already_is_left_alone(store: OneThread) -> None:
    """Which reads a changed file a moment later."""
    first, second = Gate(store), Gate(store)
    second.uses.are(frozenset({"ci"}))
    first.clock += 1
    first.uses.are(frozenset({"ci", "new"}))
    first.saw("new")
    assert first.passes() == {"new"}
    second.clock = first.clock
    second.saw("ci")
    assert second.passes() == {"ci", "new"}
    second.uses.are(frozenset({"ci", "new"}))
    assert second.passes() == {"ci", "new"}


def test_a_new_token_of_a_former_ones_name_was_used_when_any_gate_saw_it(store: OneThread) -> None:
    """Each gate notices the file by itself, and writes in its own time."""
    first, second = Gate(store), Gate(store)
    for gate in (first, second):
        gate.uses.are(frozenset({"ci"}))
        gate.uses.are(frozenset())
        gate.uses.are(frozenset({"ci"}))
    first.clock += 1
    first.saw("ci")
    assert first.passes() == {"ci"}
    assert second.passes() == {"ci"}


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
