"""Signals that end the gate: the first begins the drain, and those that follow it are answered in the log. Twisted would try to stop twice and log a
traceback, which a worker's log had after each Ctrl-C: the terminal tells it, and so does its supervisor."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from twisted.logger import Logger

log = Logger()

Handler = Callable[[int, FrameType | None], object]


def heed_once(reactor: Any) -> None:
    """To be called once ``reactor`` runs and has its own ways with signals."""
    heeded: list[int] = []

    def once(heed: Handler) -> Handler:
        def came(number: int, frame: FrameType | None) -> None:
            if heeded:
                reactor.callFromThread(
                    log.info, "it is stopping already, and ends with what is live or with the drain; SIGKILL ends it at once"
                )
                return
            heeded.append(number)
            heed(number, frame)

        return came

    for number in (signal.SIGINT, signal.SIGTERM):
        heed = signal.getsignal(number)
        if callable(heed):
            signal.signal(number, once(heed))
