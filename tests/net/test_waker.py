"""A thread wakes the reactor, and what goes wrong then ends nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from reactors import dispose, make_reactor, turn_until
from twisted.logger import LogEvent, globalLogPublisher

from kgate.net.waker import Waker


@pytest.fixture
def reactor() -> Iterator[Any]:
    made = make_reactor()
    yield made
    dispose(made)


def from_a_thread(work: Any) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_the_reactor_s_thread_is_told(reactor: Any) -> None:
    told: list[int] = []
    waker = Waker(reactor, lambda: told.append(threading.get_ident()))
    waker.start()
    from_a_thread(waker.wake)
    turn_until(reactor, lambda: bool(told))
    assert told == [threading.get_ident()]
    waker.stop()
    assert waker not in reactor.getReaders()


def test_more_than_a_pipe_holds_is_a_few_calls_and_the_next_wake_is_another(reactor: Any) -> None:
    told: list[bool] = []
    waker = Waker(reactor, lambda: told.append(True))
    waker.start()
    from_a_thread(lambda: [waker.wake() for _ in range(100_000)])
    calls = -1
    while len(told) > calls:  # until it has read all of it
        calls = len(told)
        reactor.iterate(0)
    assert 0 < calls < 1000
    waker.wake()
    turn_until(reactor, lambda: len(told) == calls + 1)
    waker.stop()


def test_work_that_fails_is_logged_and_the_next_is_done(reactor: Any) -> None:
    told: list[int] = []

    def work() -> None:
        told.append(len(told))
        if len(told) == 1:
            raise ValueError("a bug")

    logged: list[LogEvent] = []
    globalLogPublisher.addObserver(logged.append)
    waker = Waker(reactor, work)
    waker.start()
    for count in (1, 2):
        waker.wake()
        turn_until(reactor, lambda: len(told) == count)  # noqa: B023  it is asked before the next one
    globalLogPublisher.removeObserver(logged.append)
    assert ["a bug" in str(each.get("log_failure")) for each in logged if "log_failure" in each] == [True]
    waker.stop()


def test_once_it_is_over_nobody_is_woken_and_nothing_is_written_to_a_file_that_took_its_number(reactor: Any) -> None:
    waker = Waker(reactor, lambda: None)
    waker.start()
    waker.stop()
    waker.wake()
    waker.stop()
    assert waker.fileno() == -1
