"""The values that every request makes: equal by what they are made of, changed only into others."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgate import model
from kgate.model import Action, Cluster, Context, Decision, Identity, Impersonation, Operation
from kgate.model.value import Value

DEV = Cluster("dev", (("env", "dev"),))
ALICE = Impersonation("alice", ("developers",))
SHELL = Action(
    DEV, "POST", "create", "/x?command=sh", "/x", "", "v1", "pods", "exec", "shop", "web-0",
    Operation.EXEC, "app", ("sh",), (8080,), True, True, "a=b", "c=d", True,
)  # fmt: skip
VALUES = (
    SHELL,
    Context(1.8e9, "192.0.2.1", "kubectl", "DE", 64500, (model.Fact("calm", "true"),), (model.Grant("G", "alice", "r", "dev"),)),
    Identity(
        "alice", ("developers",), "u1", (("team", ("shop",)),), "https://idp", "s1", 2e9, 1.8e9, "gold", ("hwk",), model.Device("laptop", True),
        "ci", ("192.0.2.0/24",), ("dev-*",), (("developers", "file"),), "a1", "sid", 1.7e9,
    ),
    Decision(
        True, "abc", "view", (model.Reason(model.Ground.ALLOWED),), ALICE, model.Limits(idle=60.0), model.Recording.FULL, 2e9
    ),
    DEV,
    ALICE,
)  # fmt: skip
CHANGEABLE = (SHELL, *VALUES[1:4])
EACH = pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)


@EACH
def test_two_that_say_the_same_are_one_key(value: Value) -> None:
    again = type(value)(**value.parts())
    assert again is not value and again == value and hash(again) == hash(value)
    assert {value: "kept"}[again] == "kept"
    assert value != 1 and value != tuple(value.parts().values())


@EACH
def test_each_part_counts(value: Value) -> None:
    for part in value.PARTS.names:
        other = type(value)(**{**value.parts(), part: another(getattr(value, part))})
        assert other != value and hash(other) != hash(value), part


@EACH
def test_parts_go_in_by_place_and_by_name_and_can_be_read(value: Value) -> None:
    parts = value.parts()
    assert type(value)(*parts.values()) == value
    assert repr(value) == f"{type(value).__name__}({', '.join(f'{name}={part!r}' for name, part in parts.items())})"
    assert eval(repr(Context(0.5, "192.0.2.1"))) == Context(0.5, "192.0.2.1")


@pytest.mark.parametrize("value", CHANGEABLE, ids=lambda value: type(value).__name__)
def test_a_changed_copy_differs_in_that_alone(value: Any) -> None:
    before = value.parts()
    for part in value.PARTS.names:
        there = another(before[part])
        changed = value.but(**{part: there})
        assert changed.parts() == {**before, part: there}
        assert value.parts() == before
        assert hash(changed) != hash(value), "the hash that the first one keeps is its own"
    assert value.but() == value
    with pytest.raises(TypeError):
        value.but(colour="red")


def test_values_of_different_kinds_are_never_equal() -> None:
    assert Impersonation("alice") != Identity("alice") and Cluster("alice") != Impersonation("alice")


@given(st.text(), st.text())
def test_the_name_of_a_cluster_is_all_of_it(one: str, other: str) -> None:
    assert (Cluster(one) == Cluster(other)) is (one == other)


@EACH
def test_where_it_is_compiled_nothing_can_be_set_again(value: Value) -> None:
    """Elsewhere only the type checker says so, for whatever else would say it costs as much as making the value."""
    if not model.value.__file__.endswith(".so"):
        pytest.skip("plain Python")
    for part in value.PARTS.names:
        with pytest.raises(AttributeError):
            setattr(value, part, getattr(value, part))
    with pytest.raises(AttributeError):
        value.colour = "red"  # type: ignore[attr-defined]


def another(part: object) -> Any:
    """Something else of the same type."""
    match part:
        case bool():
            return not part
        case int() | float():
            return part + 1
        case str():
            return part + "x"
        case tuple():
            return (*part, "more")
        case Operation():
            return Operation.CP
        case Cluster():
            return Cluster("prod")
        case model.Recording():
            return model.Recording.NONE
        case model.Limits():
            return model.Limits()
        case model.Device() | Impersonation():
            return None
        case _:
            raise AssertionError(f"no other than {part}")
