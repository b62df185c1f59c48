"""A real terminal: tmux, detached, on a socket of its own."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import frozen
from lab.waiting import TookTooLong, eventually

_CLOSED = "(the program has ended)"


@frozen
class Terminal:
    """One window. What stands on its screen is text, as a person reads it."""

    socket: str
    ending: Path
    """Where the shell around the program writes its exit code and the instant (Unix seconds) of its end."""

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(["tmux", "-L", self.socket, "-f", "/dev/null", *arguments], capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, f"tmux {' '.join(arguments)}: {done.stderr.decode()}"
        return done.stdout.decode()

    def screen(self) -> str:
        """The screen's lines, without trailing blanks."""
        return "\n".join(line.rstrip() for line in self._tmux("capture-pane", "-p").rstrip().splitlines())

    def type(self, text: str) -> None:
        """Types text and Enter."""
        self._tmux("send-keys", "-l", text)
        self._tmux("send-keys", "Enter")

    def press(self, *keys: str) -> None:
        """Presses keys by tmux's names: ``C-c``, ``Escape``, ``Up``."""
        self._tmux("send-keys", *keys)

    def resize(self, columns: int, rows: int) -> None:
        """Drags the window's corner."""
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def until(self, needle: str, seconds: float = 60.0) -> str:
        """Waits until the screen has ``needle``; the screen then."""

        def found() -> str:
            screen = self.screen()
            return screen if needle in screen else ""

        try:
            return eventually(f"{needle!r} on the terminal", found, seconds, 0.05)
        except TookTooLong as slow:
            raise TookTooLong(f"{slow}\n{self.screen()}") from None

    def ended(self, seconds: float = 60.0) -> tuple[int, float]:
        """Waits for the program's end: its exit code and when that was, in Unix seconds."""
        try:
            code, when = eventually("the end of the program on the terminal", self._ending, seconds, 0.05)
        except TookTooLong as slow:
            raise TookTooLong(f"{slow}\n{self.screen()}") from None
        return code, when

    def last_screen(self) -> str:
        """Waits for the program's end and for what the shell says of the terminal then: a line ``-echo`` or ``-icanon`` where it was not restored."""
        return self.until(_CLOSED)

    def _ending(self) -> tuple[int, float] | None:
        words = self.ending.read_text().split() if self.ending.exists() else []
        return (int(words[0]), float(words[1])) if len(words) == 2 else None


@contextmanager
def terminal(
    argv: Sequence[str], environment: Mapping[str, str], directory: Path, columns: int = 100, rows: int = 30
) -> Iterator[Terminal]:
    """Opens a window of the given size in which ``argv`` runs. It stays when the program ends, for the tests to read, and closes with the block."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is missing, which is the terminal here (Debian, Ubuntu: apt-get install tmux)")
    window = Terminal(f"kgate-{uuid.uuid4().hex[:12]}", directory / f"{uuid.uuid4().hex}.ending")
    program = shlex.join(["env", "-i", *(f"{name}={value}" for name, value in environment.items()), *argv])
    # The code and the instant are written in one go; then stty names what the program left unlike it was, which is nothing.
    note = f'printf "%s %s" $? $(date +%s.%N) > {shlex.quote(str(window.ending))}'
    after = f'{program}; {note}; stty -a | tr " " "\\n" | grep -x -e -echo -e -icanon; echo {shlex.quote(_CLOSED)}; exec cat'
    window._tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), "sh", "-c", after)
    try:
        yield window
    finally:
        window._tmux("kill-server")
