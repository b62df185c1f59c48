"""kgate as an operator runs it, with everything on: fifty rules, verified tokens, strict durable audit, metrics. JSON is YAML, without anchors."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.ground import Ground
from bench.process import Server, free_port

Document = dict[str, object]


def kgate(ground: Ground) -> Server:
    """One process, ``audit.mode: strict``."""
    return start(ground, "kgate")


def kgate_best_effort(ground: Ground) -> Server:
    """Without waiting for the record, to see what the wait costs."""
    return start(ground, "kgate-best-effort", mode="best_effort")


def start(ground: Ground, name: str, *, mode: str = "strict", workers: int = 1, core: int | None = -1, under: Sequence[str] = ()) -> Server:
    """A gate in a folder of its own. ``core``: -1 is the proxy core, None any. ``under``: the command that runs it, as valgrind does."""
    folder = ground.folder / name
    folder.mkdir(exist_ok=True)
    port = free_port()
    for file in ("tls.crt", "tls.key", "ca.crt"):
        (folder / file).touch(0o600)
        (folder / file).write_bytes((ground.folder / file).read_bytes())
    (folder / "cluster-token").touch(0o600)
    (folder / "cluster-token").write_text("the-gate's-own-token-of-the-cluster")
    (folder / "tokens.yaml").write_text(json.dumps({"robots": _robots(ground)}))
    (folder / "policy.yaml").write_text(json.dumps({"rules": _rules(ground)}))
    (folder / "kgate.yaml").write_text(json.dumps(_settings(ground, port, mode, workers)))
    argv = [*under, str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "kgate", "--config", "kgate.yaml"]
    pinned = ground.cores.proxy if core == -1 else core
    return Server(name, argv, port, folder / "gate.log", core=pinned, cwd=folder)


def _settings(ground: Ground, port: int, mode: str, workers: int) -> Document:
    ports = ground.ports
    addresses = {"h2": ports.h2, "h1": ports.h1, "streams-h2": ports.streams_h2, "streams-h1": ports.streams_h1}
    return {
        "listen": [{"address": f"127.0.0.1:{port}", "tls": {"certificate": "tls.crt", "key": "tls.key"}}],
        "public_url": f"https://127.0.0.1:{port}",
        "clusters": {name: _cluster(number) for name, number in addresses.items()},
        "identity": {"tokens": {"file": "tokens.yaml"}},
        "policy": "policy.yaml",
        "audit": {"directory": "audit", "mode": mode},
        "admin": {"address": f"127.0.0.1:{free_port()}"},
        "limits": {"connections_per_address": 5000, "requests_per_person": 1_000_000},
        "drain": "1s",
        "workers": workers,
    }


def _cluster(port: int) -> Document:
    return {
        "server": f"https://127.0.0.1:{port}",
        "certificate_authority": "ca.crt",
        "token_file": "cluster-token",
        "tls_server_name": "localhost",
        "labels": {"env": "bench"},
    }


def _robots(ground: Ground) -> list[Document]:
    return [
        {
            "name": person.name,
            "sha256": person.digest,
            "user": person.name,
            "groups": ["everyone", person.group],
            "expires": "2099-01-01T00:00:00Z",
        }
        for person in ground.people
    ]


def _rules(ground: Ground) -> list[Document]:
    """Fifty: one that denies, and one for each group, so that the first that matches is on average in the middle."""
    resources = ["pods", "pods/log", "configmaps", "services", "deployments.apps"]
    allow = [
        {"verbs": ["get", "list", "watch"], "resources": resources, "namespaces": ["team-*", "!team-secret"]},
        {"verbs": ["list", "watch"], "resources": resources},
        {"actions": ["exec", "logs"], "namespaces": ["team-*"]},
    ]
    groups = sorted({person.group for person in ground.people})
    deny: Document = {"name": "no-secrets", "who": {"groups": ["*"]}, "clusters": {"names": ["*"]}}
    rules: list[Document] = [
        {"name": f"rule-{group}", "who": {"groups": [group]}, "clusters": {"labels": {"env": "bench"}}, "allow": allow} for group in groups
    ]
    return [{**deny, "deny": [{"verbs": ["*"], "resources": ["secrets"]}]}, *rules]
