"""Calls that are to be made later, held against Twisted's ``task.Clock``: whatever is asked for, put off, brought forward or given up."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from kgate.net.timers import Timers

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("later"), st.integers(0, 50)),
        st.tuples(st.just("cancel"), st.integers(0, 9)),
        st.tuples(st.just("reset"), st.integers(0, 9), st.integers(0, 20)),
        st.tuples(st.just("delay"), st.integers(0, 9), st.integers(-20, 20)),
        st.tuples(st.just("advance"), st.integers(1, 5)),
    ),
    min_size=20,
    max_size=60,
)
APART = [math.log(number) / 1000 for number in range(2, 300) if all(number % less for less in range(2, number))]
"""Seconds for each step, of which no sum is another one's: logarithms of primes."""


class Ours:
    """``Timers`` with a clock that is advanced as ``task.Clock`` is: to each call that comes due in between."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers = Timers(lambda: self.now)

    def callLater(self, delay: float, work: Any, *args: Any) -> Any:
        return self.timers.later(delay, work, args, {})

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while (wait := self.timers.wait()) is not None and self.now + wait <= end:
            self.now += wait
            self.timers.run()
        self.now = end
        self.timers.run()


def transcript(clock: Any, steps: list[Any]) -> list[object]:
    """What happens when ``steps`` are taken; no two calls are due at once, for whose turn it is then is nobody's promise."""
    happened, calls = list[object](), list[Any]()
    for apart, (what, *rest) in zip(APART, steps, strict=False):
        if what == "later":
            calls.append(clock.callLater(rest[0] + apart, happened.append, len(calls)))
        elif what == "advance":
            clock.advance(rest[0])
            happened.append("advanced")
        elif calls and calls[rest[0] % len(calls)].active():
            call = calls[rest[0] % len(calls)]
            call.cancel() if what == "cancel" else getattr(call, what)(rest[1] + apart)
    clock.advance(500)
    return happened


@given(STEPS)
@example([("later", 0)] * 26 + [("delay", 1, 0), ("later", 0)])
def test_the_calls_are_those_of_twisted_s_clock(steps: list[Any]) -> None:
    ours = Ours()
    assert transcript(ours, steps) == transcript(Clock(), steps)
    assert ours.timers.pending() == []
    assert ours.timers.wait() is None


def test_a_call_asked_for_while_calls_are_made_waits_for_the_next_turn() -> None:
    ours, happened = Ours(), list[str]()
    ours.callLater(0, lambda: (happened.append("first"), ours.callLater(0, happened.append, "second")))
    ours.timers.run()
    assert happened == ["first"]
    assert ours.timers.wait() == 0
    ours.timers.run()
    assert happened == ["first", "second"]


def test_a_call_that_raises_is_over_and_the_others_are_made_in_the_next_turn() -> None:
    ours, happened = Ours(), list[str]()

    def bug() -> None:
        raise ZeroDivisionError("of a bug")

    ours.callLater(0, bug)
    ours.now = 1.0
    ours.callLater(0, happened.append, "done")
    with pytest.raises(ZeroDivisionError, match="of a bug"):
        ours.timers.run()
    ours.timers.run()
    assert happened == ["done"]


def test_one_that_is_due_is_not_called_when_the_call_before_it_gave_it_up() -> None:
    ours, happened = Ours(), list[str]()
    ours.callLater(1, lambda: second.cancel())
    second = ours.callLater(2, happened.append, "second")
    ours.now = 3.0
    ours.timers.run()
    assert happened == []


def test_cancelled_calls_are_forgotten_when_there_are_many() -> None:
    ours = Ours()
    for _ in range(10):
        for call in [ours.callLater(1000, print) for _ in range(100)]:
            call.cancel()
        ours.callLater(0, lambda: None)
        ours.timers.run()
    assert len(ours.timers) < 200
