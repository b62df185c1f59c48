"""Plain data → frozen values, with every mistake and its line."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Annotated

from attrs import field, frozen
from cattrs import override

from kgate.documents.globs import Words
from kgate.documents.reading import read_mapping
from kgate.documents.structuring import nearest, strict_converter, structure, structure_list, unknown_keys
from kgate.documents.values import Address, Duration, Instant, Network, Size, Unacceptable, accept
from kgate.errors import Mistake


class Colour(Enum):
    RED = "red"
    GREEN = "green"


@frozen
class Door:
    name: str
    as_: Annotated[str, override(rename="as")] = ""
    colour: Colour = Colour.RED
    width: int = 1
    open: bool = False
    closes: Duration | None = None

    def __attrs_post_init__(self) -> None:
        accept(
            Unacceptable("is too narrow", "widen it", ("width",)) if self.width < 1 else None,
            Unacceptable("may not be nobody", at=("as",)) if self.as_ == "nobody" else None,
        )


@frozen
class House:
    door: Door
    windows: tuple[Door, ...] = ()
    lamps: Mapping[str, tuple[str, ...]] = field(factory=dict)
    words: Words | None = None
    size: Size | None = None
    since: Instant | None = None
    nets: tuple[Network, ...] = ()
    at: Address | None = None


def build(text: str) -> tuple[House | None, list[str]]:
    mistakes: list[Mistake] = []
    root = read_mapping(text, "f", mistakes)
    made = structure(strict_converter(), root, House, "f", mistakes)
    return made, [str(each) for each in sorted(mistakes, key=lambda each: each.line)]


def test_a_good_file() -> None:
    house, mistakes = build(
        "door: {name: front, as: x, colour: green, width: 2, open: true, closes: 5s}\n"
        "windows: [{name: a}]\nlamps: {hall: [one, two]}\nwords: [a, '!b']\nsize: 1KiB\n"
        "since: 2027-01-01T00:00:00Z\nnets: [10.0.0.0/8]\nat: '[::]:1'\n"
    )
    assert mistakes == []
    assert house is not None
    assert house.door == Door("front", "x", Colour.GREEN, 2, True, Duration(5.0))
    assert house.windows == (Door("a"),) and house.lamps == {"hall": ("one", "two")}
    assert house.words is not None and house.words.texts == ("a", "!b")
    assert (house.size, house.since, str(house.nets[0]), str(house.at)) == (1024, 1798761600.0, "10.0.0.0/8", "[::]:1")


def test_every_mistake_at_once_with_its_line() -> None:
    house, mistakes = build(
        "door:\n  nme: front\n  as: 3\n  colour: gren\n  width: true\n  open: yes\n  closes: 15\n"
        "windows:\n  - {name: a, width: 0, as: nobody}\n  - no\n  - {}\n"
        "lamps: {hall: one, 3: [1]}\nwords: []\nsize: big\nsince: now\nnets: [x]\nat: y\ndor: flat\n"
    )
    assert house is None
    assert mistakes == [
        'f:1: "name" is missing in door',
        'f:2: unknown key "nme" in door (did you mean "name"?)',
        'f:3: door.as: must be text, not a whole number (put it in quotes: "3")',
        'f:4: door.colour: "gren" is not known (did you mean "green"?)',
        "f:5: door.width: must be a whole number, not true or false (write it in digits, without quotes)",
        "f:6: door.open: must be true or false, not text (write one of these words, without quotes)",
        'f:7: door.closes: 15 has no unit (write "15s" for seconds)',
        "f:9: windows[0].width: is too narrow (widen it)",
        "f:9: windows[0].as: may not be nobody",
        "f:10: windows[1]: must be a mapping, not text (write lines of the form key: value below it, further in)",
        'f:11: "name" is missing in windows[2]',
        "f:12: lamps.hall: must be a list, not text (one entry is a list too: [one])",
        'f:12: lamps.3[0]: must be text, not a whole number (put it in quotes: "1")',
        "f:13: words: is an empty list (leave the key out, or name something)",
        'f:14: size: "big" is not a size (write it as 64KiB, 10MiB or 1GiB)',
        'f:15: since: "now" is not an instant (write it as 2027-01-01T00:00:00Z, with Z or an offset)',
        'f:16: nets[0]: "x" is not a network (write it as 10.0.0.0/8, 2001:db8::/32 or one address)',
        'f:17: at: "y" is not an address with a port (write it as 0.0.0.0:8443 or [::]:8443)',
        'f:18: unknown key "dor" (did you mean "door"?)',
    ]


def test_a_list_goes_on_after_a_bad_item_and_knows_repeated_names() -> None:
    mistakes: list[Mistake] = []
    root = read_mapping("doors:\n  - {name: a}\n  - {nam: b}\n  - {name: a}\n  - c\n", "f", mistakes)
    made = structure_list(strict_converter(), root, "doors", Door, "f", mistakes)
    assert [door.name for door in made] == ["a", "a"]
    assert [each.line for each in sorted(mistakes, key=lambda each: each.line)] == [3, 3, 4, 5]
    assert 'a second one of doors has the name "a", the first is on line 2' in "\n".join(map(str, mistakes))


def test_a_list_that_is_none() -> None:
    for text, says in [("x: 1\n", '"doors" is missing'), ("doors: {a: b}\n", '"doors" must be a list, not a mapping')]:
        mistakes: list[Mistake] = []
        root = read_mapping(text, "f", mistakes)
        assert structure_list(strict_converter(), root, "doors", Door, "f", mistakes) == []
        assert says in str(mistakes[0])


def test_unknown_keys_name_the_nearest() -> None:
    root = read_mapping("rules: []\nruels: []\n", "f", [])
    assert [str(each) for each in unknown_keys(root, ["rules"], "f")] == ['f:2: unknown key "ruels" (did you mean "rules"?)']


def test_where_nothing_is_near_everything_is_named_if_it_is_little() -> None:
    assert nearest("xyz", ["red", "green"]) == "known here: green, red"
    assert nearest("xyz", [str(number) for number in range(20)]) == ""
