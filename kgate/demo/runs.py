"""What a program of a container runs in: the container's machine, and the program's own directory, variables and streams.

No process of the host is ever started: programs are coroutines from a ``Run`` and arguments to an exit status. What only computes gives way
now and then (``Machine.breathe``), so that an endless loop does not stop the cluster.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from attrs import define, evolve, field
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from kgate.demo.console import Console
from kgate.demo.files import FileSystem, absolute
from kgate.demo.pipes import Reader, Writer

BREATH = 256
"""After so many steps a program gives way to everything else."""
DEPTH = 50
"""How deep shells may call shells."""

Program = Callable[["Run", list[str]], Awaitable[int]]


class Exit(Exception):
    """``exit N``, or a signal that ends the program."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class LoopControl(Exception):
    """``break`` and ``continue``."""

    def __init__(self, *, again: bool) -> None:
        super().__init__()
        self.again = again


@define
class Machine:
    """A container as its programs see it. ``programs`` are the commands by name."""

    clock: Any
    now: Callable[[], float]
    hostname: str
    files: FileSystem
    programs: dict[str, Program]
    environment: dict[str, str]
    directory: str = "/"
    last_pid: int = 1
    running: dict[int, str] = field(factory=dict)
    """What ``ps`` shows: command lines by process identifier."""
    _steps: int = 0

    def started(self, line: str) -> int:
        """Note that a program runs; gives its process identifier."""
        self.last_pid += 1
        self.running[self.last_pid] = line
        return self.last_pid

    def sleep(self, seconds: float) -> Deferred[None]:
        """Fires after that time."""
        return deferLater(self.clock, seconds)

    async def breathe(self) -> None:
        """Count one step of a program; now and then let everything else have its turn."""
        self._steps += 1
        if self._steps % BREATH == 0:
            await self.sleep(0)


@define
class Run:
    """What one program runs in. ``status`` is that of the command before; ``console`` is None without a terminal."""

    machine: Machine
    stdin: Reader
    stdout: Writer
    stderr: Writer
    environment: dict[str, str]
    directory: str
    console: Console | None = None
    status: int = 0
    pid: int = 1
    arguments: tuple[str, ...] = ("sh",)
    depth: int = 0

    @property
    def files(self) -> FileSystem:
        """The container's files."""
        return self.machine.files

    def path(self, name: str) -> str:
        """``name`` as an absolute path."""
        return absolute(name, self.directory)

    async def say(self, text: str) -> None:
        """A line on stdout."""
        await self.stdout.write(text.encode() + b"\n")

    async def complain(self, text: str) -> int:
        """A line on stderr; gives the status 1."""
        await self.stderr.write(text.encode() + b"\n")
        return 1

    def apart(self, **changes: Any) -> Run:
        """A run of its own, with ``changes``: what happens to its variables and directory stays there."""
        if self.depth >= DEPTH:
            raise Exit(2)
        return evolve(self, environment=dict(self.environment), depth=self.depth + 1, **changes)
