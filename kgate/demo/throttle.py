"""Makes programs wait while a client reads more slowly than they write."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from kgate.demo.answers import Link
from kgate.demo.pipes import PipeBroken


class Throttle:
    """All writers of one link. They wait while it is congested and fail once it is closed."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._waiting: dict[Deferred[None], None] = {}
        self.closed = False

    async def room(self) -> None:
        """Returns when something may be written. Raises PipeBroken where nobody will ever read it."""
        while self._link.congested and not self.closed:
            waiter: Deferred[None] = Deferred(self._forget)
            self._waiting[waiter] = None
            await waiter
        if self.closed:
            raise PipeBroken

    def _forget(self, waiter: Deferred[None]) -> None:
        self._waiting.pop(waiter, None)

    def drained(self) -> None:
        """The link has room again."""
        waiting, self._waiting = self._waiting, {}
        for waiter in waiting:
            waiter.callback(None)

    def close(self) -> None:
        """Nothing may be written any more."""
        self.closed = True
        self.drained()


class ChannelWriter:
    """A program's output that becomes messages or frames by ``send``."""

    def __init__(self, throttle: Throttle, send: Callable[[bytes], None]) -> None:
        self._throttle, self._send = throttle, send

    async def write(self, data: bytes) -> None:
        """See Writer."""
        await self._throttle.room()
        if data:
            self._send(data)
