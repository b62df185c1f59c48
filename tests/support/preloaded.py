"""Gates for tests without a second of importing for each: a process that has imported all of kgate forks for each of them.

What runs in the fork is twistd as from a shell, with its own folder, output, arguments and group of descriptors; only how its modules came into memory
differs. Tests of how a process starts, of its memory and of its command line have one started as from a shell (``LiveGate.preloaded``), as the end-to-end
suite does.

A fork is the child of a process that waits for it and writes its status to a pipe, for whoever asks is not its parent.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO

MOST = 65536
"""Bytes of a request: the arguments and the environment."""
ENVIRONMENT = dict(os.environ)
"""As it was before any test."""


def fits(environment: Mapping[str, str]) -> bool:
    """Whether a fork is what Python would be in this environment: what it looks at before it imports anything is as it was."""
    return all(
        environment.get(name) == ENVIRONMENT.get(name) for name in {*environment, *ENVIRONMENT} if name.startswith(("PYTHON", "LD_"))
    )


class Forked:
    """A process of another one's, as much of ``subprocess.Popen`` as tests ask for."""

    def __init__(self, args: Sequence[str], pid: int, told: int) -> None:
        self.args, self.pid, self._told = list(args), pid, told
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its status, None while it runs."""
        return self._within(0)

    def wait(self, timeout: float | None = None) -> int:
        """Its status. Raises subprocess.TimeoutExpired."""
        status = self._within(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return status

    def _within(self, seconds: float | None) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], seconds)[0]:
            self.returncode = os.waitstatus_to_exitcode(int(os.read(self._told, 16)))
            os.close(self._told)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Nothing where it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


def forked(argv: Sequence[str], folder: Path, output: IO[bytes]) -> Forked:
    """Runs a command line of twistd's in ``folder``."""
    preloaded = _preloaded()
    told, tells = os.pipe()
    try:
        request = json.dumps({"argv": list(argv), "folder": str(folder), "environment": dict(os.environ)}).encode()
        assert len(request) < MOST
        socket.send_fds(preloaded, [request], [output.fileno(), tells])
        return Forked(argv, int(preloaded.recv(16)), told)
    finally:
        os.close(tells)


@cache
def _preloaded() -> socket.socket:
    """To the process that forks, which ends when this one does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, __file__, str(theirs.fileno())]
        process = subprocess.Popen(command, env=ENVIRONMENT, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)

    def end() -> None:
        ours.close()
        process.wait(10)

    atexit.register(end)
    return ours


def _serve(asked: socket.socket) -> None:
    """Until nobody can ask any more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # of those who wait for the forks nobody waits in turn
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests, which end what they started
    while True:
        request, descriptors, _, _ = socket.recv_fds(asked, MOST, 2)
        if not request:
            return
        if os.fork() == 0:
            _mind(json.loads(request), asked, *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _mind(request: dict[str, object], asked: socket.socket, output: int, tells: int) -> None:
    """Forks, and says what came of it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        os.close(tells)
        asked.close()
        _become(request, output)
    asked.send(b"%d" % pid)
    asked.close()
    os.close(output)
    os.write(tells, b"%d" % os.waitpid(pid, 0)[1])
    os._exit(0)


def _become(request: dict[str, object], output: int) -> None:
    """This process is from now on what the request says."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for standard in (1, 2):
        os.dup2(output, standard)
    os.close(output)
    os.environ.clear()
    os.environ.update(request["environment"])  # type: ignore[arg-type]
    os.chdir(str(request["folder"]))
    sys.argv = list(request["argv"])  # type: ignore[call-overload]
    from twisted.scripts.twistd import run

    run()
    sys.exit()


if __name__ == "__main__":
    for name in ("twisted.scripts.twistd", "kgate.service.running", "kgate.store.migrate"):
        import_module(name)

    sys.path.remove(str(Path(__file__).parent))  # a gate does not see the tests' modules
    gc.freeze()
    _serve(socket.socket(fileno=int(sys.argv[1])))
