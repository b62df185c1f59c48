"""Everything that the soak needs running, and how to talk to the gate."""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import secrets
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

from attrs import define, field
from authority import Authority
from issuer import TestIssuer
from lab.waiting import eventually
from live_gate import LiveGate
from ports import free_port
from postgresql import programs, throw_away
from raw_client import RawClient
from sign_in import KEY, Company, company
from web_server import Page, document, web_server

from soak.ledger import Ledger

CLUSTERS = {"kgate-dev": "dev", "kgate-prod": "prod"}
PEOPLE = 1_000
"""So many are made up; each turn is somebody's of them."""
PUSH = "directory-token-with-enough-entropy-0123456789"
FOLLOWING_SECONDS = 20.0


def digest(token: str) -> str:
    """What a gate knows of a static token."""
    return hashlib.sha256(token.encode()).hexdigest()


@define(slots=False)
class World:
    """See the module. ``state`` is the store's URL."""

    folder: Path
    gate: LiveGate
    idp: TestIssuer
    transmitter: TestIssuer
    company: Company
    state: str
    kubectl: Path
    ledger: Ledger = field(factory=Ledger)
    chance: random.Random = field(factory=lambda: random.Random(17))
    _context: ssl.SSLContext | None = None

    @property
    def context(self) -> ssl.SSLContext:
        """One for all clients: making one is dear."""
        if self._context is None:
            self._context = self.gate.context()
            self._context.set_alpn_protocols(["http/1.1"])
        return self._context

    def somebody(self) -> str:
        """A person."""
        return f"person-{self.chance.randrange(PEOPLE)}"

    def token(self, sub: str, groups: tuple[str, ...] = ("developers",), **more: Any) -> str:
        """A fresh token of theirs."""
        return self.idp.token(time.time() - 1, sub=sub, groups=list(groups), jti=secrets.token_hex(6), **more)

    # --- asking

    def connection(self, seconds: float = FOLLOWING_SECONDS) -> http.client.HTTPSConnection:
        """A fresh one."""
        return http.client.HTTPSConnection("localhost", self.gate.port, context=self.context, timeout=seconds)

    def raw(self) -> RawClient:
        """One to write bytes on."""
        return RawClient(self.gate.port, self.context)

    def begin(
        self, on: http.client.HTTPSConnection, token: str, path: str, method: str = "GET", body: bytes = b"", **headers: str
    ) -> http.client.HTTPResponse:
        """A request to a cluster and the head of its answer. The body is the caller's to read."""
        agent = self.ledger.begin()
        on.request(method, path, body or None, {"Authorization": f"Bearer {token}", "User-Agent": agent, **headers})
        answer = on.getresponse()
        self.ledger.ended(agent, answer.status)
        return answer

    def ask(self, on: http.client.HTTPSConnection, token: str, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> int:
        """The whole of it; the status."""
        answer = self.begin(on, token, path, method, body, **headers)
        answer.read()
        return answer.status

    def own(
        self, token: str, path: str, body: object = None, method: str = "", kind: str = "application/json"
    ) -> tuple[int, Any]:  # fmt: skip
        """A page of the gate's own: status and document. ``body`` is JSON, or bytes as they are."""
        on = self.connection()
        try:
            data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
            headers = {"User-Agent": "soak", **({"Authorization": f"Bearer {token}"} if token else {})}
            on.request(method or ("GET" if data is None else "POST"), path, data, {**headers, **({"Content-Type": kind} if data else {})})
            answer = on.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text[:1] in (b"{", b"[") else text
        finally:
            on.close()

    # --- the gate's files

    def robots(self, more: Mapping[str, str] | None = None) -> None:
        """Static tokens: the lasting ones, and ``more`` by name."""
        lasting = {"bob": ("bob", ["sre"]), "carol": ("carol", ["sre"]), "mallory": ("mallory", list[str]())}
        entries = [
            {"name": name, "user": user, "groups": groups, "sha256": digest(self.robot(name))} for name, (user, groups) in lasting.items()
        ]
        entries.append({"name": "directory", "user": "directory", "groups": [], "sha256": digest(PUSH)})
        entries += [{"name": name, "user": name, "groups": ["developers"], "sha256": digest(token)} for name, token in (more or {}).items()]
        self.gate.write("tokens.yaml", {"robots": entries})

    def robot(self, name: str) -> str:
        """The token of a lasting one."""
        return f"{name}-token-with-enough-entropy-0123456789"


def first_policy() -> dict[str, Any]:
    """What is in force at first; ``changing.policies`` adds to it."""
    return deepcopy(_FIRST_POLICY)  # YAML would write an anchor for what is there twice


_FIRST_POLICY: dict[str, Any] = json.loads(
    """
{
  "rules": [
    {"name": "sre", "who": {"groups": ["sre"]}, "clusters": {"names": ["*"]},
     "allow": [{"verbs": ["*"], "resources": ["*"]}, {"verbs": ["*"], "paths": ["*"]}, {"actions": ["*"]}]},
    {"name": "developers", "who": {"groups": ["developers"]}, "clusters": {"labels": {"env": "dev"}},
     "allow": [{"verbs": ["*"], "resources": ["*"]}, {"verbs": ["*"], "paths": ["*"]}, {"actions": ["exec", "attach", "port-forward", "cp"]}],
     "when": {"expression": "!facts.freeze"}, "limits": {"duration": "10m", "idle": "5m"}},
    {"name": "break-glass", "who": {"groups": ["developers"]}, "clusters": {"labels": {"env": "prod"}},
     "allow": [{"verbs": ["*"], "resources": ["*"]}, {"verbs": ["*"], "paths": ["*"]}],
     "request": {"approvers": {"groups": ["sre"]}, "approvals": 1, "reason": "optional", "duration": "1h"}},
    {"name": "no-secrets", "who": {"groups": ["*"]}, "clusters": {"names": ["*"]}, "deny": [{"verbs": ["*"], "resources": ["secrets"]}]}
  ]
}
"""
)


def settings(world_of: Mapping[str, Any], workers: int) -> dict[str, Any]:
    """The configuration beside clusters and policy."""
    idp, transmitter, web, people, state = (world_of[name] for name in ("idp", "transmitter", "web", "company", "state"))
    claims = {"username": {"claim": "sub", "prefix": ""}, "groups": {"claim": "groups", "prefix": ""}}
    issuer = {"issuer": {"url": idp.url, "audiences": ["kgate"], "certificateAuthority": web.pem}, "claimMappings": claims}
    signals = {"issuer": {"url": transmitter.url, "audiences": ["gate"], "certificateAuthority": web.pem}, "about": idp.url}
    return {
        "identity": {
            "oidc": [issuer, people.issuer()],
            "tokens": {"file": "tokens.yaml"},
            "client_certificates": {"authority": "people-ca.crt"},
            "groups": {"sources": ["token", "scim"]},
            "scim": {"robots": ["directory"]},
            "signals": [signals],
        },
        "state": state,
        "workers": workers,
        "secrets": {"key_file": "secrets.key"},
        "sign_in": {"session": "10m", "token": "1m", "recheck": "10s", "unreachable": "1h"},
        "shadow": "candidate.yaml",
        "facts": [{"source": "by-hand", "file": "facts.yaml"}],
        "limits": {"sign_ins_per_address": 6000},
        "deadlines": {"idle": "2m", "head": "5s"},
        "drain": "5s",
    }


@contextmanager
def running(folder: Path, workers: int, sqlite: bool) -> Iterator[World]:
    """All of it, until the block ends."""
    where = None if sqlite else programs()
    with ExitStack() as held:
        store = held.enter_context(throw_away(where)) if where is not None else None
        authority = Authority()
        web = held.enter_context(web_server(authority))
        web.seen = _Forgotten()
        idp, transmitter = TestIssuer(web.url), TestIssuer(web.url + "/ssf")
        web.pages["/.well-known/openid-configuration"] = document({"issuer": idp.url, "jwks_uri": web.url + "/jwks"})
        web.pages["/jwks"] = Page(200, idp.document())
        web.pages["/ssf/.well-known/ssf-configuration"] = document({"issuer": transmitter.url, "jwks_uri": web.url + "/ssf/jwks"})
        web.pages["/ssf/jwks"] = Page(200, transmitter.document())
        port = free_port()
        people = held.enter_context(company(folder, port))
        people.has({f"person-{number}": ["developers"] for number in range(20)})
        for name in CLUSTERS:
            held.enter_context(_cluster(folder, name))
        gate = folder / "gate"
        gate.mkdir()
        (gate / "secrets.key").write_text(KEY)
        state = store.url() if store is not None else "sqlite:///state.db"
        clusters = {name: {"kubeconfig": f"../{name}.kubeconfig", "labels": {"env": env}} for name, env in CLUSTERS.items()}
        known = {"idp": idp, "transmitter": transmitter, "web": web, "company": people, "state": state}
        live = LiveGate(gate, authority, clusters, first_policy(), settings(known, workers), port)
        live.write("facts.yaml", {"freeze": False, "incident": {"open": False}})
        live.write("candidate.yaml", {"rules": first_policy()["rules"][:2]})
        sqlite_url = f"sqlite:///{live.store}"
        world = World(folder, live, idp, transmitter, people, state if store is not None else sqlite_url, gate / "kubeconfig")
        world.robots()
        live.write_kubeconfig(world.kubectl, "kgate-dev", world.robot("bob"))
        live.start()
        held.callback(live.stop)
        eventually("both workers serve", lambda: live.admin("/readyz")[0] == 200, 30)
        yield world


class _Forgotten(list[Any]):
    """What nobody keeps: an hour of the issuer's visitors."""

    def append(self, each: object) -> None:
        """It is gone."""


@contextmanager
def _cluster(folder: Path, name: str) -> Iterator[None]:
    """A demo cluster as a process beside."""
    command = [sys.executable, "-m", "kgate.demo", "--name", name, "--directory", str(folder)]
    with (folder / f"{name}.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            eventually(f"the cluster {name}", (folder / f"{name}.kubeconfig").exists, 30)
            yield
        finally:
            process.terminate()
