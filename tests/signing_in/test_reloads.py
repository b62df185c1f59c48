"""Another configuration while people are signed in: what it changes counts from then on, and whoever is signed in stays so where nothing speaks against it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from lab.waiting import eventually
from sign_in import Browser, Scene, scene


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("reloads"), {"recheck": "1s"}) as running:
        yield running


def configure(world: Scene, **changes: Any) -> None:
    """The file with these sections changed is in force."""
    before = len(world.records("config"))
    world.gate.gate.write("kgate.yaml", {**world.gate.gate.config, **changes})
    eventually("the reload is on record", lambda: len(world.records("config")) > before)
    assert world.records("config")[-1]["allowed"] is True, world.records("config")[-1]


def test_whoever_is_signed_in_stays_so_where_the_gate_gets_another_url(world: Scene) -> None:
    browser, _ = world.browser_of("alice")
    configure(world, public_url=f"https://localhost:{world.gate.gate.port}")
    assert "You are signed in as alice" in browser.open(world.url).words


def test_how_many_may_sign_in_from_one_address_is_taken_over(world: Scene) -> None:
    configure(world, limits={"sign_ins_per_address": 1})
    answers = [Browser().open(f"{world.url}/login") for _ in range(2)]
    assert [each.status for each in answers] == [200, 429]


def test_sessions_end_with_the_last_identity_provider(world: Scene) -> None:
    """As they do with one of several: nobody can say any more whether they still stand."""
    machine = world.signed_in("alice")
    configure(world, identity={"tokens": {"file": "tokens.yaml"}})
    ended = world.until_recorded("logout", user="alice")
    assert "not configured here any more" in ended["reasons"][0]
    assert machine.run("whoami")[0] == 1
