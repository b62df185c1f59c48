"""kubectl port-forward of two ports through a gate whose policy lets one of them pass: real kubectl, a demo cluster, both transports."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from authority import Authority
from lab.waiting import eventually
from live_gate import TOKENS, LiveGate
from on_record import ask_again
from ports import free_port
from real_kubectl import KUBECTL, needs_kubectl

pytestmark = needs_kubectl


def rule(name: str, entry: dict[str, object]) -> dict[str, object]:
    return {"name": name, "who": {"groups": ["developers"]}, "clusters": {"names": ["dev"]}, "allow": [entry]}


def policy(*ports: int) -> dict[str, object]:
    """A rule for each port."""
    forward = [rule(f"port-{port}", {"actions": ["port-forward"], "ports": [port]}) for port in ports]
    return {"rules": [rule("look", {"verbs": ["get"], "resources": ["pods"]}), *forward]}


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGate]:
    folder = tmp_path_factory.mktemp("forwarding")
    arguments = [sys.executable, "-m", "kgate.demo", "--name", "dev", "--directory", str(folder)]
    cluster = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert cluster.stdout is not None and cluster.stdout.readline().startswith("dev ")
    gate = LiveGate(folder, Authority(), {"dev": {"kubeconfig": "dev.kubeconfig"}}, policy(8080), {"drain": "1s"})
    try:
        yield gate.start()
    finally:
        gate.stop()
        cluster.send_signal(signal.SIGTERM)
        cluster.wait(30)
        cluster.stdout.close()


def kubeconfig(gate: LiveGate, path: Path) -> Path:
    """alice's, through the gate."""
    (path / "ca.crt").write_bytes(gate.authority.certificate)
    cluster = {"server": f"https://127.0.0.1:{gate.port}/clusters/dev", "certificate-authority": "ca.crt"}
    made = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": TOKENS["alice"]}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "team-a"}}],
    }
    (path / "config").write_text(json.dumps(made))
    return path / "config"


def fetched(port: int) -> bytes:
    """What the web server in the pod says; empty where the connection just ends."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read()
    except (http.client.HTTPException, OSError):
        return b""
    finally:
        connection.close()


@pytest.mark.parametrize("websockets", ["true", "false"])
def test_one_port_is_refused_and_the_other_lives_on_until_it_is_lost_too(gate: LiveGate, tmp_path: Path, websockets: str) -> None:
    before = reloads(gate)
    gate.write_policy(policy(8080))
    eventually("the policy with 8080 is in force", lambda: reloads(gate) > before)
    allowed, refused = free_port(), free_port()
    environment = os.environ | {"KUBECONFIG": str(kubeconfig(gate, tmp_path)), "KUBECTL_PORT_FORWARD_WEBSOCKETS": websockets}
    command = [str(KUBECTL), "port-forward", "pod/shell", f"{allowed}:8080", f"{refused}:9999"]
    said = tmp_path / "stderr"
    with said.open("wb") as errors, subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=errors) as kubectl:
        try:
            eventually("kubectl listens", lambda: listens(refused))
            eventually("8080 is forwarded", lambda: fetched(allowed) == b"hello from shell\n")
            for _ in range(2):
                assert fetched(refused) == b""
                assert fetched(allowed) == b"hello from shell\n"
            assert kubectl.poll() is None
            assert f"error creating error stream for port {refused} -> 9999".encode() in said.read_bytes(), said.read_bytes()

            gate.write_policy(policy(9999))
            assert kubectl.wait(20) != 0
        finally:
            kubectl.kill()
    eventually("it is on record", lambda: not ports(gate)[-1]["allowed"] and ports(gate)[-1]["port"] == [8080])  # kubectl may end before
    records = ports(gate)
    *asked, lost = [(each["port"][0], each["allowed"]) for each in records[-3:]]
    assert set(asked) == {(8080, True), (9999, False)} and lost == (8080, False), records
    assert "port is 8080, not 9999" in json.dumps(records[-1])
    ask_again(gate.folder / "audit")  # each port's decision is one that can be asked again


def test_a_port_that_is_somebody_elses_now_ends(gate: LiveGate, tmp_path: Path) -> None:
    """The tunnel itself is another rule's, under which nothing changed."""
    before, both = reloads(gate), policy(9999, 8080)
    gate.write_policy(both)
    eventually("the policy with both is in force", lambda: reloads(gate) > before)
    allowed = free_port()
    command = [str(KUBECTL), "port-forward", "pod/shell", f"{allowed}:8080"]
    environment = os.environ | {"KUBECONFIG": str(kubeconfig(gate, tmp_path))}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as kubectl:
        try:
            eventually("8080 is forwarded", lambda: listens(allowed) and fetched(allowed) == b"hello from shell\n")
            *others, last = both["rules"]  # type: ignore[misc]
            gate.write_policy({"rules": [*others, {**last, "as": {"groups": ["view"]}}]})
            assert kubectl.wait(20) != 0
        finally:
            kubectl.kill()

    def lost() -> object:
        last = ports(gate)[-1]
        return last["port"], last["allowed"], last["impersonated"]["groups"]

    eventually(
        "it is on record", lambda: lost() == ([8080], True, ["view"])
    )  # nobody waits for that record: kubectl may end before it is written


def ports(gate: LiveGate) -> list[dict[str, Any]]:
    """The records of single ports."""
    return [record for record in gate.records() if record["event"] == "port"]


def reloads(gate: LiveGate) -> int:
    return sum(record["event"] == "config" for record in gate.records())


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
