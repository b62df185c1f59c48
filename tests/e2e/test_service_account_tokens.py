"""Service accounts of a real cluster at the gate, by their own tokens: the cluster's TokenReview says whose they are, and for whom they were made."""

from __future__ import annotations

import os
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab.endpoint import Endpoint
from lab.gate import ALL, CLUSTER, Gate, started
from lab.kubectl import binaries

ADMIN, GATE = (Path(os.environ.get(name, "")) for name in ("KGATE_E2E_ADMIN", "KGATE_E2E_GATE"))
USER = f"{CLUSTER}:system:serviceaccount:default:default"


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    running = Gate(tmp_path_factory.mktemp("gate"), GATE)
    running.settings["identity"]["service_accounts"] = [{"cluster": CLUSTER, "audiences": ["kgate-e2e"], "cache": "1s"}]
    rule = {
        "name": "accounts",
        "who": {"users": [USER]},
        "clusters": {"names": ["*"]},
        "allow": ALL,
        "as": {"user": "kgate-e2e-bot", "groups": []},
    }
    running.write({"rules": [rule]})
    with started(running):
        yield running


def token(*audience: str) -> str:
    kubectl = next(iter(binaries(ADMIN).values()))
    command = [str(kubectl), "--kubeconfig", str(ADMIN), "create", "token", "default", "-n", "default", "--duration", "10m"]
    return subprocess.run([*command, *audience], check=True, capture_output=True, text=True, timeout=60).stdout.strip()


def ask(gate: Gate, bearer: str, path: str) -> tuple[int, bytes]:
    tls = ssl.create_default_context(cadata=gate.authority.certificate.decode())
    return Endpoint("127.0.0.1", gate.port, "", tls, {"Authorization": f"Bearer {bearer}"}).ask("GET", path)


def test_a_token_made_for_the_gate(gate: Gate) -> None:
    shown = token("--audience", "kgate-e2e")
    status, body = ask(gate, shown, "/kgate/v1/whoami")
    assert status == 200 and USER.encode() in body, body
    status, body = ask(gate, shown, f"/clusters/{CLUSTER}/version")
    assert status == 200, body.decode()


def test_a_token_made_for_the_cluster_is_not_for_the_gate(gate: Gate) -> None:
    status, body = ask(gate, token(), f"/clusters/{CLUSTER}/version")
    assert status == 401, body


def test_a_changed_token(gate: Gate) -> None:
    shown = token("--audience", "kgate-e2e")
    head, payload, signature = shown.split(".")
    status, body = ask(gate, f"{head}.{payload}.{signature[:-4]}AAAA", f"/clusters/{CLUSTER}/version")
    assert status == 401 and b"the token's cluster does not know it" in body, body
