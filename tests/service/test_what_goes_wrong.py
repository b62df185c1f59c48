"""What may go wrong around a gate: each in one sentence that says what happened and what to do, and none of it hangs."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from arena import HEAD, Arena
from authority import Authority
from live_gate import LiveGate
from recording_cluster import RecordingCluster

ASK = "; ask whoever runs this gate (request "


def until(condition: Any) -> None:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()


def told(arena: Arena, cluster: str = "lab") -> tuple[int, str]:
    """The status of a list of pods, and the sentence that kubectl shows; "" where the cluster answered."""
    with arena.client() as client:
        client.send(b"GET /clusters/%s/api/v1/pods HTTP/1.1\r\n" % cluster.encode() + HEAD + b"\r\n")
        status = client.status()
        return status, json.loads(client.last_body).get("message", "")


def greeting(listener: socket.socket) -> None:
    """A mail server."""
    with contextlib.suppress(OSError):
        while True:
            with listener.accept()[0] as connection:
                connection.sendall(b"220 mail.example.com ESMTP\r\n")
                connection.recv(1000)


class Clusters:
    """Clusters that are not what the configuration takes them for."""

    def __init__(self, folder: Path) -> None:
        self.authority, other = Authority(), Authority("somebody else")
        self.lab = self._scripted(folder / "lab", self.authority)
        self.mute = self._scripted(folder / "mute", self.authority)
        self.mute.answer = lambda _connection, _head: None
        self.refusing = self._scripted(folder / "refusing", self.authority)
        self.refusing.answer = lambda connection, _head: connection.send(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        self.stranger = self._scripted(folder / "stranger", other)
        self.elsewhere = self._scripted(folder / "elsewhere", self.authority, "elsewhere.example")
        self.silent, self.mail = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
        threading.Thread(target=greeting, args=(self.mail,), daemon=True).start()
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._closed_port = probe.getsockname()[1]

    @staticmethod
    def _scripted(folder: Path, authority: Authority, *names: str) -> RecordingCluster:
        folder.mkdir()
        return RecordingCluster(folder, authority, *names)

    @property
    def settings(self) -> dict[str, dict[str, str]]:
        ports = {
            "lab": self.lab.port,
            "mute": self.mute.port,
            "refusing": self.refusing.port,
            "stranger": self.stranger.port,
            "elsewhere": self.elsewhere.port,
            "silent": self.silent.getsockname()[1],
            "mail": self.mail.getsockname()[1],
            "gone": self._closed_port,
        }
        servers = {name: f"https://127.0.0.1:{port}" for name, port in ports.items()} | {"nowhere": "https://no-such-host.invalid:6443"}
        return {name: {"server": server, "certificate_authority": "ca.crt", "token_file": "token"} for name, server in servers.items()}

    def stop(self) -> None:
        for scripted in (self.lab, self.mute, self.refusing, self.stranger, self.elsewhere):
            scripted.stop()
        self.silent.close()
        self.mail.close()


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clusters]:
    made = Clusters(tmp_path_factory.mktemp("clusters"))
    yield made
    made.stop()


def gate_before(clusters: Clusters, folder: Path) -> LiveGate:
    gate = LiveGate(folder, clusters.authority, clusters.settings, settings={"deadlines": {"connect": "1s", "answer": "3s"}})
    (folder / "ca.crt").write_bytes(clusters.authority.certificate)
    (folder / "token").write_text("the-gates-own-token")
    return gate


@pytest.fixture(scope="module")
def arena(clusters: Clusters, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    gate = gate_before(clusters, tmp_path_factory.mktemp("gate")).start()
    yield Arena(gate, clusters.lab)
    gate.stop()


@pytest.mark.parametrize(
    ("cluster", "status", "why"),
    [
        ("gone", 503, "cannot be reached: connection refused"),
        ("silent", 503, "cannot be reached: no connection within 1 s"),
        ("nowhere", 503, "cannot be reached: its name has no address"),
        ("mail", 503, "cannot be reached: it does not speak TLS there"),
        ("stranger", 503, "cannot be reached: certificate verify failed: unable to get local issuer certificate"),
        ("elsewhere", 503, "cannot be reached: certificate verify failed: IP address mismatch, certificate is not valid for '127.0.0.1'"),
        ("mute", 504, "did not answer in time"),
        ("refusing", 502, "does not accept the gate's own credential"),
    ],
)
def test_a_cluster_that_cannot_be_used_is_named_with_the_reason(arena: Arena, cluster: str, status: int, why: str) -> None:
    given, message = told(arena, cluster)
    assert given == status
    assert message.startswith(f"kgate: cluster {cluster} {why}{ASK}"), message
    assert told(arena) == (200, ""), "and the others are as before"


def test_readyz_names_each_cluster_that_cannot_be_reached_and_the_gate_serves_the_others(arena: Arena) -> None:
    told(arena, "gone"), told(arena, "mail")
    status, text = arena.gate.admin("/readyz")
    assert status == 200
    named = {"warning: cluster gone: connection refused", "warning: cluster mail: it does not speak TLS there"}
    assert {"ok", *named} <= set(text.splitlines())


def started(gate: LiveGate) -> tuple[int, str]:
    """The end of a gate that cannot start: its exit status, and all that it says."""
    command = [str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "kgate", "--config", "kgate.yaml"]
    done = subprocess.run(command, cwd=gate.folder, capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_port_in_use(clusters: Clusters, tmp_path: Path) -> None:
    gate = gate_before(clusters, tmp_path)
    with socket.create_server(("127.0.0.1", gate.port)):
        code, said = started(gate)
    assert code == 1
    assert (
        f"cannot listen on 127.0.0.1:{gate.port}: Address already in use; another program has it: stop that one, or choose another" in said
    )
    assert "Traceback" not in said


def test_a_certificate_that_has_expired(clusters: Clusters, tmp_path: Path) -> None:
    gate = gate_before(clusters, tmp_path)
    clusters.authority.leaf("127.0.0.1", starts=-9, ends=-1).write(tmp_path, "gate")
    code, said = started(gate)
    assert (code, "Traceback" in said) == (1, False)
    assert "kgate.yaml:4: listen[0].tls.certificate: the certificate expired on " in said and "(renew it)" in said


def test_a_broken_policy_file_does_not_start_a_gate_and_leaves_a_running_one_as_it_was(clusters: Clusters, tmp_path: Path) -> None:
    gate = gate_before(clusters, tmp_path)
    good = (tmp_path / "policy.yaml").read_text()
    broken = good.replace("verbs:", "verb:", 1)
    (tmp_path / "policy.yaml").write_text(broken)
    code, said = started(gate)
    assert (code, "Traceback" in said) == (1, False)
    assert 'policy.yaml:10: unknown key "verb" in rules[0].allow[0] (did you mean "verbs"?)' in said

    (tmp_path / "policy.yaml").write_text(good)
    gate.start()
    try:
        arena = Arena(gate, clusters.lab)
        assert told(arena) == (200, "")
        (tmp_path / "policy.yaml").write_text(broken)
        until(lambda: any(record["event"] == "config" and not record["allowed"] for record in gate.records()))
        assert told(arena) == (200, "")
        assert "the old one stays in force" in gate.log.read_text() and 'unknown key "verb"' in gate.log.read_text()
    finally:
        gate.stop()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "audit"
    folder.mkdir(mode=0o700)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "none", str(folder)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here (that takes root)")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_lets_nothing_through_and_a_freed_one_everything(clusters: Clusters, tmp_path: Path, small_disk: Path) -> None:
    gate = gate_before(clusters, tmp_path).start()
    try:
        arena = Arena(gate, clusters.lab)
        assert told(arena) == (200, "")
        filler = small_disk / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1024))
        clusters.lab.reset()
        refused = [told(arena) for _ in range(20)]
        assert (503, True) in {(status, "the audit record could not be made durable" in message) for status, message in refused}
        passed = sum(status == 200 for status, _ in refused)
        assert len(clusters.lab.heads) == passed, "nothing reaches a cluster without a record"
        status, text = gate.admin("/readyz")
        assert status == 503 and "audit" in text and os.strerror(28) in text, text
        filler.unlink()
        until(lambda: told(arena) == (200, ""))
        assert gate.admin("/readyz")[1].count("audit") == 0
    finally:
        gate.stop()
