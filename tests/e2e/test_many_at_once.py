"""Many at once on the real cluster: nothing is lost, and what each costs is told."""

from __future__ import annotations

import hashlib
import http.client
import json
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from lab.cluster import RealCluster
from lab.endpoint import Endpoint
from lab.gate import ALICE, Gate, running_gate
from lab.same import Through
from lab.waiting import eventually

WATCHES = 500
EXECS = 50
PAYLOAD = 100_000


def watching(endpoint: Endpoint, path: str) -> tuple[http.client.HTTPSConnection, http.client.HTTPResponse]:
    """A watch whose answer has begun, on a connection of its own."""
    connection = endpoint.connect()
    connection.request("GET", endpoint.prefix + path, headers=endpoint.headers)
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    return connection, answer


def event(answer: http.client.HTTPResponse) -> tuple[str, dict[str, str]]:
    """The watch's next event: its type, and the object's data."""
    line = json.loads(answer.readline())
    return line["type"], line["object"]["data"]


def test_five_hundred_idle_watches_each_hear_of_each_change(
    gate: Gate, cluster: RealCluster, measured: Callable[[str], None], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    beacon = f"/api/v1/namespaces/{cluster.namespace}/configmaps"
    revision = cluster.api.get(f"{beacon}?limit=1")["metadata"]["resourceVersion"]
    path = f"{beacon}?watch=true&fieldSelector=metadata.name%3Dbeacon&resourceVersion={revision}"
    with running_gate(tmp_path_factory.mktemp("watched-gate"), cluster.gate) as own, ExitStack() as opened:
        endpoint = Endpoint.of(own.kubeconfig(ALICE, cluster.namespace, tmp_path / "alice.kubeconfig"))
        assert endpoint.ask("GET", f"{beacon}?limit=1")[0] == 200
        before = own.resident_bytes
        with ThreadPoolExecutor(8) as threads:
            watches = list(threads.map(lambda _: watching(endpoint, path), range(WATCHES)))
        for connection, _ in watches:
            opened.enter_context(closing(connection))
        assert own.metric("kgate_live_streams") == WATCHES
        each = (own.resident_bytes - before) / WATCHES
        upstream = own.metric("kgate_upstream_connections")
        measured(f"{WATCHES} idle watches, a TLS connection each, {upstream:g} connections to the cluster: {each / 1024:.1f} KiB each")

        cluster.create({"kind": "ConfigMap", "metadata": {"name": "beacon"}, "data": {"turn": "0"}})
        for turn in ("1", "2", "3"):
            cluster.api.ask("PATCH", f"{beacon}/beacon", {"data": {"turn": turn}}, "application/merge-patch+json")
        cluster.delete("ConfigMap", "beacon")
        wanted = [("ADDED", "0"), ("MODIFIED", "1"), ("MODIFIED", "2"), ("MODIFIED", "3"), ("DELETED", "3")]
        for number, (_, answer) in enumerate(watches):
            heard = [event(answer) for _ in wanted]
            assert [(kind, data["turn"]) for kind, data in heard] == wanted, f"watch {number}"
        opened.close()
        eventually("the gate lets go of all", lambda: own.metric("kgate_live_streams") == 0)


def test_fifty_execs_at_once_each_get_back_what_they_sent(gate: Gate, through: Through) -> None:
    alice = through(ALICE)
    script = "echo up; sha256sum; exit 7"
    with ExitStack() as running:
        lives = [
            running.enter_context(alice.over(("websocket", "spdy")[i % 2]).live("exec", "-i", "box", "--", "sh", "-c", script, stdin=True))
            for i in range(EXECS)
        ]
        for live in lives:
            live.until(b"up\n", 60)
        assert gate.metric("kgate_live_streams") >= EXECS
        payloads = [random.Random(i).randbytes(PAYLOAD) for i in range(EXECS)]
        for live, payload in zip(lives, payloads, strict=True):
            live.write(payload)
            live.close_stdin()
        for live, payload in zip(lives, payloads, strict=True):
            ended = live.wait(60).must(7)
            assert ended.out == b"up\n" + hashlib.sha256(payload).hexdigest().encode() + b"  -\n"
