"""The admin pages of a gate with workers, asked of sockets in the file system: one that hangs does not hold up whoever probes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from reactors import dispose, make_reactor, turn_until
from twisted.internet.protocol import Factory, Protocol
from twisted.web.test.requesthelper import DummyRequest

from kgate.api.admin import Readiness, admin_site
from kgate.api.workers import READY_SECONDS, gathered_site

FINE, WARNED, STOPPED = Readiness({}, {}), Readiness({}, {"geo": "is old"}), Readiness({"audit": "No space left on device"}, {})


class Hanging(Protocol):
    """Nobody reads what it gets."""

    def connectionMade(self) -> None:
        self.factory.made.append(self)

    def connectionLost(self, reason: object = None) -> None:
        self.factory.lost.append(self)


class Workers:
    """Processes of a gate, as their supervisor sees them: sockets."""

    def __init__(self, folder: Path) -> None:
        self.reactor, self.folder, self.places = make_reactor(), folder, dict[int, Path]()
        self.hanging = Factory.forProtocol(Hanging)
        self.hanging.made, self.hanging.lost = [], []

    def answers(self, ready: Readiness) -> None:
        self._listens(admin_site(lambda: ready, lambda: b""))

    def hangs(self) -> None:
        self._listens(self.hanging)

    def is_gone(self) -> None:
        self._place()

    def _listens(self, factory: Any) -> None:
        self.reactor.listenUNIX(str(self._place()), factory)

    def _place(self) -> Path:
        place = self.places[len(self.places) + 1] = self.folder / f"{len(self.places) + 1}"
        return place

    def asked(self) -> DummyRequest:
        site = gathered_site(self.reactor, lambda: self.places, dict)
        request = DummyRequest([b"readyz"])
        site.resource.getChildWithDefault(b"readyz", request).render(request)
        return request

    def said(self, request: DummyRequest) -> tuple[int, str]:
        turn_until(self.reactor, lambda: bool(request.finished))
        return request.responseCode, b"".join(request.written).decode()


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    made = Workers(tmp_path)
    yield made
    dispose(made.reactor)


def test_all_that_hang_are_given_up_at_once_within_the_second_that_a_probe_waits(workers: Workers) -> None:
    for _ in range(3):
        workers.hangs()
    workers.answers(FINE)
    request = workers.asked()
    turn_until(workers.reactor, lambda: len(workers.hanging.made) == 3)
    assert workers.hanging.lost == [], "none is waited for before the next is asked"
    assert READY_SECONDS < 1
    assert workers.said(request) == (200, "ok\n" + "".join(f"worker {number}: does not answer\n" for number in (1, 2, 3)))
    turn_until(workers.reactor, lambda: len(workers.hanging.lost) == 3)


@pytest.mark.parametrize(
    ("each", "page"),
    [
        ([FINE, FINE], (200, "ok\n")),
        ([FINE, WARNED], (200, "ok\nworker 2: warning: geo: is old\n")),
        ([STOPPED, WARNED], (200, "ok\nworker 1: audit: No space left on device\nworker 2: warning: geo: is old\n")),
        ([STOPPED, None], (503, "worker 1: audit: No space left on device\nworker 2: does not answer\n")),
    ],
)
def test_it_is_ready_while_one_of_them_is_and_tells_what_each_says(
    workers: Workers, each: list[Readiness | None], page: tuple[int, str]
) -> None:
    for one in each:
        workers.is_gone() if one is None else workers.answers(one)
    assert workers.said(workers.asked()) == page
