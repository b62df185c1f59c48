"""The table of docs/security.md and the tests agree: who reads a threat class there finds its proof, and none with a proof is missing there."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "security.md").read_text()
CLASSES = [f"{number:02}" for number in range(1, 29)]
LIVE = ["01", "02", *CLASSES[3:13], *CLASSES[14:18]]
"""Those that have to be shown against a real listener."""


def listed() -> dict[str, list[str]]:
    """Of each row's class the files and folders that show it."""
    rows = re.findall(r"^\| (\d\d) \| [^|]+ \| ([^|]+) \|$", PAGE, re.MULTILINE)
    return {number: places.strip().split(", ") for number, places in rows}


def marked() -> dict[str, set[str]]:
    """Of each class the test files that have a test marked with it."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in (ROOT / "tests").rglob("test_*.py"):
        for number in re.findall(r'mark\.threat\("(\d\d)"\)', path.read_text()):
            found[number].add(str(path.relative_to(ROOT)))
    return found


def in_place(file: str, places: list[str]) -> bool:
    """Whether ``file`` is one of ``places``, or in one that is a folder."""
    return any(file == place or (place.endswith("/") and file.startswith(place)) for place in places)


def test_every_class_has_a_row() -> None:
    assert sorted(listed()) == CLASSES


def test_every_place_of_the_table_has_a_test_that_is_marked_with_the_class_and_every_such_test_is_in_one() -> None:
    marks = marked()
    for number, places in listed().items():
        assert [place for place in places if not (ROOT / place).exists()] == []
        assert marks[number], f'class {number}: nothing is marked threat("{number}")'
        assert [file for file in sorted(marks[number]) if not in_place(file, places)] == [], (
            f"class {number}: proofs that the page does not name"
        )
        assert [place for place in places if not any(in_place(file, [place]) for file in marks[number])] == [], (
            f"class {number}: no proof there"
        )


def test_the_files_against_a_real_listener_are_named_after_their_class() -> None:
    rows, named = listed(), {path.name[12:14]: path for path in sorted((ROOT / "tests" / "threats").glob("test_threat_*.py"))}
    assert set(LIVE) <= set(named)
    for number, path in named.items():
        assert re.search(rf'^pytestmark = .*threat\("{number}"\)', path.read_text(), re.MULTILINE), path.name
        assert f"tests/threats/{path.name}" in rows[number]
