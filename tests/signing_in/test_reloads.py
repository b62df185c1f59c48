"""Another configuration while people are signed in: what it changes counts from then on, and whoever is signed in stays so where nothing speaks against it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from lab.waiting import eventually
from live_gate import ALLOW_ALICE
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


@pytest.fixture
def unasked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Whose provider is not asked again during the test."""
    with scene(tmp_path_factory.mktemp("unasked"), {"recheck": "10m"}) as running:
        running.gate.gate.write_policy(policy({"users": ["alice"]}))
        running.until_recorded("config", allowed=True)
        yield running


def policy(who: dict[str, list[str]]) -> dict[str, Any]:
    """These may read, and the cluster sees them as somebody who may."""
    return {"rules": [{**ALLOW_ALICE["rules"][0], "who": who, "as": {"groups": ["view"]}}]}


def read_so(world: Scene, prefix: str = "", **more: Any) -> dict[str, Any]:
    """``identity`` with this prefix before groups, and more rules of the issuer's."""
    (entry,) = world.gate.gate.config["identity"]["oidc"]
    mappings = {**entry["claimMappings"], "groups": {"claim": "groups", "prefix": prefix}}
    return {"oidc": [{**entry, "claimMappings": mappings, **more}]}


def test_who_is_signed_in_is_whom_the_rules_in_force_make_of_them(unasked: Scene) -> None:
    machine, (browser, _) = unasked.signed_in("alice"), unasked.browser_of("alice")
    token = str(json.loads(machine.run("credential")[1])["status"]["token"])
    with unasked.gate.watch(token) as watch:
        configure(unasked, identity=read_so(unasked, "corp:"))
        assert unasked.gate.whoami(token)["groups"] == ["corp:developers"]
        assert "corp:developers" in browser.open(unasked.url).words
        assert watch.lives()
        configure(
            unasked, identity=read_so(unasked, userValidationRules=[{"expression": "user.username != 'alice'", "message": "no guests"}])
        )
        assert "is not accepted any more: the token is not accepted: no guests" in watch.end()
    assert unasked.gate.ask(token)[0] == 401
    configure(unasked)
    eventually("she is back", lambda: unasked.gate.ask(token)[0] == 200)
    assert unasked.gate.whoami(token)["groups"] == ["developers"]


def test_so_it_is_where_a_gate_starts_by_other_rules(unasked: Scene) -> None:
    """As each of several does that are restarted one after the other."""
    machine, gate = unasked.signed_in("alice"), unasked.gate.gate
    token = str(json.loads(machine.run("credential")[1])["status"]["token"])
    gate.stop()
    gate.write("kgate.yaml", {**gate.config, "identity": read_so(unasked, "corp:")})
    gate.start()
    assert unasked.gate.whoami(token)["groups"] == ["corp:developers"]


def test_a_mapping_and_the_rule_for_what_it_makes_cut_nobody_who_has_it(unasked: Scene) -> None:
    """Both are written at once: streams are decided again by both of them."""
    gate = unasked.gate.gate
    token = str(json.loads(unasked.signed_in("alice").run("credential")[1])["status"]["token"])
    with unasked.gate.watch(token) as watch:
        gate.write("corp.yaml", policy({"groups": ["corp:developers"]}))
        configure(unasked, identity=read_so(unasked, "corp:"), policy="corp.yaml")
        assert watch.lives()


def test_sessions_end_with_the_last_identity_provider(world: Scene) -> None:
    """As they do with one of several: nobody can say any more whether they still stand."""
    machine = world.signed_in("alice")
    configure(world, identity={"tokens": {"file": "tokens.yaml"}})
    ended = world.until_recorded("logout", user="alice")
    assert "not configured here any more" in ended["reasons"][0]
    assert machine.run("whoami")[0] == 1


def test_shorter_sessions_end_those_that_live_and_longer_ones_lengthen_none(unasked: Scene) -> None:
    """Promise 4: what lives by a session that may not be as long any more is cut, and says why."""
    machine, (browser, _) = unasked.signed_in("alice"), unasked.browser_of("alice")
    token = str(json.loads(machine.run("credential")[1])["status"]["token"])
    with unasked.gate.watch(token) as watch:
        configure(unasked, sign_in={"recheck": "10m", "session": "20h"})
        assert watch.lives()
        configure(unasked, sign_in={"recheck": "1s", "session": "2s", "token": "1s"})
        assert "your session has expired" in watch.end()
    eventually("the browser's, which began later, is over too", lambda: "sign in" in browser.open(unasked.url).words.lower())
    configure(unasked, sign_in={"recheck": "10m", "session": "20h"})
    assert unasked.gate.ask(token)[0] == 401 and machine.run("whoami")[0] == 1
