"""``kgate clusters check`` at a real cluster: with the gate's credential, with an administrator's, and with what conf/kubernetes/impersonator.yaml makes."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from lab.gate import CLUSTER, Gate, save_kubeconfig
from lab.kubectl import binaries
from lab.waiting import eventually

from kgate.cli import main

ADMIN, GATE = (Path(os.environ.get(name, "")) for name in ("KGATE_E2E_ADMIN", "KGATE_E2E_GATE"))
MANIFEST = Path(__file__).parent.parent.parent / "conf/kubernetes/impersonator.yaml"
NAME = f"kgate-e2e-check-{uuid.uuid4().hex[:8]}"
"""Stands where the manifest has ``kgate``, so that a real one is left alone, and a namespace of another run that is still going away."""


def check(folder: Path, kubeconfig: Path) -> tuple[int, dict[str, Any]]:
    """The exit code, and what is told of the cluster by ``kubeconfig``."""
    gate = Gate(folder, kubeconfig)
    gate.write()
    result = CliRunner().invoke(main, ["clusters", "check", "-c", str(folder / "kgate.yaml"), "-o", "json"])
    (told,) = json.loads(result.stdout)
    assert told["cluster"] == CLUSTER
    return result.exit_code, told


def kubectl(*arguments: str, stdin: str = "", check: bool = True) -> str:
    command = [str(next(iter(binaries(ADMIN).values()))), "--kubeconfig", str(ADMIN), *arguments]
    return subprocess.run(command, check=check, capture_output=True, text=True, timeout=60, input=stdin).stdout


@pytest.fixture
def manifest(tmp_path: Path) -> Iterator[Path]:
    """A kubeconfig with the token that the manifest makes, as its own comment says."""
    text = MANIFEST.read_text()
    documents = [each for each in yaml.safe_load_all(text) if each]
    renamed = yaml.safe_dump_all(_renamed(documents))
    kubectl("apply", "-f", "-", stdin=renamed)
    try:
        # The cluster fills it in by itself, a moment later.
        template = ["-n", NAME, "get", "secret", f"{NAME}-token", "-o", "go-template={{with .data}}{{.token | base64decode}}{{end}}"]
        token = eventually("the token", lambda: made if (made := kubectl(*template)).startswith("ey") else "", every=0.2)
        account = f"--as=system:serviceaccount:{NAME}:{NAME}"
        eventually("the rights", lambda: kubectl("auth", "can-i", "impersonate", "users", account, check=False) == "yes\n", every=0.2)
        document = yaml.safe_load(GATE.read_text())
        document["users"][0]["user"] = {"token": token}
        yield save_kubeconfig(tmp_path / "manifest.kubeconfig", document)
    finally:
        kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-", stdin=renamed)


def _renamed(thing: Any) -> Any:
    if isinstance(thing, dict):
        return {key: _renamed(value) for key, value in thing.items()}
    if isinstance(thing, list):
        return [_renamed(each) for each in thing]
    return thing.replace("kgate", NAME) if isinstance(thing, str) else thing


def test_the_gate_s_own_credential_is_well(tmp_path: Path) -> None:
    code, told = check(tmp_path, GATE)
    assert (code, told["state"]) == (0, "well"), told["findings"]
    assert told["protocol"] == "h2" and told["version"].startswith("v1.") and abs(told["clock_seconds"]) < 30
    assert told["impersonates"] == dict.fromkeys(("users", "groups", "uids", "userextras"), "all")
    assert all("tokenreviews" in each or "subjectaccessreviews" in each for each in told["also"])


def test_an_administrator_s_is_warned_of_by_name(tmp_path: Path) -> None:
    code, told = check(tmp_path, ADMIN)
    assert (code, told["state"]) == (1, "warned")
    (warning,) = [each["text"] for each in told["findings"] if each["level"] == "warning"]
    assert warning.startswith("the gate's credential can also get, list secrets; create pods") and "do anything with everything" in warning


def test_what_the_manifest_makes_is_all_that_the_gate_needs_and_no_more(manifest: Path, tmp_path: Path) -> None:
    """It gave ``userextras/*``, which RBAC takes for the name of one extra: people whose identity has any were refused by the cluster."""
    code, told = check(tmp_path, manifest)
    assert (code, told["state"], told["findings"], told["also"]) == (0, "well", [], [])
    assert told["user"]["name"] == f"system:serviceaccount:{NAME}:{NAME}"
