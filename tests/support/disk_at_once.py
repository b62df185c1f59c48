"""A disk whose threads have done their work before anybody looks, and one that is busy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock

from kgate.net.disk import Disk
from kgate.net.turn import Turn

T = TypeVar("T")


class AtOnce:
    """A thread that has done its work before anybody looks."""

    def do(self, work: Callable[[], T]) -> Deferred[T]:
        return maybeDeferred(work)

    def give(self, work: Callable[[], T], future: Future[T]) -> None:
        future.set_result(work())

    def tell(self, work: Callable[[], None]) -> None:
        work()


class Later(AtOnce):
    """One that is busy until its work is let go on, in its order."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []
        self.woken = 0

    def tell(self, work: Callable[[], None]) -> None:
        self.woken += 1
        work()

    def do(self, work: Callable[[], T]) -> Deferred[T]:
        done: Deferred[T] = Deferred()
        self.waiting.append(lambda: maybeDeferred(work).chainDeferred(done))
        return done

    def give(self, work: Callable[[], T], future: Future[T]) -> None:
        self.waiting.append(lambda: future.set_result(work()))


class DiskAtOnce(Disk):
    """Answers at once. ``clock`` is its time."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        super().__init__(self.clock, Turn(), self.clock.seconds)

    def beside(self, name: str) -> Any:
        return AtOnce()


class BusyDisk(DiskAtOnce):
    """Answers when it is told to."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._later = Later()
        super().__init__(clock)

    def beside(self, name: str) -> Any:
        return self._later

    @property
    def woken(self) -> int:
        """How often a thread had something to say."""
        return self._later.woken

    def taken(self) -> list[Callable[[], None]]:
        """What waits, to go on later."""
        waiting, self._later.waiting = self._later.waiting, []
        return waiting

    def answer(self) -> int:
        """All that waits goes on; how much that was."""
        waiting = self.taken()
        for work in waiting:
            work()
        return len(waiting)


@contextmanager
def asked(disk: Disk, path: Path) -> Iterator[None]:
    """Somebody waits for ``path``."""
    answers, waits = threading.Event(), threading.Event()
    waiting = threading.Thread(target=disk.ask, args=(path, lambda: waits.set() or answers.wait(120)))
    waiting.start()
    assert waits.wait(60)
    try:
        yield
    finally:
        answers.set()
        waiting.join()
