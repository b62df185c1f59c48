"""The quickstart as a newcomer runs it: one command, plain kubectl, and nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast
from urllib.parse import urljoin

import pytest
from ports import free_port
from real_kubectl import needs_kubectl
from sign_in import Browser

from kgate.demo.quickstart import ended
from kgate.demo.signals import Interrupted, Signals

SECONDS = 60


class Quickstart:
    """Runs in a temporary folder of its own, in which nothing may be left."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.folder = folder
        self.processes: list[subprocess.Popen[str]] = []
        self.environment = {**os.environ, "TMPDIR": str(folder), "HOME": str(folder)}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "kgate.demo.quickstart", "--port", str(self.port), *arguments]
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # as a shell's & does
        )
        self.processes.append(process)
        return process

    def run(self, *arguments: str) -> tuple[int, str, str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=SECONDS)
        return process.returncode, out, err

    def nothing_is_left(self) -> bool:
        running = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if readable(path)]
        return not list(self.folder.glob("kgate-quickstart-*")) and not any(str(self.folder).encode() in line for line in running)


def readable(path: Path) -> bool:
    """Whether the process is still there."""
    try:
        path.read_bytes()
    except OSError:
        return False
    return True


def until_it_runs(process: subprocess.Popen[str]) -> str:
    """All that it says until there is nothing more to be said."""
    assert process.stdout is not None
    said = ""
    while "Ctrl-C stops everything." not in said:
        line = process.stdout.readline()
        assert line, process.communicate()
        said += line
    return said


@pytest.fixture
def quickstart(tmp_path: Path) -> Iterator[Quickstart]:
    made = Quickstart(tmp_path)
    yield made
    for process in made.processes:
        process.terminate()  # one that a test left running; nothing where it has ended
        process.communicate(timeout=SECONDS)
    assert made.nothing_is_left()


@needs_kubectl
def test_a_command_runs_as_alice_and_its_status_is_the_quickstarts(quickstart: Quickstart) -> None:
    script = (
        "kubectl auth whoami -o jsonpath='{.status.userInfo.username}{\"\\n\"}' && kubectl wait --for=condition=Available deploy/web >&2 && "
        "echo piped | kubectl exec -i deploy/web -- cat && kubectl --context kgate-prod get secrets; exit 5"
    )
    code, out, err = quickstart.run("--exec", "sh", "-c", script)
    assert (code, out) == (5, "alice\npiped\n"), err
    assert 'alice may not list secrets in namespace default of cluster kgate-prod: rule "no-secrets-in-prod" denies it' in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_says_what_to_try_and_a_signal_stops_everything(quickstart: Quickstart, number: signal.Signals) -> None:
    process = quickstart.start()
    said = until_it_runs(process)
    assert "kubectl exec -it deploy/web -- sh" in said and "policy.yaml" in said
    process.send_signal(number)
    process.communicate(timeout=SECONDS)
    assert process.returncode == (0 if number is signal.SIGINT else 128 + number)


def children(process: subprocess.Popen[str], word: str) -> list[int]:
    """Those of its processes that have the word in their command line."""
    pids = map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split())
    return [pid for pid in pids if word.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")]


def test_further_signals_hurry_the_stop_up_and_leave_nothing_behind(quickstart: Quickstart) -> None:
    process = quickstart.start()
    until_it_runs(process)
    (gate,) = children(process, "kgate")
    os.kill(gate, signal.SIGSTOP)  # it will not end by itself
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while process.stderr.readline() != "kgate: stopping\n":
        pass
    for again in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        process.send_signal(again)
    process.communicate(timeout=8)  # it would have ten seconds
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_was_not_waited_for_is_no_success(quickstart: Quickstart, number: signal.Signals) -> None:
    process = quickstart.start("--exec", "sh", "-c", "echo runs; exec sleep 60")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(number)
    process.communicate(timeout=SECONDS)
    assert process.returncode == 128 + number


class Signalled:
    """A process that is asked for its status just as a signal comes."""

    asked = answered = 0

    def poll(self) -> int | None:
        self.asked += 1
        if self.asked == 2:
            signal.raise_signal(signal.SIGTERM)
        self.answered += 1
        return None


def test_a_signal_is_heeded_once_a_process_has_answered_for_what_is_behind_its_lock_would_wait_for_ever() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        signals, process = Signals(), Signalled()
        with pytest.raises(Interrupted), signals.raised():
            ended(cast("subprocess.Popen[bytes]", process), signals)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert process.asked == process.answered == 2


def test_a_gate_that_ends_by_itself_is_said_with_its_last_words(quickstart: Quickstart) -> None:
    process = quickstart.start()
    until_it_runs(process)
    (gate,) = children(process, "kgate")
    os.kill(gate, signal.SIGTERM)
    _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert "kgate: the gate ended by signal 15:\n" in err and err.rstrip().endswith("Server Shut Down.")


def test_a_command_that_a_signal_ended_has_the_status_that_a_shell_gives(quickstart: Quickstart) -> None:
    assert quickstart.run("--exec", "sh", "-c", "kill -TERM $$")[0] == 128 + signal.SIGTERM


def test_a_command_that_cannot_be_run_is_said(quickstart: Quickstart, tmp_path: Path) -> None:
    code, out, err = quickstart.run("--exec", str(tmp_path))
    assert (code, out) == (1, "")
    assert err.splitlines()[-1] == f"kgate: {tmp_path} cannot be run (Permission denied); install it, or check its name"


@needs_kubectl
def test_bob_signs_in_on_the_demos_page_and_kubectl_is_bob(quickstart: Quickstart, tmp_path: Path) -> None:
    """What the quickstart says to try: ``kgate login``, the page on which one picks who one is, ``kgate kubeconfig``, plain kubectl."""
    process = quickstart.start()
    said = until_it_runs(process)
    command = re.search(r"(\S+) login (\S+) --certificate-authority (\S+)", said)
    assert command is not None and "people.yaml" in said
    kgate, url, authority = command.groups()
    environment = {**quickstart.environment, "KGATE_HOME": str(tmp_path / "kgate")}
    pipe = subprocess.PIPE
    login = subprocess.Popen(
        [kgate, "login", url, "--certificate-authority", authority, "--no-browser"], env=environment, stdout=pipe, stderr=pipe, text=True
    )
    assert login.stderr is not None
    login.stderr.readline()
    browser = Browser()
    shown = browser.open(login.stderr.readline().strip())
    assert "Who are you?" in shown.words and "alice developers" in shown.words and "mallory no group" in shown.words
    browser.open(urljoin(shown.url, "/authorize"), {**shown.fields(), "person": "bob"})
    assert login.communicate(timeout=SECONDS)[0].startswith(f"signed in to {url} as bob until ")
    kubeconfig = tmp_path / "mine"
    kubeconfig.write_text(subprocess.run([kgate, "kubeconfig"], env=environment, stdout=pipe, text=True, check=True).stdout)
    whoami = ["kubectl", "--kubeconfig", str(kubeconfig), "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"]
    assert subprocess.run(whoami, env=environment, stdout=pipe, text=True, check=True).stdout == "bob"


def test_a_port_in_use_is_said_before_anything_is_started(quickstart: Quickstart) -> None:
    with socket.create_server(("127.0.0.1", quickstart.port)):
        code, out, err = quickstart.run("--exec", "true")
    assert (code, out) == (1, "")
    assert err == (
        f"kgate: port {quickstart.port} of 127.0.0.1 cannot be had (Address already in use); "
        f"stop what uses it, or choose another: --port {quickstart.port + 1}\n"
    )


def test_where_kubectl_is_missing_it_says_how_to_get_it(quickstart: Quickstart, tmp_path: Path) -> None:
    quickstart.environment["PATH"] = str(tmp_path)
    for arguments in (("--exec", "kubectl", "get", "pods"), ("--context", "mine")):
        code, _, err = quickstart.run(*arguments)
        assert code == 1 and err.startswith("kgate: kubectl was not found: see https://kubernetes.io/docs/tasks/tools/")


@needs_kubectl
def test_a_context_that_is_not_there(quickstart: Quickstart) -> None:
    code, _, err = quickstart.run("--context", "nosuch")
    assert code == 1 and err.startswith("kgate: ") and err.endswith("see your contexts: kubectl config get-contexts\n"), err


@needs_kubectl
def test_what_it_says_a_refusal_can_be_asked_about_is_answered(quickstart: Quickstart) -> None:
    process = quickstart.start()
    said = until_it_runs(process)
    assert all(len(line) <= 80 for line in said.splitlines() if "#" in line or line[:1] != " ")  # what is to be read fits a terminal
    (asked,) = re.findall(r"^ +(\S+ policy explain ID --config \S+)$", said, re.MULTILINE)
    refused = subprocess.run(
        ["kubectl", "--user", "mallory", "get", "pods"],
        env={**quickstart.environment, "KUBECONFIG": re.search(r"KUBECONFIG=(\S+)", said)[1]},  # type: ignore[index]
        capture_output=True,
        text=True,
        check=False,
    ).stderr
    request = refused.split("kgate policy explain ")[1].split(")")[0]
    answer = subprocess.run(asked.replace("ID", request).split(), env=quickstart.environment, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout.splitlines()[0]) == (1, "mallory may not list pods in namespace default of cluster kgate-dev")
    (looked,) = re.findall(r"^ +(\S+ audit tail) -f( --config \S+)$", said, re.MULTILINE)
    seen = subprocess.run("".join(looked).split(), env=quickstart.environment, capture_output=True, text=True, check=False)
    assert "mallory  kgate-dev: list pods -n default  denied" in seen.stdout


def test_usage(quickstart: Quickstart) -> None:
    for arguments in (("--exec",), ("kubectl", "get", "pods")):
        code, _, err = quickstart.run(*arguments)
        assert code == 2 and "scripts/quickstart --exec kubectl get pods" in err
    for port in ("0", "65536"):
        code, _, err = quickstart.run("--port", port)
        assert code == 2 and f"{port} is not in the range 1<=x<=65535" in err
