"""Facts: what a source may tell, whose word counts, how long it is known, and which messages are believed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgate.model import Context, Fact, Grant, Identity
from kgate.surroundings.board import Board
from kgate.surroundings.document import MOST_BYTES, Unreadable, told
from kgate.surroundings.geo import Place
from kgate.surroundings.push import Signed, Wrong, sign, verified
from kgate.surroundings.world import World

KEY = b"0123456789abcdef0123456789abcdef"


def test_what_a_source_tells() -> None:
    assert told(b"{}") == {}
    assert told(b'{"incident": {"open": false, "b": [1, "x"]}}') == {"incident": '{"b": [1, "x"], "open": false}'}
    assert told(b"freeze: none\non_call: [alice, bob]\n") == {"freeze": '"none"', "on_call": '["alice", "bob"]'}
    assert told(b"a: 1", ["a", "b"]) == {"a": "1"}


def test_json_is_read_as_json() -> None:
    """As programs write it: YAML knows neither pairs of surrogates nor, here, exponents."""
    values = {
        "error_rate": 1e-05,
        "bytes": 1e22,
        "big": 2**63,
        "most": 2**63 - 1,
        "least": -(2**63),
        "who": "\N{PERSON CLIMBING}",
        "a": [1.5e3, None],
    }
    found = told(json.dumps(values).encode())
    assert not isinstance(found, Unreadable)
    assert {name: json.loads(value) for name, value in found.items()} == values
    assert found["who"] == '"\N{PERSON CLIMBING}"' and isinstance(json.loads(found["big"]), float)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 400, "NaN", "Infinity"])
def test_what_is_no_number_that_anybody_can_use_is_text(number: str) -> None:
    assert told(f'{{"a": {number}}}'.encode()) == {"a": f'"{number}"'}


@pytest.mark.parametrize(
    ("raw", "names", "why"),
    [
        (b"", (), "tells something that is no mapping of facts: line 1: the file is empty"),
        (b"[1]", (), "tells something that is no mapping of facts: line 1: the file must be a mapping"),
        (b"a: 1\na: 2", (), 'tells something that is no mapping of facts: line 2: "a" stands here twice'),
        (b"\xff", (), "tells something that is not UTF-8 text"),
        (b"a-b: 1", (), 'tells "a-b" is not a name for a fact'),
        (b"b: 1", ("a",), "tells b, which is not among its names"),
        (b"a: " + b"x" * MOST_BYTES, (), "tells more than 256 KiB"),
        (b"a: &x [1]\nb: *x", (), "line 1: the anchor &x is not allowed"),
        (b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}", (), "nested more than 32 levels deep"),
        (b'{"a": ' + b"[" * 20_000 + b"]" * 20_000 + b"}", (), "exceeded maximum nesting depth"),
        (b'{"a": {"b": 1, "b": 2}}', (), 'line 1: "b" stands here twice'),
        (b'{"a": "\\ud83d"}', (), "invalid Unicode character escape code"),
        (b"a: " + b"[" * 100, (), "nested more than 32 levels deep"),
        (b"".join(b"f%d: 1\n" % number for number in range(1001)), (), "tells more than 1000 facts"),
    ],
)
def test_what_tells_nothing_says_why(raw: bytes, names: tuple[str, ...], why: str) -> None:
    found = told(raw, names)
    assert isinstance(found, Unreadable) and why in found.text


def test_the_first_source_counts_and_only_another_value_is_a_change() -> None:
    board = Board(["hand", "status"])
    assert board.tell("status", {"incident": "1", "freeze": "2"}, 100.0) == ("freeze", "incident")
    assert board.tell("status", {"incident": "1", "freeze": "2"}, 200.0) == ()
    assert board.tell("hand", {"incident": "9"}, None) == ("incident",)
    assert board.known(0.0) == (Fact("freeze", "2", 200.0), Fact("incident", "9"))
    assert board.forget("hand") == ("incident",)
    assert board.tell("status", {"freeze": "2"}, 300.0) == ("incident",)
    assert board.tell("stranger", {"freeze": "3"}, None) == ()


def test_a_fact_that_is_too_old_is_not_known() -> None:
    board = Board(["a"])
    board.tell("a", {"x": "1"}, 100.0)
    assert board.known(99.9) == (Fact("x", "1", 100.0),)
    assert board.known(100.0) == ()
    board.tell("a", {"x": "1"}, 150.0)
    assert board.known(100.0) == (Fact("x", "1", 150.0),)


def test_a_reload_keeps_what_the_sources_that_stay_told() -> None:
    board = Board(["a", "b"])
    board.tell("a", {"x": "1"}, None)
    board.tell("b", {"y": "2"}, None)
    assert Board(["b", "c"], board).known(0.0) == (Fact("y", "2"),)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("", "the message has no signature"),
        ("t=1000,sha256=" + "0" * 64, "the signature does not fit"),
        (sign(b"another key of the same length!!", b"body", "1000"), "the signature does not fit"),
        (sign(KEY, b"other", "1000"), "the signature does not fit"),
        (sign(KEY, b"body", "1000").replace("t=1000", "t=1001"), "the signature does not fit"),
        (sign(KEY, b"body", "500"), "the clocks differ by 500 s"),
        (sign(KEY, b"body", "1400"), "the clocks differ by 400 s"),
        (sign(KEY, b"body", "900"), "a message that was signed at the same time or later came before"),
        (sign(KEY, b"body", "1000").upper(), "the message has no signature"),
    ],
)
def test_a_message_that_is_not_believed(header: str, said: str) -> None:
    found = verified(KEY, header, b"body", 1000.0, latest=900.0)
    assert isinstance(found, Wrong) and said in found


def test_a_message_that_is_believed_once() -> None:
    header = sign(KEY, b"body", "1000.5")
    assert verified(KEY, header, b"body", 1001.0, latest=0.0) == Signed(1000.5)
    assert isinstance(verified(KEY, header, b"body", 1001.0, latest=1000.5), Wrong)


@given(st.binary(max_size=40), st.text(max_size=90))
def test_no_header_is_believed_but_a_signature(body: bytes, header: str) -> None:
    assert isinstance(verified(KEY, header, body, 1000.0, 0.0), Wrong)


@given(st.binary(max_size=60))
def test_any_bytes_are_facts_or_not(raw: bytes) -> None:
    told(raw)


def test_a_context_is_made_of_all_of_it() -> None:
    grant = Grant("g1", "alice", "break-glass", "prod")
    world = World(lambda identity, now: (grant,) if identity.user == "alice" else ())
    world.board = Board(["a"])
    world.board.tell("a", {"x": "1"}, 50.0)
    assert world.context(10.0, "192.0.2.1", "kubectl", Identity("alice")) == Context(
        10.0, "192.0.2.1", "kubectl", *Place(), (Fact("x", "1", 50.0),), (grant,)
    )
    assert world.context(50.0, "", "", Identity("bob")) == Context(50.0, "")
