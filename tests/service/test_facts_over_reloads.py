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
from kgate.net.files import FilesRead
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
