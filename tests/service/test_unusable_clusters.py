"""Clusters that cannot be used: each is named in one sentence that says what happened and what to do, and the others are as before."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from arena import HEAD, Arena
from authority import Authority
from live_gate import LiveGate
from recording_cluster import RecordingCluster

ASK = "; ask whoever runs this gate (request "


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
        self.gone = socket.socket()  # it has the port, so that nobody else comes to listen there, and does not listen
        self.gone.bind(("127.0.0.1", 0))

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
            "gone": self.gone.getsockname()[1],
        }
        servers = {name: f"https://127.0.0.1:{port}" for name, port in ports.items()} | {"nowhere": "https://no-such-host.invalid:6443"}
        return {name: {"server": server, "certificate_authority": "ca.crt", "token_file": "token"} for name, server in servers.items()}

    def stop(self) -> None:
        for scripted in (self.lab, self.mute, self.refusing, self.stranger, self.elsewhere):
            scripted.stop()
        for each in (self.silent, self.mail, self.gone):
            each.close()


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clusters]:
    made = Clusters(tmp_path_factory.mktemp("clusters"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def arena(clusters: Clusters, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    folder = tmp_path_factory.mktemp("gate")
    gate = LiveGate(folder, clusters.authority, clusters.settings, settings={"deadlines": {"connect": "2s", "answer": "3s"}})
    (folder / "ca.crt").write_bytes(clusters.authority.certificate)
    (folder / "token").write_text("the-gates-own-token")
    gate.start()
    yield Arena(gate, clusters.lab)
    gate.stop()


@pytest.mark.parametrize(
    ("cluster", "status", "why"),
    [
        ("gone", 503, "cannot be reached: connection refused"),
        ("silent", 503, "cannot be reached: no connection within 2 s"),
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
