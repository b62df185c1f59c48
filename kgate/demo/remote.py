"""Remote commands apart from their framing: what is wanted, what begins, and how the end is told (remotecommand's error channel)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import orjson
from attrs import frozen
from twisted.internet.defer import Deferred

from kgate.demo.containers import Streams
from kgate.demo.schema import Object


@frozen
class Wants:
    """Which streams the client asked for. With a terminal there is no stderr."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


class Input(Protocol):
    """A program as whoever types sees it."""

    @property
    def full(self) -> bool:
        """Whether it has more input than it reads."""

    def feed(self, data: bytes) -> None:
        """Input arrived."""

    def finish_input(self) -> None:
        """No more follows."""

    def resize(self, columns: int, rows: int) -> None:
        """The window changed."""


class NoInput:
    """A program that takes no input from this client."""

    full = False

    def feed(self, data: bytes) -> None:
        """Dropped."""

    def finish_input(self) -> None:
        """Nothing ends."""

    def resize(self, columns: int, rows: int) -> None:
        """No window is changed."""


class OpenInput:
    """A program whose input stays open when this client's ends, for others may attach after it; for this one that is the end (``left``)."""

    def __init__(self, program: Input, left: Callable[[], None]) -> None:
        self._program, self._left = program, left

    @property
    def full(self) -> bool:
        """See Input."""
        return self._program.full

    def feed(self, data: bytes) -> None:
        """See Input."""
        self._program.feed(data)

    def finish_input(self) -> None:
        """It stays open."""
        self._left()

    def resize(self, columns: int, rows: int) -> None:
        """See Input."""
        self._program.resize(columns, rows)


@frozen
class Started:
    """A program that a client is connected with. ``leave`` is called when the client is gone."""

    program: Input
    finished: Deferred[int]
    leave: Callable[[], None]


Begin = Callable[[Streams, Callable[[], None]], Started | Object]
"""Begins with the client's streams; the second is called when a full input has room again. A Status where it could not begin."""


def exit_status(code: int) -> Object:
    """The Status of a program's end."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    cause = {"reason": "ExitCode", "message": str(code)}
    message = f"command terminated with non-zero exit code: exit status {code}"
    return {"metadata": {}, "status": "Failure", "reason": "NonZeroExitCode", "message": message, "details": {"causes": [cause]}}


def not_found_status(word: str) -> Object:
    """The Status of a command that there is not."""
    message = f'Internal error occurred: error executing command in container: exec: "{word}": executable file not found in $PATH'
    return {"metadata": {}, "status": "Failure", "reason": "InternalError", "message": message, "code": 500}


def status_bytes(status: Object, *, structured: bool) -> bytes:
    """What goes on the error channel: JSON since v4, before that the plain message of a failure."""
    if structured:
        return orjson.dumps(status)
    return b"" if status["status"] == "Success" else str(status["message"]).encode()


def window_size(message: bytes) -> tuple[int, int] | None:
    """Columns and rows of a resize message; None where it is none."""
    try:
        value = orjson.loads(message)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(value, dict):
        return None
    columns, rows = value.get("Width"), value.get("Height")
    return (columns, rows) if isinstance(columns, int) and isinstance(rows, int) else None
