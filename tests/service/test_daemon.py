"""twistd puts the gate into the background, and makes another account of it, as it does with any other program of its kind."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from arena import Arena
from authority import Authority
from lab.waiting import eventually
from live_gate import ALLOW_ALICE, LiveGate
from ports import free_port
from running import PODS, Make, children, gone, of, watching
from running import chain as verified
from twisted.logger import jsonFileLogObserver

from kgate.audit.chain import Verified
from kgate.service.logs import at_the_terminal, beside
from kgate.service.options import unsuitable

PIDS = "gate.pid"
LOG = "gate.log"


def twistd(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run it until it says that the gate is started, or is not."""
    command = [str(Path(sys.executable).with_name("twistd")), f"--pidfile={PIDS}", *options, "kgate", "--config", "kgate.yaml"]
    return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)


def pid_of(folder: Path) -> int:
    return int((folder / PIDS).read_text())


def ended(folder: Path) -> None:
    """What is left of it in the background ends."""
    with suppress(FileNotFoundError, ProcessLookupError):
        pid = pid_of(folder)  # it takes that file away before it is through
        os.kill(pid, signal.SIGTERM)
        eventually("it ends", gone(pid))


@pytest.fixture
def daemon(make: Make) -> Iterator[Callable[[int], Arena]]:
    """A gate of so many workers in the background; twistd is through."""
    made = list[Arena]()

    def started(workers: int) -> Arena:
        made.append(make(workers=workers, drain="1s"))
        gate = made[-1].gate
        done = twistd(gate.folder, f"--logfile={LOG}")
        assert (done.returncode, done.stdout) == (0, ""), done.stdout
        eventually("it is ready", lambda: gate.admin("/readyz") == (200, "ok\n"))
        return made[-1]

    yield started
    for arena in made:
        ended(arena.gate.folder)


@pytest.mark.parametrize("workers", [1, 2])
def test_in_the_background_it_is_the_same_gate(daemon: Callable[[int], Arena], workers: int) -> None:
    arena = daemon(workers)
    gate = arena.gate
    folder, pid = gate.folder, pid_of(gate.folder)
    assert os.getsid(pid) != os.getsid(0), "it has no terminal"
    assert {arena.get(PODS) for _ in range(8)} == {200}
    assert len(of(arena, "request")) == 8
    eventually("each start is on record", lambda: len(of(arena, "start")) == workers)

    gate.write_policy({"rules": []})
    eventually("a changed policy counts", lambda: {arena.get(PODS) for _ in range(8)} == {403})
    before = len(of(arena, "config"))
    os.kill(pid, signal.SIGHUP)
    eventually("SIGHUP is a reload", lambda: len(of(arena, "config")) >= before + workers)

    gate.write_policy(ALLOW_ALICE)
    eventually("and back", lambda: {arena.get(PODS) for _ in range(8)} == {200})
    with watching(arena) as live:
        os.kill(pid, signal.SIGTERM)
        assert b"kgate: the gate is shutting down" in live.rest()
    eventually("it ends", gone(pid))
    assert not (folder / PIDS).exists()
    logs = [folder / LOG] if workers == 1 else [folder / "gate-worker-1.log", folder / "gate-worker-2.log"]
    for log in logs:
        assert "kgate serves" in log.read_text() and "audit head " in log.read_text()
    assert not [log for log in folder.glob("gate*.log") if "Traceback" in log.read_text()]
    for chain in {path.parent for path in (folder / "audit").rglob("*.jsonl")}:
        assert isinstance(verified(chain), Verified)


VALUES = """
import os, threading
from kgate.service import Options, makeService
options = Options()
options.parseOptions(["--config", "kgate.yaml"])
from twisted.internet import reactor
before = os.listdir("/proc/self/fd"), os.listdir(".")
service = makeService(options)
assert threading.active_count() == 1, threading.enumerate()
assert (os.listdir("/proc/self/fd"), os.listdir(".")) == before
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_is_begun_before_twistd_forks(make: Make, workers: int) -> None:
    """A thread does not come along, a lock and an open database are not to be shared."""
    gate = make(workers=workers).gate
    subprocess.run([sys.executable, "-c", VALUES], cwd=gate.folder, check=True, timeout=60)


def test_mistakes_are_said_before_it_goes_into_the_background(make: Make) -> None:
    gate = make().gate
    gate.write("kgate.yaml", {**gate.config, "polcy": "x"})
    done = twistd(gate.folder)
    assert done.returncode == 1
    assert 'unknown key "polcy"' in done.stdout and done.stdout.endswith("kgate: nothing was started; mend this and start again\n")
    assert not (gate.folder / PIDS).exists() and not (gate.folder / "audit").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_in_the_way_after_that_is_in_its_log_and_twistd_says_how_it_begins(make: Make, workers: int) -> None:
    gate = make(workers=workers).gate
    with socket.create_server(("127.0.0.1", gate.admin_port)):
        done = twistd(gate.folder)
    assert done.returncode == 1 and f"cannot listen on 127.0.0.1:{gate.admin_port}: Address" in done.stdout
    assert "Traceback" not in done.stdout
    said = (gate.folder / "twistd.log").read_text()
    assert (
        "another program has it: stop that one, or choose another port under admin; nothing was started" in said and "Traceback" not in said
    )
    # twistd tells its parent first and takes its pid file away after
    eventually("the child is through", lambda: not (gate.folder / PIDS).exists())
    assert not (gate.folder / "audit").exists()


def test_why_a_worker_in_the_background_does_not_start_is_in_the_log(make: Make) -> None:
    gate = make(workers=2).gate
    assert twistd(gate.folder, f"--logfile={LOG}").returncode == 0
    try:
        gate.write("kgate.yaml", {**gate.config, "audit": {"directory": "elsewhere"}})
        os.kill(eventually("a worker runs", lambda: children(pid_of(gate.folder)))[0], signal.SIGKILL)
        words = "is not what the other workers run by"
        eventually("it is said", lambda: words in (gate.folder / LOG).read_text())
    finally:
        ended(gate.folder)


def test_only_root_can_make_another_account_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """twistd itself finds out when it is in the background: whoever started it waited for ever."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert unsuitable({"uid": os.getuid(), "gid": None}) is None
    words = "only root can use twistd's --uid and --gid: start it as root, or as the account that it is to be (systemd: User=)"
    assert unsuitable({"uid": os.getuid() + 1, "gid": os.getgid() + 1}) == words


@pytest.fixture
def lent() -> Iterator[Path]:
    """A folder of another account, which that can reach."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def others_may_run_this() -> bool:
    """Whether another account can read this Python: one in somebody's home it cannot."""
    folders = {each for path in (sys.base_prefix, sys.prefix, __file__) for each in Path(path).resolve().parents}
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in folders)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("workers", [1, 2])
def test_as_another_account_it_makes_its_files_as_that(lent: Path, workers: int) -> None:
    nobody = pwd.getpwnam("nobody")
    account = ["--uid=nobody"] if others_may_run_this() else [f"--gid={nobody.pw_gid}"]
    owner = (nobody.pw_uid if others_may_run_this() else 0, nobody.pw_gid)
    away = {"server": f"https://127.0.0.1:{free_port()}", "certificate_authority": "people-ca.crt", "token_file": "cluster-token"}
    gate = LiveGate(lent, Authority(), {"away": away}, settings={"workers": workers})
    (lent / "cluster-token").write_text("token")
    for path in (lent, *lent.iterdir()):
        os.chown(path, *owner)
    done = twistd(lent, *account, f"--logfile={LOG}")
    try:
        assert done.returncode == 0, done.stdout
        pid = pid_of(lent)
        processes = [pid, *children(pid)]
        assert {account_of(each) for each in processes} == {owner}
        assert len(processes) == (1 if workers == 1 else 3)
        eventually("all of them serve", lambda: len([each for each in gate.records() if each["event"] == "start"]) == workers)
        assert {owner_of(path) for path in [lent / "audit", *(lent / "audit").rglob("*"), *lent.glob("state.db*")]} == {owner}
        gate.write_policy({"rules": []})
        eventually(
            "they reload", lambda: len([each for each in gate.records() if each["event"] == "config" and each["allowed"]]) >= workers
        )
    finally:
        ended(lent)


def owner_of(path: Path) -> tuple[int, int]:
    return path.stat().st_uid, path.stat().st_gid


def account_of(pid: int) -> tuple[int, int]:
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(lines["Uid"].split()[1]), int(lines["Gid"].split()[1])


@pytest.mark.parametrize(
    ("twistd", "worker", "terminal"),
    [
        ({"nodaemon": True}, [], True),
        ({"nodaemon": True, "logfile": "-"}, [], True),
        ({"nodaemon": True, "logfile": "/var/log/kgate.log"}, ["--logfile=/var/log/kgate-worker-3.log"], False),
        ({"nodaemon": False, "logfile": "/var/log/kgate"}, ["--logfile=/var/log/kgate-worker-3"], False),
        ({"nodaemon": False}, [f"--logfile={Path.cwd()}/twistd-worker-3.log"], False),
        ({"nodaemon": True, "syslog": True, "prefix": "gate"}, ["--syslog", "--prefix=gate-worker-3"], False),
        ({"nodaemon": True, "logger": jsonFileLogObserver}, ["--logger=twisted.logger._json.jsonFileLogObserver"], False),
    ],
)
def test_a_worker_logs_as_its_supervisor_does_to_a_place_of_its_own(twistd: dict[str, object], worker: list[str], terminal: bool) -> None:
    assert (beside(twistd)(3), at_the_terminal(twistd)) == (worker, terminal)
