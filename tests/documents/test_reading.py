"""YAML as we read it: what it gives, where things stand, and what it refuses quickly."""

from __future__ import annotations

import contextlib
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgate.documents.reading import MAX_BYTES, Mapping, Sequence, decode, line_of, read_mapping
from kgate.errors import InvalidFileError, Mistake


def read(text: str) -> Mapping:
    mistakes: list[Mistake] = []
    root = read_mapping(text, "f.yaml", mistakes)
    assert mistakes == []
    return root


def refusal(text: str) -> str:
    with pytest.raises(InvalidFileError) as caught:
        read_mapping(text, "f.yaml", [])
    return str(caught.value)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("no", "no"),  # Norway
        ("off", "off"),
        ("12:30", "12:30"),
        ("2027-01-01", "2027-01-01"),
        ("2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("1e3", "1e3"),
        ("0x10", "0x10"),
        ("010", "010"),
        ("1_000", "1_000"),
        (".inf", ".inf"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("8080", 8080),
        ("-3", -3),
        ("1.5", 1.5),
        ('"8080"', "8080"),
        ("'true'", "true"),
        ("<<", "<<"),
    ],
)
def test_scalars_mean_what_they_look_like(written: str, meant: object) -> None:
    value = read(f"key: {written}")["key"]
    assert value == meant and type(value) is type(meant)


def test_everything_knows_its_line() -> None:
    root = read("a: 1\nb:\n  - x\n  - c: 2\n    d: [3,\n      4]\n")
    assert [line_of(root, path) for path in ((), ("a",), ("b",), ("b", 0), ("b", 1), ("b", 1, "d"), ("b", 1, "d", 1))] == [
        1,
        1,
        2,
        3,
        4,
        5,
        6,
    ]


def test_what_has_no_line_has_that_of_what_is_around_it() -> None:
    root = read("a:\n  b: 1\n")
    assert line_of(root, ("a", "missing")) == 1
    assert line_of(root, ("a", "b", "c", 3)) == 2
    assert line_of(None, ("a",)) == 0


def test_a_key_that_occurs_twice_is_a_mistake_and_the_first_counts() -> None:
    mistakes: list[Mistake] = []
    root = read_mapping("a: 1\nb: 2\na: 3\n", "f.yaml", mistakes)
    assert root == {"a": 1, "b": 2}
    assert str(mistakes[0]) == 'f.yaml:3: "a" stands here twice, first on line 1 (keep one)'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "f.yaml:1: the file is empty"),
        ("# nothing\n", "f.yaml:1: the file is empty"),
        ("- a\n", "f.yaml:1: the file must be a mapping"),
        ("word\n", "f.yaml:1: the file must be a mapping"),
        ("a: 1\n--- \nb: 1\n", "f.yaml:2: a second document begins here"),
        ("a: &x 1\n", "f.yaml:1: the anchor &x is not allowed"),
        ("a: 1\nb: *x\n", "f.yaml:2: the alias *x is not allowed"),
        ("a: !!python/object/apply:os.system [ls]\n", "f.yaml:1: the tag"),
        ("a: !local 1\n", "f.yaml:1: the tag !local is not allowed"),
        ("[a, b]: 1\n", "f.yaml:1: a key must be a word"),
        ("? {a: b}\n: 1\n", "f.yaml:1: a key must be a word"),
        ("a:\n  b: 1\n c: 2\n", "f.yaml:3: this is not YAML"),
        ("a: 1\nb: 'open\nc: 2\n", "f.yaml:2: this is not YAML: the quote that opens here is never closed"),
        ("a: 1\n\tb: 1\n", "f.yaml:2: this is not YAML: it is indented with a tab (use spaces)"),
        ("a:\n  b: 1\n \tc: 1\n", "f.yaml:3: this is not YAML: it is indented with a tab (use spaces)"),
        ("a: 1\nb: [*]\n", "f.yaml:2: this is not YAML: a value that begins with * means something else (put it in quotes)"),
        ("a: 1\nb: @x\n", "f.yaml:2: this is not YAML: a value that begins with @ means something else (put it in quotes)"),
        ("a: 1\nb: {<<: c}\n", "f.yaml:2: merge keys (<<) are not allowed (write the values out where they are needed)"),
        ("a: 1\n\u00a0b: 1\n", "f.yaml:2: the key begins with U+00A0, which only looks like a space (write plain spaces)"),
        ("a: \x07\n", "this is not YAML"),
    ],
)
def test_refusals_have_a_place(text: str, says: str) -> None:
    assert refusal(text).startswith(says) or says in refusal(text)


def test_mistakes_so_far_are_in_the_refusal() -> None:
    assert refusal("a: 1\na: 2\nb: *x\n").splitlines() == [
        'f.yaml:2: "a" stands here twice, first on line 1 (keep one)',
        "f.yaml:3: the alias *x is not allowed (write the value out)",
    ]


BOMBS = {
    "flow nesting": "a: " + "[" * 100_000,
    "block nesting": "\n".join("  " * depth + "a:" for depth in range(2_000)),
    "map nesting": "a: " + "{a: " * 50_000,
    "billion laughs": "a: &a [x,x]\n" + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)},*{chr(97 + n)}]\n" for n in range(20)),
    "too large": "a: " + "x" * (MAX_BYTES + 1),
    "an endless key": "x" * 2_000_000,
    "an endless quote": 'a: "' + "x" * 2_000_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_hostile_file_is_refused_within_a_second(name: str) -> None:
    began = time.thread_time()
    refusal(BOMBS[name])
    assert time.thread_time() - began < 1.0


def test_thirty_two_levels_are_enough_and_allowed() -> None:
    assert read("a: " + "[" * 31 + "]" * 31)
    assert "nested more than 32 levels deep" in refusal("a: " + "[" * 32 + "]" * 32)


def test_bytes_become_text_or_a_mistake_with_a_line() -> None:
    assert decode("grün".encode(), "f") == "grün"
    for raw, says in [
        (b"a: 1\nb: \xff\n", "f:2: the file is not UTF-8 text"),
        (b"x" * (MAX_BYTES + 1), "f: the file has more than 16 MiB"),
    ]:
        with pytest.raises(InvalidFileError, match=says):
            decode(raw, "f")


STRINGS = st.text(st.characters(max_codepoint=0xD7FF), max_size=8)  # YAML has no surrogate pairs in escapes
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | STRINGS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STRINGS, inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=200)
@given(st.dictionaries(STRINGS, JSON))
def test_json_is_read_as_json(data: dict[str, object]) -> None:
    root = read(json.dumps(data))
    assert root == data
    assert all(isinstance(value, (Mapping, Sequence)) for value in root.values() if isinstance(value, (dict, list)))


@settings(max_examples=200)
@given(st.text(max_size=60))
def test_no_text_does_more_than_refuse(text: str) -> None:
    with contextlib.suppress(InvalidFileError):
        read_mapping(text, "f", [])
