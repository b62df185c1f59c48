"""What a source of facts told is known over a reload that only has it asked otherwise."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import evolve
from disk_at_once import DiskAtOnce

from kgate.documents.values import Duration
from kgate.model import Fact
from kgate.net.watching import FilesRead
from kgate.service.outside import Outside
from kgate.settings.surroundings import FactSource
from kgate.settings.values import FilePath, ServerUrl

POLLED: Any = FactSource("pager", url=ServerUrl("https://pager.example.com"), max_age=Duration(300.0))


@pytest.mark.parametrize(
    ("changed", "known"),
    [
        ({"every": Duration(60.0)}, True),
        ({"token_file": FilePath(Path("another"))}, True),
        ({"url": ServerUrl("https://other.example.com")}, False),
        ({"max_age": Duration(60.0)}, False),
        ({"names": ("other",)}, False),
    ],
)
def test_who_tells_the_same_is_believed_on_until_the_next_answer(changed: dict[str, Any], known: bool) -> None:
    shared: Any = SimpleNamespace(
        database=SimpleNamespace(follow=lambda topic, follower: None),
        wall=lambda: 50.0,
        web_for=lambda authority: None,
        reactor=None,
        disk=DiskAtOnce(),
    )
    outside = Outside(shared)

    def reload(source: FactSource) -> None:
        configuration: Any = SimpleNamespace(settings=SimpleNamespace(facts=(source,), geo=None))
        outside.read(configuration, FilesRead())()()

    reload(POLLED)
    outside.world.board.tell("pager", {"calm": "true"}, 350.0)
    reload(evolve(POLLED, **changed))
    assert outside.world.board.known(50.0) == ((Fact("calm", "true", 350.0),) if known else ())


def test_what_a_file_told_since_a_reload_began_to_read_is_not_taken_back_by_it(tmp_path: Path) -> None:
    path, other = tmp_path / "facts.yaml", tmp_path / "other.yaml"
    path.write_text("calm: true")
    other.write_text("frozen: false")
    disk = DiskAtOnce()
    shared: Any = SimpleNamespace(
        database=SimpleNamespace(follow=lambda topic, follower: None),
        wall=lambda: 50.0,
        now=lambda: 50.0,
        reactor=None,
        disk=disk,
        records=SimpleNamespace(event=lambda *_: None),
        decide_again=lambda since: None,
    )
    outside = Outside(shared)

    def configured(*sources: Any) -> Any:
        return SimpleNamespace(settings=SimpleNamespace(facts=sources, geo=None))

    def known() -> dict[str, str]:
        return {fact.name: fact.value for fact in outside.world.board.known(50.0)}

    hand: Any = FactSource("hand", file=FilePath(path))
    outside.read(configured(hand), FilesRead())()()
    outside.start()
    assert known() == {"calm": "true"}
    prepare = outside.read(configured(hand, FactSource("other", file=FilePath(other))), FilesRead())  # type: ignore[arg-type]
    path.write_text("calm: false")
    for _ in range(2):
        outside.tick()
    assert known() == {"calm": "false"}
    prepare()()
    assert known() == {"calm": "false", "frozen": "false"}
    for _ in range(2):
        outside.tick()
    assert known() == {"calm": "false", "frozen": "false"}
