"""Several processes of one gate: a supervisor that carries no request, and workers that accept on the same ports (SO_REUSEPORT).

    twistd -n kgate ── supervisor ── reserves the ports, has the admin address
                        ├─ worker 1   its own reactor, audit chain, live streams
                        └─ worker 2   …

The kernel deals new connections out to the workers that listen. What they must agree on they have in the store, as gates on different machines do.

A worker that ends unasked is started again: at once where it had lived for a while, else after a pause that doubles. SIGHUP goes to all; a changed file
each notices by itself; SIGTERM drains all. A worker's standard input is a pipe from here: when the supervisor is gone, however it went, the pipe
ends and the worker drains too, so none is left that nobody restarts or stops.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from enum import Enum
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from kgate.api.workers import gathered_site
from kgate.errors import KgateError
from kgate.net.beside import Beside
from kgate.net.listener import reserve
from kgate.net.turn import Turn
from kgate.service.logs import beside
from kgate.service.options import ALIKE, Options
from kgate.service.place import Place
from kgate.service.records import close_others
from kgate.service.reloading import fingerprint
from kgate.service.signals import heed_once
from kgate.service.starting import or_not_at_all
from kgate.settings import load_settings
from kgate.store.engine import open_engine
from kgate.store.migrate import migrate

log = Logger()

SETTLED_SECONDS = 10.0
"""A worker that lived so long did start well: the next one comes at once."""
LONGEST_PAUSE = 30.0
KILL_SECONDS = 10.0
"""After the drain, a worker that still runs is killed."""
READ_SECONDS = 2.0
"""For the configuration when the end begins: whoever supervises waits for it himself, and carries nothing meanwhile."""
LONGEST_SOCKET = 100
"""Bytes of a socket's path; the kernel takes 107, others fewer."""
_TWISTD = "from twisted.scripts.twistd import run; run()"


class _State(Enum):
    RUNNING = "running"
    PAUSING = "waits to be started again"
    ENDED = "ended"


@define(eq=False)
class _Worker(ProcessProtocol):
    """One worker, through all its processes."""

    number: int
    supervisor: Supervisor
    state: _State = _State.ENDED
    process: Any = None
    admin: Path = field(factory=Path)
    """Where it is asked for its pages."""
    started: float = 0.0
    pause: float = 0.0
    restarts: int = 0

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """What it says before it logs, or instead: in the background nobody else would read it."""
        for line in data.decode("utf-8", "replace").splitlines():
            log.error("worker {number}: {line}", number=self.number, line=line)

    def processExited(self, reason: Failure) -> None:
        """It is gone. Whoever it left behind may have its pipes for as long as they like."""
        end: Any = reason.value
        killed, status = end.signal, end.exitCode
        self.supervisor.ended(self, f"was ended by signal {killed}" if killed else f"ended with status {status}")

    def signal(self, name: str) -> None:
        """Send a signal, if it runs."""
        if self.state is _State.RUNNING:
            self.process.signalProcess(name)


def folder_of_sockets(workers: int) -> Path:
    """A new one of this process. Raises KgateError where there can be none."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="kgate-"))
    except OSError as error:
        raise KgateError(f"the workers' sockets need a folder: {error.strerror}; mount one at /tmp, or name one with TMPDIR") from error
    if len(os.fsencode(folder / f"worker-{workers}")) > LONGEST_SOCKET:
        folder.rmdir()
        raise KgateError(f"the workers' sockets cannot be in {folder}: its name is too long; name a shorter folder with TMPDIR")
    return folder


class SocketFolder:
    """Where the workers' sockets are. Who clears temporary folders leaves alone what is locked (tmpfiles.d(5)); where somebody takes it away all the same,
    workers to come have another one."""

    def __init__(self, workers: int) -> None:
        self._workers, self._lock = workers, -1
        self._path = Path()

    def path(self) -> Path:
        """It is there, and it is ours: below /tmp anybody may make one of the same name. Raises KgateError where there can be none."""
        if self._lock < 0 or not self._is_there():
            self._path = folder_of_sockets(self._workers)
            self._unlock()
            self._lock = os.open(self._path, os.O_DIRECTORY)
            fcntl.flock(self._lock, fcntl.LOCK_SH)
        return self._path

    def remove(self) -> None:
        """Nobody is asked any more."""
        shutil.rmtree(self._path, ignore_errors=True)
        self._unlock()

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(self._lock))
        except OSError:
            return False

    def _unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


class Supervisor(Service):
    """See the module."""

    def __init__(self, options: Options, reactor: Any) -> None:
        self._path, self._reactor, self._settings, self._twistd = options.path, reactor, options.configuration.settings, options.twistd
        self._log_options = beside(options.twistd)
        self._engine = open_engine(self._settings.state)
        self._reserved: list[socket.socket] = []
        self._admin_socket: socket.socket | None = None
        self._admin: Any = None
        self._sockets = SocketFolder(self._settings.workers)
        self._workers = [_Worker(number, self) for number in range(1, self._settings.workers + 1)]
        self._stopping: Deferred[None] | None = None

    def privilegedStartService(self) -> None:
        """Take the admin address, while the process may have any."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        with or_not_at_all(self._twistd):
            self._admin_socket = Place().bind_admin(self._settings)

    def startService(self) -> None:
        """Reserve the ports, as the account that the workers bind them by; bring the store up to date, once for all of them; start them."""
        with or_not_at_all(self._twistd):
            self._reserved = [reserve(listen.address.host, listen.address.port) for listen in self._settings.listen]
            migrate(self._engine)
            self._engine.dispose()
            close_others(self._settings, time.time)
            self._sockets.path()
        super().startService()  # type: ignore[no-untyped-call]
        for worker in self._workers:
            self._start(worker)
        if self._admin_socket is not None:
            site = gathered_site(self._reactor, self._pages, self._restarts)
            self._admin = self._reactor.adoptStreamPort(self._admin_socket.fileno(), self._admin_socket.family, site)
            self._admin_socket.close()
        self._reactor.callWhenRunning(heed_once, self._reactor)
        signal.signal(signal.SIGHUP, lambda _number, _frame: self._reactor.callFromThread(self._signal_all, "HUP"))

    def stopService(self) -> Deferred[None]:
        """Have all of them drain; kill what does not end after that."""
        super().stopService()  # type: ignore[no-untyped-call]
        done: Deferred[None] = Deferred()
        self._stopping = done
        self._signal_all("TERM")
        seconds = self._drain() + KILL_SECONDS
        late = self._reactor.callLater(seconds, self._kill_all, seconds)
        done.addCallback(lambda _: late.cancel() if late.active() else None)
        self._look_whether_all_ended()
        return done

    def _drain(self) -> float:
        """How long the workers may take: a reload may have given them longer. A file with mistakes, or one that hangs, is not what they go by."""
        try:
            settings = Beside(self._reactor, Turn(), "drain").wait(lambda: load_settings(self._path), READ_SECONDS)
        except (KgateError, TimeoutError):
            return self._settings.drain
        return max(self._settings.drain, settings.drain)

    def ended(self, worker: _Worker, how: str) -> None:
        """``worker``'s process is gone."""
        worker.state, worker.process = _State.ENDED, None
        if self._stopping is not None:
            self._look_whether_all_ended()
            return
        worker.restarts += 1
        served = worker.admin.exists()
        self._start_later(worker, f"{how}; its live streams are lost" if served else how, served=served)

    def _start_later(self, worker: _Worker, what: str, *, served: bool = False) -> None:
        """One that never served pauses however long it lived: where a start takes that long, the machine is busy enough."""
        settled = served and time.monotonic() - worker.started > SETTLED_SECONDS
        worker.pause = 0.0 if settled else min(LONGEST_PAUSE, max(0.5, 2 * worker.pause))
        worker.state = _State.PAUSING
        log.error("worker {number} {what}; it is started again in {pause:.1f} s", number=worker.number, what=what, pause=worker.pause)
        self._reactor.callLater(worker.pause, self._start, worker)

    def _start(self, worker: _Worker) -> None:
        if self._stopping is not None:
            return
        worker.started = time.monotonic()
        try:
            worker.process = self._spawn(worker)
        except (OSError, KgateError) as error:  # no descriptor, process or memory is left: perhaps there is in a while
            self._start_later(worker, f"cannot be started: {error.strerror if isinstance(error, OSError) else error}")
            return
        worker.state = _State.RUNNING
        log.info("worker {number} is process {pid}", number=worker.number, pid=worker.process.pid)

    def _spawn(self, worker: _Worker) -> Any:
        admin = worker.admin = self._sockets.path() / f"worker-{worker.number}"
        admin.unlink(missing_ok=True)
        reactor = self._twistd.get("reactor")
        twistd = ["-n", "--pidfile=", *([f"--reactor={reactor}"] if reactor else []), *self._log_options(worker.number)]
        kgate = ["kgate", "--config", str(self._path), "--worker", str(worker.number), "--admin-socket", str(admin)]
        command = [sys.executable, "-c", _TWISTD, *twistd, *kgate]
        environment = {**os.environ, ALIKE: fingerprint(self._settings)}
        signal.pthread_sigmask(
            signal.SIG_BLOCK, {signal.SIGHUP}
        )  # inherited: it would end the new process, until that says what it does then
        try:
            return self._reactor.spawnProcess(worker, sys.executable, command, env=environment, childFDs={0: "w", 1: 1, 2: "r"})
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})

    def _kill_all(self, seconds: float) -> None:
        text = "worker {number} did not end within {seconds:g} s: it is killed; what was open is closed at the next start"
        for worker in self._workers:
            if worker.state is _State.RUNNING:
                log.error(text, number=worker.number, seconds=seconds)
                worker.signal("KILL")

    def _signal_all(self, name: str) -> None:
        for worker in self._workers:
            worker.signal(name)

    def _look_whether_all_ended(self) -> None:
        stopping = self._stopping
        if stopping is None or stopping.called or any(worker.state is _State.RUNNING for worker in self._workers):
            return
        for sock in self._reserved:
            sock.close()
        if self._admin is not None:
            self._admin.stopListening()
        self._sockets.remove()
        stopping.callback(None)

    def _pages(self) -> dict[int, Path]:
        return {worker.number: worker.admin for worker in self._workers}

    def _restarts(self) -> dict[int, int]:
        return {worker.number: worker.restarts for worker in self._workers}
