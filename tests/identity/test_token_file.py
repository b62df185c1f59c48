"""Changing a file of tokens: one entry comes or goes, and every other line stays as somebody wrote it."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgate.errors import InvalidFileError, KgateError
from kgate.identity.robots import load_tokens
from kgate.identity.token_file import UnmanageableFileError, entry_line, with_token, without_token

FILE = """\
# Robots of the build farm.
robots:
  - {name: ci, sha256: %s, user: ci-bot, groups: [ci], expires: 2027-01-01T00:00:00Z}   # renewed each year
  # The old one; ask carol.
  - name: nightly
    sha256: %s
    user: nightly
    expires: 2027-01-01T00:00:00Z

# The end.
""" % (hashlib.sha256(b"ci").hexdigest(), hashlib.sha256(b"nightly").hexdigest())  # noqa: UP031


def entry(name: str, **more: object) -> dict[str, object]:
    return {"name": name, "sha256": hashlib.sha256(name.encode()).hexdigest(), "user": name, **more}


def names(text: str) -> set[str]:
    return {identity.robot for identity in load_tokens(text, "f").identities.values()}


def test_a_new_one_goes_to_the_end_of_the_list() -> None:
    made = with_token(FILE, "f", entry("new", groups=["a", "b"], expires="2027-01-01T00:00:00Z"))
    assert names(made) == {"ci", "nightly", "new"}
    added = [line for line in made.splitlines() if line not in FILE.splitlines()]
    assert added == ["  " + entry_line(entry("new", groups=["a", "b"], expires="2027-01-01T00:00:00Z"))]
    assert made.splitlines().index(added[0]) == FILE.splitlines().index("# The end.") - 1


def test_one_is_taken_out_and_nothing_else() -> None:
    assert without_token(FILE, "f", "ci").splitlines() == [line for line in FILE.splitlines() if "name: ci" not in line]
    left = without_token(FILE, "f", "nightly")
    assert names(left) == {"ci"}
    assert "# The end." in left and "# renewed each year" in left


@pytest.mark.parametrize("text", ["", "\n", "robots: []\n", "# Nobody yet.\nrobots: []   # so far\n"])
def test_the_first_and_the_last(text: str) -> None:
    made = with_token(text, "f", entry("only"))
    assert names(made) == {"only"}
    assert names(without_token(made, "f", "only")) == set()


def test_a_name_that_is_taken_is_refused_with_what_frees_it() -> None:
    with pytest.raises(KgateError, match="f has a token named ci already; choose another name, or kgate token revoke ci"):
        with_token(FILE, "f", entry("ci", sha256="0" * 64))


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(KgateError, match="f has no token named x; it has: ci, nightly"):
        without_token(FILE, "f", "x")


def test_a_file_that_is_written_otherwise_is_left_alone() -> None:
    inline = f"robots: [{json.dumps(entry('a'))}, {json.dumps(entry('b'))}]\n"
    spread = f"robots: [\n  {json.dumps(entry('a'))},\n  {json.dumps(entry('b'))},\n]\n"
    alone = f"robots: [{json.dumps(entry('a'))}]\n"
    for text in (inline, spread, alone):
        with pytest.raises(
            UnmanageableFileError, match=r"f is written in a way that is not changed here; add this to its robots yourself: - \{name: "
        ):
            with_token(text, "f", entry("c"))
    for text in (inline, alone):
        with pytest.raises(
            UnmanageableFileError, match=r"f is written in a way that is not changed here; take a out of its robots yourself"
        ):
            without_token(text, "f", "a")
    assert without_token(spread, "f", "a") == spread.replace(f"  {json.dumps(entry('a'))},\n", "")


def test_a_file_with_a_mistake_is_told_its_mistake() -> None:
    with pytest.raises(InvalidFileError, match='f:1: unknown key "bots"'):
        with_token("bots: []\nrobots: []\n", "f", entry("c"))


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=12))
def test_any_sequence_of_changes_leaves_just_what_was_meant(changes: list[tuple[str, bool]]) -> None:
    text, there = FILE, {"ci", "nightly"}
    for name, comes in changes:
        if comes and name not in there:
            text, there = with_token(text, "f", entry(name)), there | {name}
        elif not comes and name in there:
            text, there = without_token(text, "f", name), there - {name}
        assert names(text) == there
    assert text.startswith("# Robots of the build farm.\nrobots:\n") and text.endswith("# The end.\n")
