"""What loading a configuration leaves to the garbage collector: what was garbage before stays garbage, and little is not put away at all."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator

import pytest

from kgate.errors import KgateError
from kgate.service.quiet import quietly

USUAL = 20_000


@pytest.fixture(autouse=True)
def a_collector_of_a_gate() -> Iterator[None]:
    """It looks as seldom as in one (``settle_memory``)."""
    usual = gc.get_threshold()
    gc.set_threshold(USUAL, 20, 100)
    yield
    gc.set_threshold(*usual)
    gc.unfreeze()


class Ring:
    """Refers to itself, as a failed request to an issuer does by its traceback."""

    def __init__(self) -> None:
        self.ring = self


def little() -> object:
    return []


def much() -> object:
    return [[] for _ in range(2 * USUAL)]


def refused() -> object:
    made = much()
    raise KgateError(f"{made}"[:9])


@pytest.mark.parametrize("work", [little, much, refused])
def test_garbage_of_before_is_collected_sometime(work: Callable[[], object]) -> None:
    ring = weakref.ref(Ring())
    try:
        quietly(work)
    except KgateError:
        pass
    gc.collect()
    assert ring() is None


@pytest.mark.parametrize("work", [little, refused])
def test_what_lives_meanwhile_is_collected_when_it_is_over(work: Callable[[], object]) -> None:
    lives = Ring()
    ring = weakref.ref(lives)
    try:
        quietly(work)
    except KgateError:
        pass
    del lives
    gc.collect()
    assert ring() is None


def test_much_is_put_where_the_collector_does_not_look() -> None:
    before = gc.get_freeze_count()
    made = quietly(much)
    assert gc.get_freeze_count() - before >= 2 * USUAL
    del made
