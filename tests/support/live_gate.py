"""A gate as an operator runs it: ``twistd -n kgate --config FILE`` in a folder of its own, with real TLS on a real port."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from authority import Authority
from ports import free_port
from preloaded import Forked, fits, forked

from kgate.store.engine import open_engine
from kgate.store.migrate import migrate

TOKENS = {name: f"{name}-token-with-enough-entropy-0123456789" for name in ("alice", "bob", "mallory")}
PEOPLE = [
    {"name": "alice", "user": "alice", "groups": ["developers"]},
    {"name": "bob", "user": "bob", "groups": ["sre"]},
    {"name": "mallory", "user": "mallory", "groups": []},
]
ALLOW_ALICE = {
    "rules": [
        {
            "name": "developers",
            "who": {"groups": ["developers"]},
            "clusters": {"names": ["*"]},
            "allow": [
                {"verbs": ["*"], "resources": ["*"]},
                {"verbs": ["*"], "paths": ["*"]},
                {"actions": ["exec", "attach", "port-forward", "cp", "logs"]},
            ],
        }
    ]
}


@cache
def fresh_store() -> bytes:
    """The tables that a gate's first start makes. That takes a sixth of it, and hundreds start: here it is done once."""
    with TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{folder}/state.db")
        migrate(engine)
        engine.dispose()
        return Path(folder, "state.db").read_bytes()


class LiveGate:
    """One gate process, which finds an empty store. ``clusters`` is the configuration's section; ``settings`` are merged into the whole."""

    def __init__(
        self,
        folder: Path,
        authority: Authority,
        clusters: Mapping[str, Any],
        policy: Mapping[str, Any] = ALLOW_ALICE,
        settings: Mapping[str, Any] | None = None,
        port: int = 0,
    ) -> None:
        self.folder, self.authority = folder, authority
        folder.mkdir(parents=True, exist_ok=True)
        authority.leaf("localhost", "127.0.0.1").write(folder, "gate")
        self.store = folder / "state.db"
        if not self.store.exists():
            self.store.write_bytes(fresh_store())
        self.port, self.admin_port = port or free_port(), free_port()
        self.write_policy(policy)
        digest = {name: hashlib.sha256(token.encode()).hexdigest() for name, token in TOKENS.items()}
        self.write("tokens.yaml", {"robots": [{**person, "sha256": digest[str(person["name"])]} for person in PEOPLE]})
        (folder / "people-ca.crt").write_bytes(authority.certificate)
        self.config: dict[str, Any] = {
            "listen": [{"address": f"127.0.0.1:{self.port}", "tls": {"certificate": "gate.crt", "key": "gate.key"}}],
            "public_url": f"https://127.0.0.1:{self.port}",
            "clusters": dict(clusters),
            "identity": {"tokens": {"file": "tokens.yaml"}, "client_certificates": {"authority": "people-ca.crt"}},
            "policy": "policy.yaml",
            "audit": {"directory": "audit"},
            "admin": {"address": f"127.0.0.1:{self.admin_port}"},
            **(settings or {}),
        }
        self.write("kgate.yaml", self.config)
        self.process: subprocess.Popen[bytes] | Forked | None = None
        self.preloaded = True
        """Whether a process that has imported everything forks for it, instead of one that starts as from a shell."""
        self.twistd_options: tuple[str, ...] = ()

    def write(self, name: str, document: object) -> None:
        """A YAML file beside the configuration, replaced whole."""
        self.put(name, yaml.safe_dump(document, sort_keys=False))

    def put(self, name: str, content: str | bytes) -> None:
        """The same of any content: a gate that looks meanwhile reads the former file or the new one, and never an empty one in between."""
        new = self.folder / f".{name}.new"
        new.write_bytes(content if isinstance(content, bytes) else content.encode())
        new.rename(self.folder / name)

    def write_policy(self, policy: Mapping[str, Any]) -> None:
        """A new policy; the gate notices by itself."""
        self.write("policy.yaml", policy)

    def run_to_the_end(self) -> tuple[int, str]:
        """Run it where it will not start; its exit status and all that it says."""
        done = subprocess.run(self._command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
        return done.returncode, done.stdout.decode()

    @property
    def _command(self) -> list[str]:
        return [str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", *self.twistd_options, "kgate", "--config", "kgate.yaml"]

    def start(self) -> LiveGate:
        """Run it and wait until it serves."""
        self.launch()
        return self.until_it_serves()

    def launch(self) -> subprocess.Popen[bytes] | Forked:
        """Run it."""
        self.log = self.folder / "gate.log"
        with self.log.open("ab") as log:
            if self.preloaded and not self.twistd_options and fits(os.environ):
                self.process = forked(self._command, self.folder, log)
            else:
                self.process = subprocess.Popen(self._command, cwd=self.folder, stdout=log, stderr=log)
        return self.process

    def until_it_serves(self) -> LiveGate:
        """Wait for it."""
        assert self.process is not None
        deadline = time.monotonic() + 60
        while self.admin("/readyz")[0] == 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the gate did not start:\n{self.log.read_text()[-3000:]}")
            self.process.poll()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.05)
        return self

    def stop(self) -> int:
        """SIGTERM and its exit status."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"the gate did not stop:\n{self.log.read_text()[-3000:]}") from None

    def reload(self) -> None:
        """SIGHUP."""
        if self.process is not None:
            self.process.send_signal(signal.SIGHUP)

    def admin(self, path: str) -> tuple[int, str]:
        """Status and body of a page on the admin address; (0, "") where nothing answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=30)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError:
            return 0, ""
        finally:
            connection.close()

    def context(self) -> ssl.SSLContext:
        """A client context that trusts the gate; ALPN is the caller's."""
        context = ssl.create_default_context(cadata=self.authority.certificate.decode())
        context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
        return context

    def write_kubeconfig(self, path: Path, cluster: str, token: str) -> None:
        """What kubectl and kgate need to ask ``cluster`` through this gate."""
        authority = base64.b64encode(self.authority.certificate).decode()
        server = {"server": f"https://127.0.0.1:{self.port}/clusters/{cluster}", "certificate-authority-data": authority}
        document = {
            "kind": "Config",
            "current-context": cluster,
            "clusters": [{"name": cluster, "cluster": server}],
            "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": "me"}}],
            "users": [{"name": "me", "user": {"token": token}}],
        }
        path.write_text(yaml.safe_dump(document))

    def records(self) -> list[dict[str, Any]]:
        """Every audit record so far, in order. A line that is being written is not one yet."""
        lines: list[bytes] = []
        for path in sorted((self.folder / "audit").rglob("*.jsonl")):
            lines += path.read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines]
