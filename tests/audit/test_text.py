"""Strings of strangers in a record: one line of valid JSON whatever they are, and nothing in it that a reader could take for more (class 25)."""

from __future__ import annotations

import unicodedata

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgate.audit.chain import Chain, Verified, verify
from kgate.audit.text import encode

pytestmark = pytest.mark.threat("25")
anything = st.text(st.characters(codec=None, exclude_categories=()), max_size=40)


@given(anything, anything)
def test_a_line_is_one_line_and_says_what_it_was_given(user: str, name: str) -> None:
    line = Chain().seal({"user": user, "name": [name]})
    text = line.decode()
    assert text.splitlines(keepends=True) == [text] and text.endswith("}\n")
    assert not [character for character in text[:-1] if unicodedata.category(character) in ("Cc", "Zl", "Zp")]
    assert isinstance(verify([line]), Verified)
    read = orjson.loads(line)
    spelt = [each.encode("utf-8", "backslashreplace").decode() for each in (user, name)]
    assert [read["user"], read["name"][0]] == spelt


@pytest.mark.parametrize(
    "text",
    [
        'a","allowed":true,"x":"',
        'a"}\n{"event":"login"',
        "a\r\nb",
        "a\u2028b",
        "a\x85b",
        "\x1b]52;c;aGk=\x07",
        "\x9b2J",
        "\u202egnp.exe",
        "\x7f",
    ],
)
def test_what_looks_like_more_than_text_is_text(text: str) -> None:
    data = encode({"user": text})
    assert orjson.loads(b"{" + data + b"}") == {"user": text}
    assert not [character for character in data.decode() if not character.isprintable()]


def test_a_surrogate_without_its_other_half_is_spelt_out() -> None:
    assert orjson.loads(b"{" + encode({"user": "a\ud800b"}) + b"}") == {"user": "a\\ud800b"}
