"""Running somebody else's program for what it prints: to its end, or to that of our patience. What it left running is not waited for, unless that may
still print: a program in the background often has the stderr that it was started with."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

OUTPUT, ERRORS = 1, 2
STRAGGLING_SECONDS = 0.5
"""For errors that it printed and that are not read yet when it is gone."""


@frozen
class Printed:
    """It ended. ``output`` may be cut off, but is longer than it may be then."""

    output: bytes
    errors: bytes
    code: int


@frozen
class Unfinished:
    """What became of it instead, as the rest of a sentence that begins with its name; nothing of what it printed, which may be a secret."""

    text: str


def run(
    reactor: Any, program: str, arguments: Sequence[str], environment: Mapping[str, str], *, most: int, seconds: float
) -> Deferred[Printed | Unfinished]:
    """What ``program`` prints; killed after so many bytes or seconds, or when nobody wants it any more (``cancel``)."""
    running = _Running(reactor, most)
    try:
        running.process = reactor.spawnProcess(running, program, [program, *arguments], dict(environment))
    except OSError as error:  # no descriptor, process or memory is left
        running.end(Unfinished(f"cannot be run: {error.strerror}"))
        return running.done
    running.wait(seconds, partial(running.kill, Unfinished(f"did not end within {seconds:g} s")))
    return running.done


class _Running(ProcessProtocol):
    def __init__(self, reactor: Any, most: int) -> None:
        self._reactor, self._most = reactor, most
        self._how: Any = None
        self._may_print = True
        self._printed = {OUTPUT: bytearray(), ERRORS: bytearray()}
        self.process: Any = None
        self._late: Any = None
        self.done: Deferred[Printed | Unfinished] = Deferred(lambda _: self.kill(Unfinished("was given up: nobody needs it any more")))

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """It prints."""
        printed = self._printed[childFD]
        printed += data[: self._most + 1 - len(printed)]
        if len(printed) > self._most:
            self.kill(Printed(bytes(self._printed[OUTPUT]), bytes(self._printed[ERRORS]), 0))

    def childConnectionLost(self, childFD: int) -> None:
        """Nobody has this pipe any more."""
        if childFD == OUTPUT:
            self._may_print = False
            self._look_whether_it_is_over()

    def processExited(self, reason: Failure) -> None:
        """It is gone; whoever it left running may still print."""
        self._how = reason.value
        self._look_whether_it_is_over()

    def _look_whether_it_is_over(self) -> None:
        if self._how is not None and not self._may_print and not self.done.called:
            self.wait(STRAGGLING_SECONDS, self._ended)

    def processEnded(self, reason: Failure) -> None:
        """It is gone, and so is whoever else could print."""
        self._how = reason.value
        self._ended()

    def _ended(self) -> None:
        if self._how.signal:
            self.end(Unfinished(f"was ended by signal {self._how.signal}"))
        else:
            self.end(Printed(bytes(self._printed[OUTPUT]), bytes(self._printed[ERRORS]), self._how.exitCode))

    def wait(self, seconds: float, then: Callable[[], None]) -> None:
        """So long from now, and no longer for what was waited for before."""
        self._wait_no_more()
        self._late = self._reactor.callLater(seconds, then)

    def _wait_no_more(self) -> None:
        if self._late is not None and self._late.active():
            self._late.cancel()

    def kill(self, result: Printed | Unfinished) -> None:
        """Enough of it."""
        self.end(result)
        with contextlib.suppress(ProcessExitedAlready):
            self.process.signalProcess("KILL")
        self.process.loseConnection()

    def end(self, result: Printed | Unfinished) -> None:
        """The first end counts."""
        self._wait_no_more()
        if not self.done.called:
            self.done.callback(result)
