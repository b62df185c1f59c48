"""Names that could be read as two, or as none, are refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgate.identity.names import identity_fault, name_fault


@pytest.mark.parametrize(
    "name", ["alice", "alice@example.com", "system:admin", "Jörg Müller", "team a", "日本", "oidc:https://idp#7", "a" * 1024]
)
def test_good_names(name: str) -> None:
    assert name_fault(name) is None


@pytest.mark.threat("03")
@pytest.mark.parametrize(
    "separator",
    [
        "\r",
        "\n",
        "\x0b",
        "\x0c",
        "\x1c",
        "\x1d",
        "\x1e",
        "\x85",
        "\u2028",
        "\u2029",
        "\0",
        "\t",
        "\x7f",
        "\x1b",
        "\u200b",
        "\u202e",
        "\ufeff",
        "\ud800",
    ],
)
def test_separators_and_invisible_characters_are_refused(separator: str) -> None:
    assert name_fault(f"alice{separator}admins") is not None
    assert identity_fault("alice", ["developers", f"x{separator}system:masters"]) is not None


@pytest.mark.threat("03")
@pytest.mark.parametrize("name", ["", " alice", "alice ", "alice\u00a0", "\u3000alice", "a" * 1025])
def test_empty_padded_and_endless_names_are_refused(name: str) -> None:
    assert name_fault(name) is not None


def test_what_is_wrong_is_said() -> None:
    assert identity_fault("", []) == "the user name is empty"
    assert identity_fault("a", ["b\n"]) == "the name of a group has white space at an edge"
    assert identity_fault("a", ["b\nc"]) == "the name of a group has the character U+000A, which cannot be shown"
    assert identity_fault("a", [f"g{number}" for number in range(1001)]) == "there are more than 1000 groups"
    assert identity_fault("a" * 1024, [f"g{number}" for number in range(1000)]) is None
    assert identity_fault("a", ["b", "c"]) is None


@pytest.mark.threat("03")
@settings(max_examples=300)
@given(st.text(max_size=6))
def test_whatever_passes_is_one_line_to_everyone(name: str) -> None:
    if name_fault(name) is None:
        assert len(name.splitlines()) == 1 and name.strip() == name and name.encode()
        assert not any(ord(each) < 32 or ord(each) == 127 for each in name)
