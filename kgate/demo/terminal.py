"""The line discipline of a terminal (termios' canonical mode): echo, erase, kill, interrupt, end of file; and newlines on the way out.

Keys come in as the person types them; lines come out when they are complete. Pure: ``press`` gives what to do.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

INTERRUPT, END, BACKSPACE, DELETE, KILL, WORD, REDRAW = 0x03, 0x04, 0x08, 0x7F, 0x15, 0x17, 0x0C
_ESCAPE = 0x1B


class _Escape(Enum):
    NONE = "none"
    BEGUN = "begun"
    INSIDE = "inside"


class Pressed(NamedTuple):
    """What keys led to: ``echo`` for the screen, ``ready`` for the program, whether to interrupt it, whether its input ends."""

    echo: bytes
    ready: bytes
    interrupt: bool = False
    ended: bool = False


class Terminal:
    """One terminal. ``columns`` and ``rows`` follow the person's window."""

    def __init__(self) -> None:
        self.columns, self.rows = 80, 24
        self._line = bytearray()
        self._escape = _Escape.NONE

    def press(self, keys: bytes) -> list[Pressed]:
        """Take keys in; one result for each run of ordinary ones and each special one."""
        return [self._press(key) for key in keys]

    def _press(self, key: int) -> Pressed:
        if self._escape is not _Escape.NONE or key == _ESCAPE:
            self._skip(key)
            return Pressed(b"", b"")
        if key in (0x0D, 0x0A):
            return Pressed(b"\r\n", self._flush(b"\n"))
        if key == INTERRUPT:
            self._line.clear()
            return Pressed(b"^C\r\n", b"", interrupt=True)
        if key == END:
            return Pressed(b"", self._flush(b""), ended=True) if not self._line else Pressed(b"", self._flush(b""))
        if key in (BACKSPACE, DELETE):
            return Pressed(self._erase(1), b"")
        if key == KILL:
            return Pressed(self._erase(len(self._line)), b"")
        if key == WORD:
            kept = self._line.rstrip(b" ").rfind(b" ") + 1
            return Pressed(self._erase(len(self._line) - kept), b"")
        if key < 0x20 and key != 0x09:
            return Pressed(b"", b"")
        self._line.append(key)
        return Pressed(bytes([key]), b"")

    def _skip(self, key: int) -> None:
        """Cursor keys have no meaning here: drop the whole sequence (ECMA-48: ESC [ … letter, ESC O letter)."""
        if key == _ESCAPE:
            self._escape = _Escape.BEGUN
        elif self._escape is _Escape.BEGUN and key in b"[O":
            self._escape = _Escape.INSIDE
        elif self._escape is _Escape.BEGUN or 0x40 <= key <= 0x7E:
            self._escape = _Escape.NONE

    def _flush(self, end: bytes) -> bytes:
        line = bytes(self._line) + end
        self._line.clear()
        return line

    def _erase(self, count: int) -> bytes:
        """Take ``count`` characters off the line and off the screen."""
        erased = 0
        while count > 0 and self._line:
            byte = self._line.pop()
            count -= 1
            if byte & 0xC0 == 0x80:  # the tail of a UTF-8 character: its head goes too, and is one on the screen
                count += 1
            else:
                erased += 1
        return b"\b \b" * erased


def printed(data: bytes) -> bytes:
    """What the screen gets of a program's output (termios' ONLCR)."""
    return data.replace(b"\n", b"\r\n")
