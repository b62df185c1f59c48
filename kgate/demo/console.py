"""A terminal between a person's keys and a container's programs: what is typed becomes lines, and ctrl-C ends the job in the foreground."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from kgate.demo.pipes import Pipe, Reader
from kgate.demo.terminal import Terminal

INTERRUPTED = 130


class Console:
    """``screen`` takes what the terminal echoes; ``lines`` is the programs' input."""

    def __init__(self, lines: Pipe, screen: Callable[[bytes], None]) -> None:
        self.terminal = Terminal()
        self.lines = lines
        self._screen = screen
        self._jobs: list[Deferred[int] | None] = []
        self._interrupted: Deferred[int] | None = None

    def press(self, keys: bytes) -> None:
        """Keys arrived."""
        for pressed in self.terminal.press(keys):
            self._screen(pressed.echo)
            self.lines.feed(pressed.ready)
            if pressed.ended:
                self.lines.end_once()
            if pressed.interrupt:
                self.interrupt()

    def interrupt(self) -> None:
        """End the job in the foreground; at a prompt, begin a new line."""
        job = self._jobs[-1] if self._jobs else None
        if job is None:
            self.lines.feed(b"\n")
        else:
            self._interrupted = job
            job.cancel()

    async def ask(self, source: Reader) -> bytes:
        """A line for a prompt: ctrl-C ends nothing meanwhile."""
        self._jobs.append(None)
        try:
            return await source.read_line()
        finally:
            self._jobs.pop()

    async def attend(self, program: Coroutine[Deferred[Any], Any, int]) -> int:
        """Run ``program`` as the job in the foreground; 130 where ctrl-C ended it."""
        job = Deferred.fromCoroutine(program)
        self._jobs.append(job)
        try:
            return await job
        except CancelledError:
            if self._interrupted is not job:
                raise
            self._interrupted = None
            return INTERRUPTED
        finally:
            self._jobs.pop()
