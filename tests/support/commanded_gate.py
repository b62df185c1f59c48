"""A running gate before two clusters, ``lab`` and ``prod``, and ``kgate …`` as somebody who has the kubeconfig of their kubectl."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from authority import Authority
from click.testing import CliRunner
from live_exec import SWITCHED
from live_gate import TOKENS, LiveGate
from raw_client import RawClient
from recording_cluster import Connection, RecordingCluster

from kgate.cli import main

WATCHED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Ran(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    error: str


Command = Callable[..., Ran]
"""``kgate("bob", "lock", "list")``."""


@contextmanager
def commanded_gate(folder: Path, policy: Mapping[str, Any], settings: Mapping[str, Any] | None = None) -> Iterator[LiveGate]:
    """It runs until the block ends. Watches and execs of its clusters go on, as does what is ``slow``; the rest is answered at once."""
    authority = Authority("tests of commands")
    cluster = RecordingCluster(folder, authority)

    def answer(connection: Connection, head: bytes) -> None:
        if b"/exec?" in head:
            connection.send(SWITCHED)
        elif b"slow" not in head:
            connection.send(WATCHED if b"watch=true" in head else OK)

    cluster.answer = answer
    clusters = {name: cluster.access(folder / "gate") for name in ("lab", "prod")}
    gate = LiveGate(folder / "gate", authority, clusters, policy, settings)
    gate.start()
    yield gate
    gate.stop()
    cluster.stop()


def commands(gate: LiveGate, folder: Path) -> Command:
    """What runs them; kubeconfigs go into ``folder``."""

    def run(user: str, *arguments: str) -> Ran:
        kubeconfig = folder / f"{user}.kubeconfig"
        gate.write_kubeconfig(kubeconfig, "lab", TOKENS[user])
        ran = CliRunner().invoke(main, list(arguments), env={"KUBECONFIG": str(kubeconfig), "KGATE_HOME": str(folder / "nobody")})
        return Ran(ran.exit_code, ran.stdout, ran.stderr)

    return run


def gets(gate: LiveGate, user: str, path: str) -> tuple[int, str]:
    with RawClient(gate.port, gate.context()) as client:
        client.send(b"GET %b HTTP/1.1\r\n%b\r\n" % (path.encode(), as_(user)))
        return client.status(), client.last_body.decode()


def posts(gate: LiveGate, user: str, path: str, document: dict[str, str]) -> tuple[int, str]:
    body = json.dumps(document).encode()
    with RawClient(gate.port, gate.context()) as client:
        client.send(b"POST %b HTTP/1.1\r\n%bContent-Type: application/json\r\n" % (path.encode(), as_(user)))
        client.send(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        return client.status(), client.last_body.decode()


def as_(user: str) -> bytes:
    return b"Host: localhost\r\nAuthorization: Bearer %b\r\n" % TOKENS[user].encode()


def watching(gate: LiveGate, user: str, cluster: str = "lab") -> RawClient:
    """Somebody's watch, of which the first event came."""
    client = RawClient(gate.port, gate.context())
    client.send(b"GET /clusters/%b/api/v1/pods?watch=true HTTP/1.1\r\n%b\r\n" % (cluster.encode(), as_(user)))
    client.until(b"{}\n\r\n")
    return client
