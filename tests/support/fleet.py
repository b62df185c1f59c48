"""Two gates of one fleet: one store (PostgreSQL), one issuer, one cluster. What one of them is told, the other one has to know."""

from __future__ import annotations

import json
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import postgresql
import pytest
from attrs import define
from authority import Authority
from issuer import TestIssuer
from live_gate import LiveGate
from postgresql import PostgreSql
from raw_client import RawClient
from recording_cluster import RecordingCluster
from web_server import Page, document, web_server

from kgate.identity.notice_tokens import BACKCHANNEL_LOGOUT

POLICY = {
    "rules": [
        {
            "name": "all",
            "who": {"users": ["*"]},
            "clusters": {"names": ["*"]},
            "allow": [{"verbs": ["*"], "resources": ["*"]}, {"actions": ["lock"]}],
        }
    ]
}
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n"


@define
class Fleet:
    """See the module."""

    gates: tuple[LiveGate, LiveGate]
    idp: TestIssuer
    store: PostgreSql

    def token(self, sub: str) -> str:
        return self.idp.token(time.time() - 1, sub=sub)

    def asks(self, gate: LiveGate, token: str) -> tuple[int, bytes]:
        with RawClient(gate.port, gate.context()) as client:
            client.send(b"GET /clusters/lab/api/v1/pods HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\n\r\n" % token.encode())
            return client.status(), getattr(client, "last_body", b"")

    def watch(self, gate: LiveGate, token: str) -> RawClient:
        client = RawClient(gate.port, gate.context())
        client.send(
            b"GET /clusters/lab/api/v1/pods?watch=true HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\n\r\n" % token.encode()
        )
        said = client.until(b"{}\n\r\n")
        assert said.startswith(b"HTTP/1.1 200"), said
        return client

    def logs_out(self, gate: LiveGate, sub: str) -> int:
        """The issuer tells one of them."""
        now = time.time()
        claims: dict[str, Any] = {"iss": self.idp.url, "aud": "kgate", "iat": now, "exp": now + 60, "jti": f"l{now}", "sub": sub}
        token = self.idp.sign(claims | {"events": {BACKCHANNEL_LOGOUT: {}}}, typ="logout+jwt")
        body = urllib.parse.urlencode({"logout_token": token}).encode()
        head = b"POST /kgate/v1/backchannel-logout HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        with RawClient(gate.port, gate.context()) as client:
            client.send(head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
            return client.status()

    def locks_out(self, gate: LiveGate, token: str, user: str) -> int:
        """Whoever has ``token`` tells one of them."""
        body = json.dumps({"name": f"out-{user}", "user": user}).encode()
        head = b"POST /kgate/v1/locks HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\n" % token.encode()
        with RawClient(gate.port, gate.context()) as client:
            client.send(head + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            return client.status()


@contextmanager
def fleet_of_postgresql(folder: Path) -> Iterator[Fleet]:
    """One on a PostgreSQL of its own, where that is installed."""
    where = postgresql.programs()
    if where is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    with postgresql.throw_away(where) as store, fleet(folder, store) as made:
        yield made


@contextmanager
def fleet(folder: Path, store: PostgreSql) -> Iterator[Fleet]:
    """It runs until the block ends."""
    authority = Authority()
    cluster = RecordingCluster(folder, authority)
    cluster.answer = lambda connection, head: connection.send(
        STREAM if b"watch=true" in head else b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    )
    state = store.url()
    with web_server(authority) as web:
        idp = TestIssuer(web.url)
        web.pages["/.well-known/openid-configuration"] = document({"issuer": idp.url, "jwks_uri": web.url + "/jwks"})
        web.pages["/jwks"] = Page(200, idp.document())
        names = {"username": {"claim": "sub", "prefix": ""}}
        oidc = {"issuer": {"url": idp.url, "audiences": ["kgate"], "certificateAuthority": web.pem}, "claimMappings": names}
        made = []
        for name in ("one", "two"):
            clusters = {"lab": cluster.access(folder / name)}
            made.append(LiveGate(folder / name, authority, clusters, POLICY, {"identity": {"oidc": [oidc]}, "state": state}))
        for gate in made:
            gate.start()
        try:
            yield Fleet((made[0], made[1]), idp, store)
        finally:
            for gate in made:
                gate.stop()
            cluster.stop()
