"""The gate as an operator runs it: files in a directory and ``twistd -n kgate --config FILE``, watched from outside only."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from attrs import field, frozen
from authority import Authority
from lab.waiting import eventually
from ports import free_port

CLUSTER = "real"
ALL = [{"verbs": ["*"], "resources": ["*"]}, {"verbs": ["*"], "paths": ["*"]}, {"actions": ["*"]}]
"""What an administrator's rule allows; the cluster's own RBAC still has the last word."""


@frozen
class Person:
    """Somebody with a static token."""

    user: str
    group: str
    token: str = field(factory=lambda: secrets.token_urlsafe(32), repr=False)

    @property
    def robot(self) -> dict[str, Any]:
        """The person's entry in tokens.yaml."""
        digest = hashlib.sha256(self.token.encode()).hexdigest()
        return {"name": self.user, "sha256": digest, "user": self.user, "groups": [self.group], "expires": "2099-01-01T00:00:00Z"}


ALICE = Person("alice", "kgate-e2e-developers")
BOB = Person("bob", "kgate-e2e-sre")
MALLORY = Person("mallory", "kgate-e2e-nobody")
PEOPLE = (ALICE, BOB, MALLORY)


def rule(name: str, person: Person, allow: list[dict[str, Any]]) -> dict[str, Any]:
    """A rule for one person's group."""
    return {"name": name, "who": {"groups": [person.group]}, "clusters": {"names": ["*"]}, "allow": allow}


def usual_policy() -> dict[str, Any]:
    """alice and bob may do everything that the cluster lets them, mallory nothing."""
    return {"rules": [rule("developers", ALICE, ALL), rule("sre", BOB, ALL)]}


class Gate:
    """One gate with its directory: kgate.yaml, policy.yaml, tokens.yaml, tls.crt, tls.key, people-ca.crt, audit/, twistd.log and twistd.pid."""

    def __init__(self, directory: Path, upstream: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.admin_port = free_port()
        self.authority = Authority("kgate end-to-end tests")
        self.process: subprocess.Popen[bytes] | None = None
        self.settings: dict[str, Any] = {
            "listen": [{"address": f"127.0.0.1:{self.port}", "tls": {"certificate": "tls.crt", "key": "tls.key"}}],
            "public_url": f"https://127.0.0.1:{self.port}",
            "clusters": {CLUSTER: {"kubeconfig": str(upstream), "labels": {"env": "lab"}, "hosts": ["localhost"]}},
            "identity": {"tokens": {"file": "tokens.yaml"}, "client_certificates": {"authority": "people-ca.crt"}},
            "policy": "policy.yaml",
            "audit": {"directory": "audit/"},
            "admin": {"address": f"127.0.0.1:{self.admin_port}"},
        }

    def write(self, policy: Mapping[str, Any] | None = None) -> None:
        """Writes every file of the directory."""
        self.authority.leaf("localhost", "127.0.0.1").write(self.directory, "tls")
        (self.directory / "people-ca.crt").write_bytes(self.authority.certificate)
        robots = [person.robot for person in PEOPLE]
        (self.directory / "tokens.yaml").write_text(yaml.safe_dump({"robots": robots}))
        (self.directory / "audit").mkdir(mode=0o700, exist_ok=True)
        self.write_settings()
        self.write_policy(usual_policy() if policy is None else policy)

    def write_settings(self) -> None:
        """Writes ``settings`` to ``kgate.yaml``."""
        (self.directory / "kgate.yaml").write_text(yaml.safe_dump(self.settings, sort_keys=False))

    def write_policy(self, policy: Mapping[str, Any] | str) -> None:
        """Replaces the policy file in one step, as an editor or a rollout does."""
        new = self.directory / "policy.yaml.new"
        new.write_text(policy if isinstance(policy, str) else json.dumps(policy, indent=1))  # JSON is YAML, without anchors
        new.rename(self.directory / "policy.yaml")

    def adopt(self, policy: Mapping[str, Any]) -> None:
        """Replaces the policy file and waits until the gate has put on record that this policy is in force, and not only that something else is."""
        before = len(self.records("config"))
        self.write_policy(policy)
        text = (self.directory / "policy.yaml").read_bytes()
        digest = hashlib.sha256(text).hexdigest()
        eventually("the new policy in force", lambda: digest in [each.get("policy_sha256") for each in self.records("config")[before:]])

    def records(self, *events: str) -> list[dict[str, Any]]:
        """The audit records so far, of these events or of all. A line that is being written is not one yet."""
        lines = [line for path in sorted((self.directory / "audit").glob("*.jsonl")) for line in path.read_bytes().split(b"\n")[:-1]]
        records = [json.loads(line) for line in lines]
        return [record for record in records if not events or record["event"] in events]

    def three_ended(self, closed_by: str, words: str) -> list[float]:
        """How long after the change the gate itself says that it ended the three by what these words of a reason name, in milliseconds. kubectl does not
        wait for those records."""

        def ends() -> list[float]:
            closed = [record for record in self.records("request-end", "stream-end") if record.get("closed_by") == closed_by]
            by_it = [record["revocation_ms"] for record in closed if any(words in reason for reason in record["reasons"])]
            return by_it if len(by_it) == 3 else []

        return eventually("the three ends on record", ends)

    @property
    def log(self) -> str:
        """Everything that it has printed."""
        path = self.directory / "twistd.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> None:
        """Starts the process; it may not be ready yet."""
        twistd = Path(sys.executable).with_name("twistd")
        with (self.directory / "twistd.log").open("ab") as log:
            argv = [str(twistd), "-n", "kgate", "--config", "kgate.yaml"]
            self.process = subprocess.Popen(argv, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment())

    def until_ready(self, seconds: float = 90.0) -> None:
        """Waits for /readyz; a gate that ended instead fails the test with what it said."""
        eventually("the gate's /readyz", lambda: self._ended() or self.ready(), seconds, 0.05)
        assert not self._ended(), f"the gate ended with {self._ended()}:\n{self.log[-3000:]}"

    def ready(self) -> bool:
        """Whether /readyz answers 200."""
        return self.admin("/readyz")[0] == 200

    def admin(self, path: str) -> tuple[int, str]:
        """A GET to the admin listener; status 0 where it does not answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=30)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError:
            return 0, ""
        finally:
            connection.close()

    def metric(self, name: str) -> float:
        """A metric without labels, as /metrics tells it."""
        lines = self.admin("/metrics")[1].splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))

    def _ended(self) -> int | None:
        assert self.process
        code = self.process.poll()
        return None if code is None else code or 1

    def hang_up(self) -> None:
        """SIGHUP: reload."""
        assert self.process
        self.process.send_signal(signal.SIGHUP)

    def wait(self, seconds: float = 60.0) -> int:
        """Waits for the process' own end; its exit code."""
        assert self.process
        return self.process.wait(seconds)

    def stop(self) -> int:
        """SIGTERM, and the exit code; a gate that does not end within a minute is killed, which is an exit code of -9."""
        assert self.process
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(5)

    @property
    def resident_bytes(self) -> int:
        """Memory of the process and its workers (VmRSS)."""
        assert self.process
        return sum(_resident(pid) for pid in _family(self.process.pid))

    def kubeconfig(self, person: Person, namespace: str, path: Path, server: str = "") -> Path:
        """Writes a kubeconfig for one person that goes through the gate, by default by host name."""
        user = {"token": person.token}
        return write_kubeconfig(path, server or f"https://localhost:{self.port}", self.authority.certificate, user, namespace)


def write_kubeconfig(path: Path, server: str, authority: bytes, user: Mapping[str, Any], namespace: str) -> Path:
    """Writes a kubeconfig of one context."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "one", "cluster": {"server": server, "certificate-authority-data": base64.b64encode(authority).decode()}}],
        "users": [{"name": "one", "user": dict(user)}],
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one", "namespace": namespace}}],
        "current-context": "one",
    }
    return save_kubeconfig(path, document)


def impersonating(kubeconfig: Path, person: Person, namespace: str, path: Path) -> Path:
    """Writes a copy of a kubeconfig whose user impersonates the person: what the direct way to the cluster is."""
    document = yaml.safe_load(kubeconfig.read_text())
    document["users"][0]["user"] |= {"as": person.user, "as-groups": [person.group]}
    document["contexts"][0]["context"]["namespace"] = namespace
    return save_kubeconfig(path, document)


def save_kubeconfig(path: Path, document: Mapping[str, Any]) -> Path:
    """Writes it for its owner alone."""
    path.touch(0o600)
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


@contextmanager
def started(gate: Gate) -> Iterator[None]:
    """It is started, and ready, and ends with the block."""
    gate.start()
    try:
        gate.until_ready()
        yield
    finally:
        gate.stop()


@contextmanager
def running_gate(directory: Path, upstream: Path) -> Iterator[Gate]:
    """A gate with the usual files, ready; it must end by itself on SIGTERM."""
    gate = Gate(directory, upstream)
    gate.write()
    gate.start()
    try:
        gate.until_ready()
        yield gate
    finally:
        started = time.monotonic()
        code = gate.stop()
    assert code in (0, -signal.SIGTERM), (
        f"the gate ended with {code} after SIGTERM ({time.monotonic() - started:.1f} s):\n{gate.log[-3000:]}"
    )


def _environment() -> dict[str, str]:
    """A service's environment: neither the tests' KUBECONFIG nor their Python settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("KUBE", "KGATE_", "PYTEST", "PYTHON"))}


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    return [pid, *(member for child in children.read_text().split() for member in _family(int(child)))]


def _resident(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:"))
