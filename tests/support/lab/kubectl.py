"""kubectl as a person runs it: a program with a kubeconfig, arguments, standard streams and an exit code, and always with a time limit."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import evolve, field, frozen
from lab.waiting import TookTooLong, eventually

WEBSOCKET = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "true", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "true"}
SPDY = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"}
TRANSPORTS = {"websocket": WEBSOCKET, "spdy": SPDY}


@frozen
class Ran:
    """How a command ended."""

    code: int
    out: bytes = field(repr=False)
    err: bytes = field(repr=False)
    line: str = ""

    @property
    def text(self) -> str:
        """Both streams, for a person."""
        return self.out.decode(errors="replace") + self.err.decode(errors="replace")

    def must(self, code: int = 0) -> Ran:
        """Itself, where the exit code is the expected one."""
        assert self.code == code, f"exit code {self.code} in place of {code}: {self.line}\n{self.text[-2000:]}"
        return self


class Live:
    """A command that runs on. Its streams are files, so that nothing waits for a reader; ``ended`` is the monotonic instant of its exit."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str], directory: Path, stdin: int) -> None:
        self.line = " ".join(argv)
        self.ended: float | None = None
        self._out = directory / f"{time.monotonic_ns()}.out"
        self._err = self._out.with_suffix(".err")
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(argv, env=dict(environment), stdin=stdin, stdout=out, stderr=err, start_new_session=True)
        self._watch = threading.Thread(target=self._wait, daemon=True)
        self._watch.start()

    def _wait(self) -> None:
        self.process.wait()
        self.ended = time.monotonic()

    @property
    def out(self) -> bytes:
        """What it has written to standard output by now."""
        return self._out.read_bytes()

    @property
    def err(self) -> bytes:
        """What it has written to standard error by now."""
        return self._err.read_bytes()

    def write(self, data: bytes) -> None:
        """Sends bytes to its standard input, which must be a pipe."""
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def close_stdin(self) -> None:
        """Ends its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def until(self, needle: bytes, seconds: float = 60.0) -> bytes:
        """Waits until standard output has ``needle``; what it has written by then."""
        try:
            eventually(f"{needle!r} in the output of {self.line}", lambda: needle in self.out, seconds)
        except TookTooLong as slow:
            raise TookTooLong(f"{slow}\nout: {self.out[-500:]!r}\nerr: {self.err[-1500:]!r}") from None
        return self.out

    def wait(self, seconds: float = 60.0) -> Ran:
        """Waits for its own end."""
        try:
            eventually(f"the end of {self.line}", lambda: self.ended is not None, seconds)
        except TookTooLong as slow:
            raise TookTooLong(f"{slow}\nout: {self.out[-500:]!r}\nerr: {self.err[-1500:]!r}") from None
        return Ran(self.process.returncode, self.out, self.err, self.line)

    def end(self, how: signal.Signals = signal.SIGTERM) -> Ran:
        """Ends it if it still runs, and closes what it held."""
        if self.process.stdin and not self.process.stdin.closed:
            try:
                self.process.stdin.close()
            except BrokenPipeError:
                pass
        if self.ended is None:
            self.process.send_signal(how)
            try:
                eventually(self.line, lambda: self.ended is not None, 20)
            except TookTooLong:
                self.process.kill()
        self._watch.join(5)
        return Ran(self.process.returncode, self.out, self.err, self.line)


@frozen
class Kubectl:
    """One kubectl binary with one kubeconfig. Its home is its own, so that no discovery cache of another way to the cluster answers for this one."""

    binary: Path
    kubeconfig: Path
    home: Path
    name: str = "kubectl"
    more: Mapping[str, str] = field(factory=dict)

    def over(self, transport: str) -> Kubectl:
        """The same, with exec, attach, cp and port-forward held to ``websocket`` or ``spdy``."""
        return evolve(self, more={**self.more, **TRANSPORTS[transport]})

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment: nothing of the caller's but PATH."""
        self.home.mkdir(parents=True, exist_ok=True)
        base = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "KUBECONFIG": str(self.kubeconfig),
            "TERM": "xterm",
            "LC_ALL": "C.UTF-8",
        }
        return {**base, **self.more}

    def argv(self, *arguments: str) -> list[str]:
        """The command line."""
        return [str(self.binary), *arguments]

    def run(self, *arguments: str, stdin: bytes | None = None, timeout: float = 60.0) -> Ran:
        """Runs to the end. Without ``stdin`` it reads /dev/null; after ``timeout`` it is killed and the test fails."""
        line = f"[{self.name}] kubectl {' '.join(arguments)}"[:300]
        source = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        try:
            done = subprocess.run(self.argv(*arguments), env=self.environment, capture_output=True, timeout=timeout, check=False, **source)  # type: ignore[call-overload]
        except subprocess.TimeoutExpired as slow:
            raise TookTooLong(
                f"{line}: not within {timeout:g} s\n{(slow.stdout or b'')[-500:]!r}\n{(slow.stderr or b'')[-1500:]!r}"
            ) from None
        return Ran(done.returncode, done.stdout, done.stderr, line)

    @contextmanager
    def live(self, *arguments: str, stdin: bool = False) -> Iterator[Live]:
        """Starts a command that runs on; it is ended with the block."""
        with tempfile.TemporaryDirectory(prefix="kgate-e2e-") as directory:
            started = Live(self.argv(*arguments), self.environment, Path(directory), subprocess.PIPE if stdin else subprocess.DEVNULL)
            try:
                yield started
            finally:
                started.end()


def binaries(admin: Path) -> dict[str, Path]:
    """The kubectls there are: the system's, and the newer one that the cluster's package brings, two folders above the cluster's kubeconfigs."""
    system = shutil.which("kubectl")
    home = Path(os.environ.get("REALCLUSTER_HOME", admin.resolve().parents[2] if len(admin.resolve().parents) > 2 else "/"))
    newer = home / "bin" / "kubectl"
    found = {"system": Path(system) if system else None, "newer": newer if newer.exists() else None}
    distinct = {name: path for name, path in found.items() if path}
    if len(distinct) == 2 and distinct["system"].resolve().parent == newer.resolve().parent:
        del distinct["newer"]
    return distinct


def one_of_them(admin: Path) -> str:
    """The name of the newest, where what is shown is the gate's doing, and of which kubectl is in test_kubectl_cuts.py."""
    names = list(binaries(admin))
    if not names:
        pytest.skip("no kubectl on PATH and none beside the cluster")
    return names[-1]
