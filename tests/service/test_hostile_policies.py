"""A hostile policy file at a gate that serves: it is refused with its line, and requests go on being decided by the policy before it."""

from __future__ import annotations

from pathlib import Path

import pytest
from arena import Arena
from hostile_policies import HOSTILE
from lab.waiting import eventually
from live_gate import ALLOW_ALICE
from running import PODS, Make, goes_on, of, watching

from kgate.errors import InvalidFileError
from kgate.policy.load import load_policy

PROMISED = 10.0
"""Seconds; the page says one, of a machine of one's own."""


@pytest.fixture(scope="module")
def arena(make_shared: Make) -> Arena:
    """A gate that serves; no file here is ever taken over."""
    made = make_shared()
    made.gate.start()
    return made


def mistake(text: str, file: Path) -> str:
    """The first one in ``text``, with file and line."""
    with pytest.raises(InvalidFileError) as caught:
        load_policy(text, str(file))
    return str(caught.value.mistakes[0])


@pytest.mark.parametrize("name", HOSTILE)
def test_the_old_policy_goes_on_deciding(arena: Arena, name: str) -> None:
    file = arena.gate.folder / "policy.yaml"
    said = mistake(HOSTILE[name], file)
    answers: set[int] = set()

    def refused() -> bool:
        answers.add(arena.get(PODS))
        return any(said in record["reasons"][0] for record in of(arena, "config") if not record["allowed"])

    with watching(arena) as live:
        arena.gate.put(file.name, HOSTILE[name])
        arena.gate.reload()
        eventually("it is refused", refused, PROMISED)
        told = f"ok\nwarning: configuration: not reloaded, the old one stays in force: {said}\n"
        assert arena.gate.admin("/readyz") == (200, told), "it serves: nobody takes it out of service for a file"
        assert "\nkgate_reload_refused 1.0\n" in arena.gate.admin("/metrics")[1]
        assert said in arena.gate.log.read_text()
        assert answers == {200} and arena.get(PODS) == 200 and goes_on(live)


def test_a_good_file_counts_again(arena: Arena) -> None:
    arena.gate.write_policy({"rules": [{**ALLOW_ALICE["rules"][0], "who": {"users": ["nobody"]}}]})
    eventually("it counts", lambda: arena.get(PODS) == 403)
    assert arena.gate.admin("/readyz") == (200, "ok\n") and "\nkgate_reload_refused 0.0\n" in arena.gate.admin("/metrics")[1]
