"""Class 09: a WebSocket exec is a GET; ``*/proxy`` opens a tunnel. Neither is granted by a right to read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from arena import HEAD, Arena

pytestmark = pytest.mark.threat("09")

READERS = {
    "rules": [
        {
            "name": "readers",
            "who": {"groups": ["developers"]},
            "clusters": {"names": ["*"]},
            "allow": [{"verbs": ["*"], "resources": ["*"]}],
        }
    ]
}


@pytest.fixture(scope="module")
def readers(_arena: Arena, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    made = _arena.beside(tmp_path_factory.mktemp("readers"), policy=READERS)
    yield made
    made.gate.stop()


POD = b"/api/v1/namespaces/a/pods/web"
WEBSOCKET = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
SPDY = b"Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\nContent-Length: 0\r\n"


@pytest.mark.parametrize(
    ("method", "target", "lines"),
    [
        (b"GET", POD + b"/exec?command=sh&stdout=true", WEBSOCKET + b"Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n"),
        (b"POST", POD + b"/exec?command=sh&stdout=true", SPDY),
        (b"GET", POD + b"/attach?stdout=true", WEBSOCKET + b"Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n"),
        (b"GET", POD + b"/portforward", WEBSOCKET + b"Sec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io\r\n"),
        (b"GET", POD + b"/proxy/secret", b""),
        (b"GET", b"/api/v1/nodes/n1/proxy/runningpods/", b""),
        (b"GET", b"/api/v1/namespaces/a/services/https:web:443/proxy/", b""),
        (b"GET", b"/api/v1/proxy/namespaces/a/pods/web/", b""),
        (b"POST", b"/api/v1/namespaces/a/serviceaccounts/default/token", b"Content-Length: 0\r\n"),
    ],
)
def test_all_verbs_on_all_resources_does_not_grant_it(readers: Arena, method: bytes, target: bytes, lines: bytes) -> None:
    readers.cluster.reset()
    assert readers.ask(method + b" /clusters/lab" + target + b" HTTP/1.1\r\n" + HEAD + lines + b"\r\n") == 403
    assert readers.cluster.heads == []


def test_the_same_person_may_read(readers: Arena) -> None:
    readers.cluster.reset()
    assert readers.get(POD) == 200
