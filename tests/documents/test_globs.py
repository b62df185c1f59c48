"""Lists of words: stars, exclusions, and their cost."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgate.documents.globs import Glob, words

TEXT = st.text("ab*", max_size=8)


@settings(max_examples=500)
@given(TEXT, st.text("ab\n.", max_size=12))
def test_a_glob_is_the_regular_expression_with_dot_star(glob: str, value: str) -> None:
    expected = re.fullmatch(".*".join(map(re.escape, glob.split("*"))), value, re.DOTALL) is not None
    assert Glob(glob).matches(value) is expected


def test_many_stars_cost_no_more_than_the_value_is_long() -> None:
    hostile = Glob("*a" * 1000 + "b")
    began = time.thread_time()
    assert not hostile.matches("a" * 100_000)
    assert time.thread_time() - began < 0.5


@pytest.mark.parametrize(
    ("texts", "holds", "fails"),
    [
        (["dev"], ["dev"], ["dev-1", "", "DEV"]),
        (["dev-*", "test"], ["dev-1", "dev-", "test"], ["dev", "xdev-1"]),
        (["*"], ["", "anything"], []),
        (["!prod"], ["dev", ""], ["prod"]),
        (["*", "!prod-*"], ["dev", ""], ["prod-1"]),
        (["dev-*", "!dev-9"], ["dev-1"], ["dev-9", "prod"]),
        (["!a", "!b*"], ["c"], ["a", "b", "bc"]),
        (["a?c", "[ab]"], ["a?c", "[ab]"], ["abc", "a"]),
    ],
)
def test_lists(texts: list[str], holds: list[str], fails: list[str]) -> None:
    listed = words(texts)
    assert [value for value in holds if not listed.matches(value)] == []
    assert [value for value in fails if listed.matches(value)] == []


def test_a_set_of_values_needs_one_that_is_in_and_none_that_is_out() -> None:
    assert words(["a", "!x"]).any(["b", "a"])
    assert not words(["a", "!x"]).any(["a", "x"])
    assert not words(["*"]).any([])
    assert words(["!x"]).any([])


@pytest.mark.parametrize(
    ("texts", "universal"), [(["*"], True), (["*", "a"], True), (["!a"], False), (["*", "!a"], False), (["a*"], False)]
)
def test_what_cannot_fail(texts: list[str], universal: bool) -> None:
    assert words(texts).universal is universal


@pytest.mark.parametrize("text", ["", "!", "a**", "!**"])
def test_what_is_no_word(text: str) -> None:
    with pytest.raises(ValueError, match=r"empty word|any run of characters"):
        words([text])
