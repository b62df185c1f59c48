"""A server of the bench: one process tree, pinned to a core, and what /proc says of it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

START_SECONDS = 20.0
GO = "bench/go.cnf"
"""What ``scripts/bench`` names in OPENSSL_CONF: TLS suites in the order of Go, which kubectl and API servers are written in."""
TICK = 0.01
"""A clock tick of /proc/PID/stat, where the kernel has no schedstat."""


class Server:
    """``argv`` run on ``core`` (None: anywhere), its output in ``log``. ``port`` is where it is reached; ``ready`` waits for that.
    ``like_go``: its TLS suites are in the order of ``GO``."""

    def __init__(
        self, name: str, argv: Sequence[str], port: int, log: Path, *, core: int | None = None, cwd: Path | None = None,
        like_go: bool = False,
    ) -> None:  # fmt: skip
        self.name, self.port, self._log = name, port, log
        pinned = ["taskset", "-c", str(core), *argv] if core is not None else list(argv)
        environment = {name: value for name, value in os.environ.items() if like_go or not value.endswith(GO)}
        self.started = time.monotonic()
        with log.open("wb") as output:
            self._process = subprocess.Popen(pinned, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd=cwd, env=environment)

    @property
    def pid(self) -> int:
        """The first process."""
        return self._process.pid

    def ready(self, patience: float = START_SECONDS) -> float:
        """Wait until it accepts connections; the seconds since it was started."""
        while time.monotonic() - self.started < patience:
            if self._process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.2):
                return time.monotonic() - self.started
            time.sleep(0.005)
        self.stop()
        raise RuntimeError(f"{self.name} did not start:\n{self._log.read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        """End it, and everything that it started."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                for pid in family(self.pid):
                    with contextlib.suppress(OSError):
                        subprocess.run(["kill", "-9", str(pid)], check=False)
                self._process.wait()

    def cpu_seconds(self) -> float:
        """User and system time so far of all threads of all its processes."""
        return sum(_thread_seconds(task) for pid in family(self.pid) for task in _tasks(pid))

    def resident(self) -> int:
        """Bytes of memory that its processes hold and share with nobody."""
        return sum(_private(pid) for pid in family(self.pid))


def family(pid: int) -> list[int]:
    """``pid`` and its descendants."""
    children: list[str] = []
    for task in _tasks(pid):
        with contextlib.suppress(OSError):
            children += (task / "children").read_text().split()
    return [pid, *(member for child in children for member in family(int(child)))]


def _tasks(pid: int) -> list[Path]:
    with contextlib.suppress(OSError):
        return list(Path(f"/proc/{pid}/task").iterdir())
    return []


def _thread_seconds(task: Path) -> float:
    with contextlib.suppress(OSError):
        return int((task / "schedstat").read_text().split()[0]) / 1e9
    with contextlib.suppress(OSError):
        fields = (task / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK
    return 0.0


def _private(pid: int) -> int:
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))
    return 0


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
