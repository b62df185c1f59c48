"""A worker's standard input is a pipe from its supervisor on which nothing ever comes but its end: then there is no supervisor any more."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer


@implementer(IReadDescriptor)
class Lifeline:
    """Calls ``ended`` once the other end of ``pipe`` (a descriptor) is closed, by whatever way its process went."""

    def __init__(self, reactor: Any, pipe: int, ended: Callable[[], None]) -> None:
        self._reactor, self._pipe = reactor, pipe
        self._ended: Callable[[], None] | None = ended

    def start(self) -> None:
        """Watch it."""
        self._reactor.addReader(self)

    def fileno(self) -> int:
        """The pipe."""
        return self._pipe

    def logPrefix(self) -> str:
        """Twisted's word for us in its log."""
        return "kgate lifeline"

    def doRead(self) -> None:
        """Something came, or the end."""
        if not os.read(self._pipe, 64):
            self._end()

    def connectionLost(self, reason: Failure) -> None:
        """The reactor noticed the end first."""
        self._end()

    def _end(self) -> None:
        self._reactor.removeReader(self)
        ended, self._ended = self._ended, None
        if ended is not None:
            ended()
