"""A running container: its main program, its log, its files, what is executed in it and who is attached.

The main program is the container's ``command`` and ``args`` where the small shell knows the command, a shell for the usual base images with an
input, and otherwise a pretended service that writes a line to its log now and then.
"""

from __future__ import annotations

import itertools
import posixpath
from collections.abc import Callable
from typing import Any

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from kgate.demo.console import Console
from kgate.demo.logs import Log
from kgate.demo.pipes import NETWORK_CAPACITY, Nothing, Pipe, PipeBroken, Reader, Writer
from kgate.demo.programs import ENVIRONMENT, PROGRAMS, fresh_files
from kgate.demo.runs import Exit, Machine, Run
from kgate.demo.schema import Object
from kgate.demo.shell import run_arguments
from kgate.demo.terminal import printed

KILLED = 137
LOG_SECONDS = 5.0
_SHELLS = ("busybox", "alpine", "debian", "ubuntu", "sh")


@frozen
class Streams:
    """The far side of a program: where its output goes. ``screen`` is for a terminal's echo."""

    stdout: Writer
    stderr: Writer
    screen: Callable[[bytes], None]


@frozen
class _Attachment:
    """Who is attached, and what to call when the main program's full input has room again."""

    streams: Streams
    drained: Callable[[], None]


class Program:
    """A program with its input. ``finished`` fires with the exit status, once."""

    def __init__(self, stdin: Pipe, console: Console | None, job: Deferred[int]) -> None:
        self._stdin, self._console = stdin, console
        self._job = job
        self._killed = False
        self.finished: Deferred[int] = Deferred()
        job.addCallbacks(self.finished.callback, self._failed)

    def _failed(self, failure: Failure) -> None:
        if self._killed and isinstance(failure.value, CancelledError):
            self.finished.callback(KILLED)
        else:
            self.finished.errback(failure)

    @property
    def full(self) -> bool:
        """Whether the program has more input than it reads."""
        return self._stdin.full

    def feed(self, data: bytes) -> None:
        """Input arrived."""
        if self._console is None:
            self._stdin.feed(data)
        else:
            self._console.press(data)

    def finish_input(self) -> None:
        """No more input follows."""
        self._stdin.finish()

    def resize(self, columns: int, rows: int) -> None:
        """The person's window changed."""
        if self._console is not None:
            self._console.terminal.columns, self._console.terminal.rows = columns, rows

    def kill(self) -> None:
        """End it at once, status 137."""
        self._killed = True
        self._job.cancel()


class _Crlf:
    """A terminal's output."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def write(self, data: bytes) -> None:
        await self._writer.write(printed(data))


class _Spread:
    """The main program's output: into the log, and to all who are attached."""

    def __init__(self, log: Log, attached: dict[int, _Attachment], *, errors: bool) -> None:
        self._log, self._attached, self._errors = log, attached, errors

    async def write(self, data: bytes) -> None:
        self._log.write(data)
        for attached in list(self._attached.values()):
            try:
                await (attached.streams.stderr if self._errors else attached.streams.stdout).write(data)
            except PipeBroken:
                pass  # whoever was attached left; the program goes on


class Container:
    """One container of a pod. ``ended`` is told the main program's exit status."""

    def __init__(self, clock: Any, now: Callable[[], float], spec: Object, hostname: str, address: str) -> None:
        self.spec, self.started_at = spec, now()
        self.log = Log(now)
        self.machine = Machine(clock, now, hostname, fresh_files(now, hostname, address), PROGRAMS, ENVIRONMENT | {"HOSTNAME": hostname})
        self.machine.directory = spec.get("workingDir") or "/"
        self._attached: dict[int, _Attachment] = {}
        self._numbers = itertools.count()
        self._programs: dict[int, Program] = {}
        self._main: Program | None = None

    @property
    def tty(self) -> bool:
        """Whether the main program runs on a terminal."""
        return bool(self.spec.get("tty"))

    def start(self, ended: Callable[[int], None]) -> None:
        """Run the main program."""
        words = self._words()
        self.machine.running[1] = " ".join(words) if words else f"/{self.spec['name']}"
        streams = Streams(
            _Spread(self.log, self._attached, errors=False), _Spread(self.log, self._attached, errors=not self.tty), self._show
        )
        with_input = bool(self.spec.get("stdin"))
        self._main = self._run(words, streams, stdin=with_input, tty=self.tty, drained=self._drained)

        def tell(status: int) -> int:
            ended(status)
            return status

        self._main.finished.addCallback(tell)

    def _words(self) -> list[str]:
        words = [*(self.spec.get("command") or []), *(self.spec.get("args") or [])]
        if words and posixpath.basename(words[0]) in PROGRAMS:
            return words
        image = str(self.spec.get("image", "")).split("/")[-1].split(":")[0]
        return ["sh"] if not words and self.spec.get("stdin") and image in _SHELLS else []

    def _show(self, data: bytes) -> None:
        for attached in list(self._attached.values()):
            attached.streams.screen(data)

    def _drained(self) -> None:
        for attached in list(self._attached.values()):
            attached.drained()

    def execute(self, words: list[str], streams: Streams, *, stdin: bool, tty: bool, drained: Callable[[], None]) -> Program:
        """Run one more program. ``drained`` is called when its full input has room again."""
        return self._run(words, streams, stdin=stdin, tty=tty, drained=drained)

    def _run(self, words: list[str], streams: Streams, *, stdin: bool, tty: bool, drained: Callable[[], None]) -> Program:
        into = Pipe(NETWORK_CAPACITY, drained)
        console = Console(into, streams.screen) if tty and stdin else None
        stdout: Writer = _Crlf(streams.stdout) if tty else streams.stdout
        reader: Reader = into if stdin else Nothing()
        run = Run(
            self.machine,
            reader,
            stdout,
            stdout if tty else streams.stderr,
            dict(self.machine.environment),
            self.machine.directory,
            console=console,
        )
        body = _main_program(run, words) if words else _service(run, str(self.spec["name"]))
        program = Program(into, console, Deferred.fromCoroutine(body if console is None else console.attend(body)))
        number = next(self._numbers)
        self._programs[number] = program

        def gone(status: int) -> int:
            self._programs.pop(number, None)
            return status

        program.finished.addCallback(gone)
        return program

    def attach(self, streams: Streams, drained: Callable[[], None]) -> Callable[[], None]:
        """Have the main program's output sent to ``streams`` too; gives what ends that."""
        number = next(self._numbers)
        self._attached[number] = _Attachment(streams, drained)

        def detach() -> None:
            self._attached.pop(number, None)

        return detach

    @property
    def main(self) -> Program | None:
        """The main program, once it runs."""
        return self._main

    def stop(self) -> None:
        """End everything that runs in it."""
        for program in list(self._programs.values()):
            program.kill()
        self.log.finish()


async def _main_program(run: Run, words: list[str]) -> int:
    try:
        return await run_arguments(run, words)
    except Exit as ended:
        return ended.status
    except PipeBroken:
        return 141


async def _service(run: Run, name: str) -> int:
    """What pretends to be the image's own program."""
    await run.say(f"{name} started on {run.machine.hostname}, listening on port 8080")
    for number in itertools.count(1):
        await run.machine.sleep(LOG_SECONDS)
        await run.say(f"{name}: still well, line {number}")
    return 0
