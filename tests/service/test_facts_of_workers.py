"""A signed message comes to one process of the gate, and counts in all of them."""

from __future__ import annotations

import json
import time
from pathlib import Path

from authority import Authority
from lab.waiting import eventually
from live_gate import TOKENS, LiveGate
from ports import free_port
from raw_client import RawClient

from kgate.surroundings.push import sign

KEY = b"0123456789abcdef0123456789abcdef"
THAWED = {
    "name": "thawed",
    "who": {"users": ["*"]},
    "clusters": {"names": ["*"]},
    "allow": [{"verbs": ["*"], "resources": ["*"]}],
    "when": {"facts": {"freeze": "none"}},
}
DENIED, ALLOWED = 403, 503
"""The cluster is not there: whoever may ask it is told that."""


def push(gate: LiveGate, freeze: str, at: float) -> int:
    body = json.dumps({"freeze": freeze}).encode()
    signature = sign(KEY, body, f"{at:.3f}").encode()
    head = b"POST /kgate/v1/facts/ci HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\nKgate-Signature: %s\r\n\r\n"
    with RawClient(gate.port, gate.context()) as client:
        client.send(head % (len(body), signature) + body)
        return client.status()


def ask(gate: LiveGate) -> int:
    """On a connection of its own: the kernel deals it to either."""
    with RawClient(gate.port, gate.context()) as client:
        token = TOKENS["alice"].encode()
        client.send(b"GET /clusters/away/api/v1/pods HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\n\r\n" % token)
        return client.status()


def test_both_workers_know_what_one_was_told(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("token")
    (tmp_path / "push.key").write_bytes(KEY)
    away = {"server": f"https://127.0.0.1:{free_port()}", "certificate_authority": "people-ca.crt", "token_file": "token"}
    facts = [{"source": "ci", "key_file": "push.key", "max_age": "1h", "names": ["freeze"]}]
    settings = {"workers": 2, "drain": "1s", "facts": facts}
    gate = LiveGate(tmp_path, Authority(), {"away": away}, {"rules": [THAWED]}, settings)
    gate.start()
    try:
        eventually("both workers", lambda: "does not answer" not in gate.admin("/readyz")[1])
        assert {ask(gate) for _ in range(10)} == {DENIED}
        for number, (freeze, answer) in enumerate((("none", ALLOWED), ("hard", DENIED), ("none", ALLOWED))):
            assert push(gate, freeze, time.time() + number) == 200
            eventually(f"all say {answer}", lambda answer=answer: {ask(gate) for _ in range(20)} == {answer})
    finally:
        gate.stop()
