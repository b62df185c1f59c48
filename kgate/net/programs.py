"""Running somebody else's program for what it prints: to its end, or to that of our patience. What it left running then is not waited for."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

OUTPUT, ERRORS = 1, 2


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
    """What ``program`` prints; killed after so many bytes or seconds."""
    running = _Running(most)
    try:
        running.process = reactor.spawnProcess(running, program, [program, *arguments], dict(environment))
    except OSError as error:  # no descriptor, process or memory is left
        running.end(Unfinished(f"cannot be run: {error.strerror}"))
        return running.done
    running.late = reactor.callLater(seconds, running.kill, Unfinished(f"did not end within {seconds:g} s"))
    return running.done


class _Running(ProcessProtocol):
    def __init__(self, most: int) -> None:
        self._most = most
        self._printed = {OUTPUT: bytearray(), ERRORS: bytearray()}
        self.process: Any = None
        self.late: Any = None
        self.done: Deferred[Printed | Unfinished] = Deferred()

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """It prints."""
        printed = self._printed[childFD]
        printed += data[: self._most + 1 - len(printed)]
        if len(printed) > self._most:
            self.kill(Printed(bytes(self._printed[OUTPUT]), bytes(self._printed[ERRORS]), 0))

    def processEnded(self, reason: Failure) -> None:
        """It is gone, and so is whoever else could print."""
        how: Any = reason.value
        if how.signal:
            self.end(Unfinished(f"was ended by signal {how.signal}"))
        else:
            self.end(Printed(bytes(self._printed[OUTPUT]), bytes(self._printed[ERRORS]), how.exitCode))

    def kill(self, result: Printed | Unfinished) -> None:
        """Enough of it."""
        self.end(result)
        with contextlib.suppress(ProcessExitedAlready):
            self.process.signalProcess("KILL")
        self.process.loseConnection()

    def end(self, result: Printed | Unfinished) -> None:
        """The first end counts."""
        if self.late is not None and self.late.active():
            self.late.cancel()
        if not self.done.called:
            self.done.callback(result)
