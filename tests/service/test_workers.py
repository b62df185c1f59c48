"""A gate of several processes: one that dies is started again, a change reaches all, a stop drains all, and each keeps a chain of its own."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import http.client
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from authority import Authority
from lab.waiting import eventually
from live_gate import ALLOW_ALICE, TOKENS, LiveGate
from ports import free_port
from prometheus_client.parser import text_string_to_metric_families
from running import Make, both_up, children, goes_on, gone, of, watching
from running import chain as verified

from kgate.audit.chain import Verified, verify
from kgate.errors import KgateError
from kgate.service.workers import KILL_SECONDS, SETTLED_SECONDS, Supervisor, folder_of_sockets

NOBODY = {"name": "nobody", "who": {"groups": ["*"]}, "clusters": {"names": ["*"]}, "deny": [{"verbs": ["*"], "resources": ["*"]}]}


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGate]:
    authority, folder = Authority(), tmp_path_factory.mktemp("workers")
    (folder / "cluster-token").write_text("token")
    (folder / "cluster-token").chmod(0o600)
    away = {"server": f"https://127.0.0.1:{free_port()}", "certificate_authority": "people-ca.crt", "token_file": "cluster-token"}
    gate = LiveGate(folder, authority, {"away": away}, settings={"workers": 2, "drain": "1s"})
    gate.start()
    both_up(gate)
    yield gate
    gate.stop()


def workers(gate: LiveGate) -> dict[int, int]:
    """The process of each worker, by its number."""
    assert gate.process is not None
    lines = dict[int, list[bytes]]()
    for child in children(gate.process.pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # buried meanwhile
            lines[child] = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
    return {int(words[words.index(b"--worker") + 1]): pid for pid, words in lines.items() if b"--worker" in words}


def ask(gate: LiveGate, person: str = "alice") -> int:
    """One request on a connection of its own; its status, 0 where the connection came to nothing."""
    connection = http.client.HTTPSConnection("127.0.0.1", gate.port, timeout=10, context=gate.context())
    with warnings.catch_warnings(), contextlib.closing(connection):
        # A connection that the kernel dealt to a worker that is killed is reset before Python's ssl took it over, which then leaves it to the collector.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            connection.request("GET", "/clusters/away/api/v1/pods", headers={"Authorization": f"Bearer {TOKENS[person]}"})
            return connection.getresponse().status
        except OSError:
            return 0


def chain(gate: LiveGate, worker: int) -> list[bytes]:
    """Its records. A line that is being written is not one yet."""
    files = sorted((gate.folder / "audit" / f"worker-{worker}").glob("*.jsonl"))
    return [line for file in files for line in file.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def test_the_kernel_deals_connections_out_and_each_worker_keeps_its_own_chain(gate: LiveGate) -> None:
    assert {ask(gate) for _ in range(40)} == {503}  # decided, recorded, and then the cluster is not there
    for worker in (1, 2):
        eventually(f"worker {worker} had some", lambda worker=worker: b'"event":"request"' in b"".join(chain(gate, worker)))
        assert isinstance(verify(chain(gate, worker)), Verified)
        assert b'/%d","event"' % worker in chain(gate, worker)[0]


def test_the_admin_address_has_the_figures_of_each(gate: LiveGate) -> None:
    both_up(gate)
    page = gate.admin("/metrics")[1]
    samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    asked = {sample.labels["worker"]: sample.value for sample in samples if sample.name == "kgate_requests_total"}
    assert set(asked) == {"1", "2"} and sum(asked.values()) >= 40
    assert {sample.labels["worker"] for sample in samples if sample.name == "kgate_client_connections"} == {"1", "2"}


def test_a_probe_leaves_nothing_in_the_log(gate: LiveGate) -> None:
    before = len(gate.log.read_text())
    for page in ("/healthz", "/readyz", "/metrics"):
        assert gate.admin(page)[0] != 0
    assert gate.log.read_text()[before:] == ""


def test_a_worker_that_hangs_is_named_and_holds_up_nobody(gate: LiveGate) -> None:
    hung = workers(gate)[2]
    os.kill(hung, signal.SIGSTOP)
    try:
        assert "worker 2: does not answer\n" in gate.admin("/readyz")[1]
    finally:
        os.kill(hung, signal.SIGCONT)
    both_up(gate)


def test_a_changed_policy_reaches_both_and_so_does_sighup(gate: LiveGate) -> None:
    gate.write_policy({"rules": [NOBODY, *ALLOW_ALICE["rules"]]})
    eventually("both deny", lambda: {ask(gate) for _ in range(12)} == {403})
    gate.write_policy(ALLOW_ALICE)
    gate.reload()
    eventually("both allow", lambda: {ask(gate) for _ in range(12)} == {503})


def test_a_worker_that_is_killed_is_started_again_and_goes_on_with_its_chain(gate: LiveGate) -> None:
    before, lines = workers(gate), len(chain(gate, 1))
    os.kill(before[1], signal.SIGKILL)
    eventually("killed", gone(before[1]))
    eventually("the other one takes what comes meanwhile", lambda: {ask(gate) for _ in range(8)} == {503})
    eventually("started again", lambda: workers(gate).get(1) not in (None, before[1]))
    both_up(gate)
    assert workers(gate)[2] == before[2], "the other one was left alone"
    assert "worker 1 was ended by signal 9; its live streams are lost; it is started again in " in gate.log.read_text()
    eventually("its own start is on record", lambda: len(chain(gate, 1)) > lines)
    assert isinstance(verify(chain(gate, 1)), Verified)
    assert re.search(r'kgate_worker_restarts_total\{worker="1"\} [1-9]', gate.admin("/metrics")[1])


def test_a_worker_that_left_somebody_behind_who_holds_its_pipes_is_started_again_too(gate: LiveGate) -> None:
    """A program of a plugin's, say, that goes on in the background."""
    before = workers(gate)[2]
    with open(f"/proc/{before}/fd/2", "wb"):
        os.kill(before, signal.SIGKILL)
        eventually("started again", lambda: workers(gate).get(2) not in (None, before))
    both_up(gate)


def test_sighup_while_a_worker_starts_again_does_not_end_it(gate: LiveGate) -> None:
    before = workers(gate)[1]
    os.kill(before, signal.SIGKILL)
    started = eventually("started again", lambda: [pid for pid in (workers(gate).get(1),) if pid not in (None, before)])
    gate.reload()
    both_up(gate)
    assert workers(gate)[1] == started[0]


def test_a_worker_that_cannot_be_started_is_tried_again(gate: LiveGate) -> None:
    assert gate.process is not None
    before = workers(gate)[1]
    limits = resource.prlimit(gate.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(gate.process.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        os.kill(before, signal.SIGKILL)
        eventually("it is said", lambda: "worker 1 cannot be started: Too many open files" in gate.log.read_text())
    finally:
        resource.prlimit(gate.process.pid, resource.RLIMIT_NOFILE, limits)
    eventually("started again", lambda: workers(gate).get(1) not in (None, before))
    both_up(gate)


def test_a_worker_that_starts_again_takes_up_nothing_that_the_others_do_not(gate: LiveGate) -> None:
    before = workers(gate)
    gate.write("kgate.yaml", {**gate.config, "audit": {"directory": "elsewhere"}})
    eventually("the others refuse it", lambda: "audit changed, which a reload cannot carry out" in gate.admin("/readyz")[1])
    os.kill(before[1], signal.SIGKILL)
    eventually("so does the new one", lambda: "is not what the other workers run by" in gate.log.read_text())
    assert not (gate.folder / "elsewhere" / "worker-1").exists()
    assert {ask(gate) for _ in range(8)} == {503}, "the other one serves"
    gate.write("kgate.yaml", gate.config)
    both_up(gate)
    assert workers(gate)[2] == before[2]


def folder_of(pid: int) -> Path:
    """Where this worker's socket is."""
    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return Path(words[words.index("--admin-socket") + 1]).parent


def test_nobody_who_clears_temporary_folders_away_takes_that_of_the_sockets(gate: LiveGate) -> None:
    """systemd-tmpfiles leaves alone what somebody has locked (tmpfiles.d(5)); it looks at /tmp every day."""
    descriptor = os.open(folder_of(workers(gate)[1]), os.O_DIRECTORY)
    try:
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)


def test_where_somebody_did_a_worker_that_starts_again_is_asked_again_and_sighup_reaches_all(gate: LiveGate) -> None:
    gate.stop()
    gate.start()  # whose workers have not died as often yet: the pause before the next start doubles
    both_up(gate)
    before = workers(gate)
    shutil.rmtree(folder_of(before[1]))
    os.kill(before[1], signal.SIGKILL)
    eventually(
        "it answers", lambda: "worker 2: does not answer\n" in (page := gate.admin("/readyz")[1]) and "worker 1: does not" not in page
    )
    lines = [len(chain(gate, number)) for number in (1, 2)]
    gate.reload()
    eventually("on record by both", lambda: all(len(chain(gate, n)) > lines[n - 1] for n in (1, 2)))
    os.kill(before[2], signal.SIGKILL)
    eventually("started again", lambda: workers(gate).get(2) not in (None, before[2]))
    both_up(gate)


def test_whoever_asks_and_does_not_wait_leaves_nothing_in_the_log(gate: LiveGate) -> None:
    hung, said = workers(gate)[2], gate.log.stat().st_size
    os.kill(hung, signal.SIGSTOP)
    try:
        with socket.create_connection(("127.0.0.1", gate.admin_port)) as prober:
            prober.sendall(b"GET /readyz HTTP/1.1\r\nHost: gate\r\n\r\n")
        assert "worker 2: does not answer\n" in gate.admin("/readyz")[1]  # later than the other answer would have come
    finally:
        os.kill(hung, signal.SIGCONT)
    both_up(gate)
    assert b"Traceback" not in gate.log.read_bytes()[said:]


def test_sigterm_drains_all(gate: LiveGate) -> None:
    pids = workers(gate)
    gate.stop()
    for pid in pids.values():
        assert gone(pid)()
    assert "the supervisor is gone" not in gate.log.read_text() and "Traceback" not in gate.log.read_text()
    for worker in (1, 2):
        assert b'"event":"stop"' in chain(gate, worker)[-1]


def test_workers_end_when_their_supervisor_is_killed(gate: LiveGate) -> None:
    gate.start()
    both_up(gate)
    pids = workers(gate)
    assert gate.process is not None
    gate.process.kill()
    gate.process.wait(10)
    for pid in pids.values():
        eventually("a worker without a supervisor ends", gone(pid))
    gate.process = None


def admin_folder(pid: int) -> Path:
    """Where the supervisor of this worker asks it."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return Path(words[words.index(b"--admin-socket") + 1].decode()).parent


def test_a_gate_whose_supervisor_was_killed_is_started_again_and_serves_while_the_former_workers_still_drain(make: Make) -> None:
    arena = make(workers=2, drain="60s")
    gate = arena.gate
    both_up(gate.start())
    with watching(arena) as live, watching(arena) as other:
        former = workers(gate)
        folder = admin_folder(former[1])
        assert gate.process is not None
        gate.process.kill()
        gate.process.wait(10)
        both_up(gate.start())
        assert {arena.get(b"/api/v1/pods") for _ in range(10)} == {200}
        assert goes_on(live) and goes_on(other), "what was under way is left its drain"
        assert re.search(
            r"audit/worker-[12]: a process that drains still writes here; this one writes \S+/audit/worker-[34]", gate.log.read_text()
        )
    for pid in former.values():
        eventually("they end by themselves", gone(pid))
    assert not folder.exists()
    for _ in range(2):
        gate.stop()
        both_up(gate.start())
    assert not [record for record in gate.records() if record.get("outcome") == "unknown"]
    for chains in (gate.folder / "audit").glob("worker-*"):
        assert isinstance(verified(chains), Verified)


def test_a_worker_that_starts_when_its_supervisor_is_gone_ends_as_the_others_do(make: Make, tmp_path: Path) -> None:
    """They have taken the folder of their sockets along."""
    gate = make(workers=2).gate
    worker = [*gate._command, "--worker", "1", "--admin-socket", str(tmp_path / "gone" / "worker-1")]
    done = subprocess.run(worker, cwd=gate.folder, input=b"", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30, check=False)
    said = done.stdout.decode()
    assert "the supervisor is gone; this worker drains and ends" in said and "Traceback" not in said
    assert b'"event":"stop"' in chain(gate, 1)[-1]


def test_a_worker_takes_no_chain_beside_one_that_another_gate_writes(make: Make) -> None:
    gate = make(workers=2).gate
    lock = gate.folder / "audit" / "worker-1" / ".lock"
    lock.parent.mkdir(parents=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        gate.start()
        eventually("it is said", lambda: "worker 1 ended with status 1; it is started again in 0.5 s" in gate.log.read_text())
        assert "audit/worker-1: another gate writes here" in gate.log.read_text()
    both_up(gate)
    assert not (gate.folder / "audit" / "worker-3").exists()


@pytest.mark.parametrize("served", [True, False])
def test_one_that_never_served_is_not_taken_for_settled_where_its_start_took_long(tmp_path: Path, served: bool) -> None:
    """On a busy machine each was started again at once, which made it busier."""
    later = list[float]()
    supervisor: Any = Supervisor.__new__(Supervisor)
    supervisor._stopping, supervisor._reactor = None, SimpleNamespace(callLater=lambda seconds, *_: later.append(seconds))
    worker: Any = SimpleNamespace(
        number=1, admin=tmp_path / "socket", started=time.monotonic() - SETTLED_SECONDS - 1, pause=2.0, restarts=0
    )
    if served:
        worker.admin.touch()
    supervisor.ended(worker, "ended with status 1")
    assert later == [0.0 if served else 4.0]


def test_workers_have_the_reactor_that_twistd_was_asked_for(make: Make) -> None:
    gate = make(workers=2).gate
    gate.twistd_options = ("--reactor=epoll",)
    both_up(gate.start())
    assert re.findall(r"reactor class: (\S+)\.", gate.log.read_text()) == 3 * ["twisted.internet.epollreactor.EPollReactor"]


def test_a_drain_that_a_reload_made_longer_is_waited_for(make: Make) -> None:
    arena = make(workers=2, drain="1s")
    arena.gate.start()
    both_up(arena.gate)
    with watching(arena) as live:
        arena.gate.write("kgate.yaml", {**arena.gate.config, "drain": f"{KILL_SECONDS + 3:.0f}s"})
        eventually("both reloaded", lambda: len(of(arena, "config")) == 2)
        assert arena.gate.process is not None
        arena.gate.process.send_signal(signal.SIGTERM)
        live.tls.settimeout(2 * KILL_SECONDS)
        assert b'"type":"ERROR"' in live.rest()
    arena.gate.process.wait(10)
    assert [record["closed_by"] for record in of(arena, "stream-end")] == ["drain"]


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
def test_what_a_crash_left_open_is_closed_though_the_next_start_is_of_another_number_of_workers(
    make: Make, before: int, after: int
) -> None:
    gate = (arena := make(workers=before, drain="10s")).gate
    gate.start()
    both_up(gate)
    with watching(arena):
        assert gate.process is not None
        pids = workers(gate).values()
        gate.process.kill()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):  # one that has nothing to drain ends by itself
                os.kill(pid, signal.SIGKILL)
        gate.process.wait(10)
    (opened,) = of(arena, "stream-start")
    gate.write("kgate.yaml", {**gate.config, "workers": after})
    for _ in range(2):
        both_up(gate.start())
        gate.stop()
    assert [record["id"] for record in gate.records() if record.get("outcome") == "unknown"] == [opened["id"]]
    for folder in {path.parent for path in (gate.folder / "audit").rglob("*.jsonl")}:
        assert isinstance(verified(folder), Verified)


def test_a_temporary_folder_that_no_socket_can_be_in_is_said(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setenv("TMPDIR", str(deep))
    status, said = make(workers=2).gate.run_to_the_end()
    assert status == 1 and "Traceback" not in said
    assert (
        f"the workers' sockets cannot be in {deep}/kgate-" in said and ": its name is too long; name a shorter folder with TMPDIR" in said
    )


def test_where_there_is_no_temporary_folder_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose file system is read-only."""

    def nowhere(prefix: str) -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "mkdtemp", nowhere)
    with pytest.raises(
        KgateError,
        match=r"the workers' sockets need a folder: No usable temporary directory .*; mount one at /tmp, or name one with TMPDIR",
    ):
        folder_of_sockets(2)


def test_a_worker_that_does_not_end_is_killed_and_that_is_said(make: Make) -> None:
    gate = make(workers=2, drain="1s").gate
    gate.start()
    both_up(gate)
    hung = workers(gate)[2]
    os.kill(hung, signal.SIGSTOP)
    gate.stop()
    assert gone(hung)()
    assert "worker 2 did not end within 11 s: it is killed; what was open is closed at the next start" in gate.log.read_text()
