"""What joins programs with each other and with the network: bounded pipes, and the writers that wait while the far side is full.

Programs are coroutines that wait on Deferreds. ``Pipe`` has a program's side (``read``, ``write``, which wait) and the network's side (``feed``,
``finish``, ``full`` and the callback ``drained``, which do not).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import Deferred

from kgate.demo.files import Device, File, FileSystem

CAPACITY = 64 * 1024
NETWORK_CAPACITY = 256 * 1024


class PipeBroken(Exception):
    """Nobody reads any more (SIGPIPE)."""


class Reader(Protocol):
    """Where a program's input comes from."""

    async def read(self, most: int = CAPACITY) -> bytes:
        """The next bytes, empty at the end."""

    async def read_line(self) -> bytes:
        """The next line with its newline; less at the end."""


class Writer(Protocol):
    """Where a program's output goes."""

    async def write(self, data: bytes) -> None:
        """Returns when there is room for more. Raises PipeBroken where nobody reads."""


class Gate:
    """One waiter at a time, let through by ``open``."""

    def __init__(self) -> None:
        self._waiter: Deferred[None] | None = None

    def wait(self) -> Deferred[None]:
        """A Deferred that fires at the next ``open``."""
        waiter: Deferred[None] = Deferred(self._forget)
        self._waiter = waiter
        return waiter

    def _forget(self, _: Deferred[None]) -> None:
        self._waiter = None

    def open(self) -> None:
        """Let the waiter through."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.callback(None)


class Pipe:
    """Bytes in order, at most about ``capacity`` of them held. ``drained`` is called when a full pipe has room again."""

    def __init__(self, capacity: int = CAPACITY, drained: Callable[[], None] | None = None) -> None:
        self._capacity, self._drained = capacity, drained
        self._held = bytearray()
        self._readable, self._writable = Gate(), Gate()
        self._ended = self._broken = self._pauses = False

    @property
    def full(self) -> bool:
        """Whether the network should pause."""
        return len(self._held) >= self._capacity

    # --- the network's side

    def feed(self, data: bytes) -> None:
        """Bytes arrived. They are dropped where nobody reads any more."""
        if data and not self._ended and not self._broken:
            self._held += data
            self._readable.open()

    def finish(self) -> None:
        """No more bytes follow."""
        self._ended = True
        self._readable.open()

    def end_once(self) -> None:
        """One reader finds the end here; the next one reads on (ctrl-D on a terminal)."""
        self._pauses = True
        self._readable.open()

    def break_off(self) -> None:
        """Nobody reads any more."""
        self._broken = True
        self._held.clear()
        self._writable.open()
        self._told()

    # --- the programs' side

    async def write(self, data: bytes) -> None:
        """See Writer."""
        view = memoryview(data)
        while not self._broken and view:
            if self.full:
                await self._writable.wait()
                continue
            room = self._capacity - len(self._held)
            self._held += view[:room]
            view = view[room:]
            self._readable.open()
        if self._broken:
            raise PipeBroken

    async def read(self, most: int = CAPACITY) -> bytes:
        """See Reader."""
        await self._something()
        return self._take(most)

    async def read_line(self) -> bytes:
        """See Reader. What follows the line stays for the next reader."""
        line = bytearray()
        while not line.endswith(b"\n"):
            await self._something()
            if not self._held:
                break
            end = self._held.find(b"\n") + 1
            line += self._take(end or len(self._held))
        return bytes(line)

    async def _something(self) -> None:
        """Wait for bytes or an end."""
        while not self._held and not self._ended and not self._pauses:
            await self._readable.wait()
        if not self._held:
            self._pauses = False

    def _take(self, most: int) -> bytes:
        was_full = self.full
        taken = bytes(self._held[:most])
        del self._held[:most]
        if was_full and not self.full:
            self._writable.open()
            self._told()
        return taken

    def _told(self) -> None:
        if self._drained is not None:
            self._drained()


class Nothing:
    """``/dev/null``, both ways."""

    async def read(self, most: int = CAPACITY) -> bytes:
        """Always at the end."""
        return b""

    async def read_line(self) -> bytes:
        """Always at the end."""
        return b""

    async def write(self, data: bytes) -> None:
        """Gone."""


class Zeros:
    """``/dev/zero``."""

    async def read(self, most: int = CAPACITY) -> bytes:
        """Never at the end."""
        return bytes(min(most, CAPACITY))

    async def read_line(self) -> bytes:
        """There is no newline in it, so this is one piece."""
        return bytes(CAPACITY)


class Text:
    """An input that is all there."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    async def read(self, most: int = CAPACITY) -> bytes:
        """See Reader."""
        piece = self._data[self._at : self._at + most]
        self._at += len(piece)
        return piece

    async def read_line(self) -> bytes:
        """See Reader."""
        return await self.read((self._data.find(b"\n", self._at) + 1 or len(self._data)) - self._at)


class Collected:
    """An output that is kept, for ``$(…)``."""

    def __init__(self) -> None:
        self.data = bytearray()

    async def write(self, data: bytes) -> None:
        """See Writer."""
        self.data += data


class FileWriter:
    """An output that goes into a file."""

    def __init__(self, files: FileSystem, file: File | Device) -> None:
        self._files, self._file = files, file

    async def write(self, data: bytes) -> None:
        """Raises FileProblem where the container is full."""
        self._files.extend(self._file, data)
