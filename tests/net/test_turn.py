"""One turn of work, and what is done for each of many."""

from __future__ import annotations

import pytest
from twisted.logger import LogEvent, globalLogPublisher

from kgate.net.turn import each_of


@pytest.mark.threat("13")
def test_a_bug_in_one_of_many_is_in_the_log_and_keeps_no_other() -> None:
    """A deadline that cannot be looked at must not be a way for all others to live on."""
    logged: list[LogEvent] = []
    done: list[int] = []
    globalLogPublisher.addObserver(logged.append)
    try:
        each_of([2, 0, 1], lambda number: done.append(2 // number))
    finally:
        globalLogPublisher.removeObserver(logged.append)
    assert done == [1, 2]
    assert [(event["thing"], event["log_failure"].type) for event in logged] == [(0, ZeroDivisionError)]
