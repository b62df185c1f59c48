"""The inventory of devices as an API answers it, in a gate that has something else to do meanwhile."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from reactors import reactor_with_threads, turn_until

from kgate.expressions import Failed
from kgate.model import Device
from kgate.net.disk import Disk
from kgate.net.inventory import PolledInventory
from kgate.net.turn import Turn
from kgate.net.web import Reply


class Slow:
    """An expression that takes its time, as the thousands of a large company's together do."""

    def __init__(self) -> None:
        self.go_on, self.begun, self.where = threading.Event(), threading.Event(), 0

    def evaluate(self, names: dict[str, Any]) -> Any:
        self.where = threading.get_ident()
        self.begun.set()
        self.go_on.wait(120)
        return names["body"]


class Name:
    def evaluate(self, names: dict[str, Any]) -> str | Failed:
        return str(names["item"]["name"])


class Api:
    """Answers at once."""

    async def ask(self, *_: object, **__: object) -> Reply:
        return Reply(200, (), json.dumps([{"name": "laptop-1"}]).encode())


@pytest.fixture
def reactor() -> Iterator[Any]:
    with reactor_with_threads() as made:
        yield made


def polled_by(reactor: Any, items: Slow, changed: list[frozenset[str]]) -> PolledInventory:
    settings = SimpleNamespace(url="u", token_file=None, items=items, name=Name(), compliant=None, posture={}, every=60.0, keep=60.0)
    disk = Disk(reactor, Turn(), lambda: 0.0)
    return PolledInventory(disk, lambda: 0.0, cast("Any", settings), cast("Any", Api()), changed.append)


@pytest.mark.threat("13")
def test_a_long_answer_is_read_while_the_gate_goes_on(reactor: Any) -> None:
    """Ten thousand devices took 1.2 s, in which nothing was cut."""
    items, changed = Slow(), list[frozenset[str]]()
    polled = polled_by(reactor, items, changed)
    polled.tick()
    turn_until(reactor, items.begun.is_set)
    assert items.where != threading.get_ident() and changed == []
    items.go_on.set()
    turn_until(reactor, lambda: bool(changed))
    assert changed == [frozenset({"laptop-1"})] and polled.inventory.find("laptop-1") == Device("laptop-1")


@pytest.mark.threat("13")
def test_an_answer_is_read_though_all_of_the_reactors_threads_wait_for_names(reactor: Any) -> None:
    """As where a resolver is away: the device that is not compliant any more is out all the same."""
    items, changed, resolver = Slow(), list[frozenset[str]](), threading.Event()
    items.go_on.set()
    for _ in range(20):
        reactor.getThreadPool().callInThread(resolver.wait)
    try:
        polled_by(reactor, items, changed).tick()
        turn_until(reactor, lambda: bool(changed))
    finally:
        resolver.set()
