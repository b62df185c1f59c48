"""Class 19: what one address may have open at once, and all together; what is past it is closed, and nobody else pays. How many requests a second one
person may make, and one address in nobody's name; what is past it is a 429 that clients wait for.

Bytes of recordings have no quota of their own yet.
"""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from arena import HEAD, Arena
from demo_process import demo_cluster
from lab.waiting import eventually
from live_gate import TOKENS, LiveGate
from ports import free_port
from proxy_header import speaks_for
from raw_client import RawClient
from real_kubectl import KUBECTL, needs_kubectl

from kgate.exchange.local import MOST_BODY, MOST_OF_ONE

pytestmark = pytest.mark.threat("19")

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


BALANCER = "127.0.0.99"


@pytest.fixture(scope="module")
def small(_arena: Arena, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """A gate with room for eight connections, three of one address; a balancer may say whose they are."""
    port = free_port()
    listen = {
        "address": f"127.0.0.1:{port}",
        "tls": {"certificate": "gate.crt", "key": "gate.key"},
        "proxy_protocol": {"trusted": [BALANCER]},
    }
    limits = {"connections": 8, "connections_per_address": 3, "streams": 2}
    made = _arena.beside(tmp_path_factory.mktemp("small"), settings={"limits": limits, "listen": [listen]})
    made.gate.port = port
    yield made
    made.gate.stop()


class Connected:
    """Connections from chosen addresses, closed together."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._open: list[socket.socket] = []

    def __enter__(self) -> Connected:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._open:
            each.close()

    def served(self, source: str, before: bytes = b"") -> bool:
        """Whether one more from ``source``, which says ``before`` first, is served; it stays open."""
        raw = socket.create_connection(("127.0.0.1", self._arena.gate.port), 60, source_address=(source, 0))
        try:
            raw.sendall(before)
            tls = self._arena.gate.context().wrap_socket(raw, server_hostname="localhost")
            self._open.append(tls)
            tls.sendall(HEALTH)
            return tls.recv(100).startswith(b"HTTP/1.1 200 ")
        except OSError:
            raw.close()
            return False


def everybody_left(arena: Arena) -> None:
    eventually("the connections are gone", lambda: "kgate_client_connections 0.0" in arena.gate.admin("/metrics")[1])


def test_one_address_has_so_many_connections_and_the_others_theirs(small: Arena) -> None:
    everybody_left(small)
    with Connected(small) as connected:
        assert [connected.served("127.0.0.1") for _ in range(5)] == [True, True, True, False, False]
        assert connected.served("127.0.0.2")
    everybody_left(small)
    with Connected(small) as connected:
        assert connected.served("127.0.0.1"), "who leaves may come again"


def test_whoever_has_a_network_of_addresses_has_no_more_connections(small: Arena) -> None:
    """A host with IPv6 takes any address of its /64 (RFC 4291 section 2.5.4, RFC 8981), and had all the room that there is for everybody."""
    everybody_left(small)
    with Connected(small) as connected:
        assert [connected.served(BALANCER, speaks_for(f"2001:db8::{number:x}")) for number in range(4)] == [True, True, True, False]
        assert connected.served(BALANCER, speaks_for("2001:db8:0:1::1"))
    everybody_left(small)


def test_all_together_have_so_many(small: Arena) -> None:
    everybody_left(small)
    with Connected(small) as connected:
        assert all(connected.served(f"127.0.0.{number}") for number in (1, 1, 1, 2, 2, 2, 3, 3))
        assert not connected.served("127.0.0.4")
    everybody_left(small)


def test_a_streams_limit_of_the_configuration_is_the_one_that_clients_are_told(small: Arena) -> None:
    everybody_left(small)
    with small.http2() as client:
        client.turn()
        assert client.h2.remote_settings.max_concurrent_streams == 2
    everybody_left(small)
    with small.client() as client:
        client.send(b"GET /clusters/lab/api/v1/pods HTTP/1.1\r\n" + HEAD + b"\r\n")
        assert client.status() == 200


READ = b"405"
"""The page's own answer, which has read the request: nobody posts there."""


class Sender:
    """A request for the gate itself of whose body all but the last byte came."""

    def __init__(self, arena: Arena, source: str) -> None:
        raw = socket.create_connection(("127.0.0.1", arena.gate.port), 60, source_address=(source, 0))
        self._tls = arena.gate.context().wrap_socket(raw, server_hostname="localhost")
        head = b"POST /kgate/v1/whoami HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % MOST_BODY
        self._tls.sendall(head + bytes(MOST_BODY - 1))
        self._tls.setblocking(False)

    def answered(self) -> bytes:
        """The status, as far as there is an answer."""
        try:
            return self._tls.recv(1000)[9:12]
        except ssl.SSLWantReadError:
            return b""

    def finished(self) -> bytes:
        """The status once the last byte is there too."""
        self._tls.sendall(b"\0")
        return eventually("its answer", self.answered)

    def close(self) -> None:
        self._tls.close()


def test_one_address_has_no_more_of_the_gates_memory_than_its_share(arena: Arena) -> None:
    """A body for the gate's own pages is read whole before anybody knows whose it is: a thousand connections were a gigabyte of a stranger's."""
    senders = [Sender(arena, "127.0.0.5") for _ in range(MOST_OF_ONE // MOST_BODY + 1)]
    refused = eventually("one too many is refused", lambda: [each for each in senders if each.answered() == b"503"])
    other = Sender(arena, "127.0.0.6")
    assert len(refused) == 1 and other.finished() == READ
    held = [each for each in senders if each not in refused]
    assert [each.finished() for each in held] == [READ] * len(held)
    again = Sender(arena, "127.0.0.5")
    assert again.finished() == READ, "who was answered may come again"
    for each in (*senders, other, again):
        each.close()


# --- requests a second

RATE = 4
BURST = 5 * RATE
"""At once: five seconds of the rate."""


@pytest.fixture
def slow(_arena: Arena, tmp_path: Path) -> Iterator[Arena]:
    """A gate at which nobody may make more than four requests a second."""
    made = _arena.beside(tmp_path, settings={"limits": {"requests_per_person": RATE, "requests_per_address": RATE}})
    yield made
    made.gate.stop()


def asks(client: RawClient, who: str, target: str = "/clusters/lab/api/v1/pods") -> int:
    """The status of one more request on a connection."""
    token = TOKENS.get(who, who)
    client.send(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    return client.status()


def from_address(arena: Arena, source: str, who: str, target: str = "/clusters/lab/api/v1/pods") -> int:
    """The status of one request on a connection of its own, from ``source``."""
    with connected_from(arena, source) as tls:
        return asked_on(tls, who, target)


def all_from_address(arena: Arena, source: str, who: str, target: str = "/clusters/lab/api/v1/pods") -> list[int]:
    """Those of more requests than a burst. They are connected before the first one asks: a busy machine makes hardly more handshakes a second than the
    rate lets through."""
    with ExitStack() as opened:
        connections = [opened.enter_context(connected_from(arena, source)) for _ in range(BURST + 20)]
        return [asked_on(each, who, target) for each in connections]


def connected_from(arena: Arena, source: str) -> ssl.SSLSocket:
    raw = socket.create_connection(("127.0.0.1", arena.gate.port), 60, source_address=(source, 0))
    return arena.gate.context().wrap_socket(raw, server_hostname="localhost")


def asked_on(tls: ssl.SSLSocket, who: str, target: str) -> int:
    token = TOKENS.get(who, who)
    tls.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    return int(tls.recv(65536)[9:12])


def metric(arena: Arena, name: str) -> float:
    lines = arena.gate.admin("/metrics")[1].splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)), 0.0)


def refusals(arena: Arena) -> list[dict[str, Any]]:
    return [record for record in arena.gate.records() if record.get("status") == 429]


def test_one_person_makes_so_many_requests_and_the_others_theirs(slow: Arena) -> None:
    with slow.client() as ann, slow.client() as again, slow.client() as bob:
        begun = time.monotonic()
        answers = [asks(ann if number % 2 else again, "alice") for number in range(BURST + 40)]
        assert answers[:BURST] == [200] * BURST, "whatever the connection"
        most = BURST + 1 + (time.monotonic() - begun) * RATE
        assert BURST <= answers.count(200) <= most and answers.count(429) == len(answers) - answers.count(200)
        assert asks(bob, "bob") == 403, "bob is asked what he may, not told to wait"
        assert len(slow.cluster.heads) == answers.count(200), "what is refused goes nowhere"


def test_who_is_refused_is_told_when_to_ask_again_in_kubernetes_own_terms(slow: Arena) -> None:
    with slow.client() as ann:
        while asks(ann, "alice") == 200:
            pass
        assert b"\r\nretry-after: 1\r\n" in ann.last_head.lower()
        status = json.loads(ann.last_body)
        assert (status["kind"], status["code"], status["reason"], status["details"]) == (
            "Status",
            429,
            "TooManyRequests",
            {"retryAfterSeconds": 1},
        )
        assert status["message"].startswith("kgate: you make more than 4 requests a second here")
        time.sleep(1)
        assert asks(ann, "alice") == 200, "and on the same connection it is taken then"


def test_a_stream_over_http2_is_refused_and_the_others_of_its_connection_go_on(slow: Arena) -> None:
    fields = [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":authority", b"localhost"),
        (b":path", b"/clusters/lab/api/v1/pods"),
        (b"authorization", b"Bearer " + TOKENS["alice"].encode()),
    ]
    with slow.http2() as client:
        outcomes = [client.outcome(client.get(fields)) for _ in range(BURST + 40)]
        assert outcomes[:BURST] == [200] * BURST and set(outcomes[BURST:]) <= {200, 429} and 429 in outcomes
        time.sleep(1)
        assert client.outcome(client.get(fields)) == 200


def test_a_flood_is_counted_and_one_of_it_is_on_record(slow: Arena) -> None:
    with slow.client() as ann:
        answers = [asks(ann, "alice") for _ in range(BURST + 60)]
        refused = answers.count(429)
        assert metric(slow, 'kgate_over_quota_total{of="person"}') == refused == metric(slow, 'kgate_denied_total{code="429"}')
        (record,) = eventually("its record", lambda: refusals(slow))
        assert (record["user"], record["allowed"], record["event"]) == ("alice", False, "request")


def test_an_address_may_be_nobody_so_often_and_whoever_is_known_there_is_not_kept_out(slow: Arena) -> None:
    answers = all_from_address(slow, "127.0.0.7", "nonsense")
    assert answers[:BURST] == [401] * BURST and 429 in answers[BURST:] and set(answers) == {401, 429}
    assert from_address(slow, "127.0.0.7", "alice") == 200
    assert from_address(slow, "127.0.0.8", "nonsense") == 401
    assert metric(slow, 'kgate_over_quota_total{of="address"}') == answers.count(429)
    (record,) = eventually("its record", lambda: refusals(slow))
    assert record["source_ip"] == "127.0.0.7" and "user" not in record


def test_the_gate_s_own_pages_are_asked_for_in_nobody_s_name(slow: Arena) -> None:
    answers = all_from_address(slow, "127.0.0.9", "alice", "/kgate/v1/whoami")
    assert answers[:BURST] == [200] * BURST and 429 in answers[BURST:]
    assert from_address(slow, "127.0.0.9", "nonsense", "/healthz") == 200, "a balancer's question is not counted"
    assert from_address(slow, "127.0.0.9", "alice") == 200


def test_a_reload_brings_another_rate(slow: Arena) -> None:
    with slow.client() as ann:
        while asks(ann, "alice") == 200:
            pass
        slow.gate.write("kgate.yaml", slow.gate.config | {"limits": {"requests_per_person": 0}})
        eventually("no limit any more", lambda: [asks(ann, "alice") for _ in range(50)] == [200] * 50)
        assert "limits.requests_per_person: one person's program can keep the gate from everybody else" in slow.gate.log.read_text()
        eventually("its record", lambda: [each for each in slow.gate.records() if "limits.requests_per_person" in str(each)])


@pytest.fixture
def before_demo(slow: Arena, tmp_path: Path) -> Iterator[Arena]:
    """The same before a demo cluster."""
    with demo_cluster("demo", tmp_path) as upstream:
        limits = {"limits": {"requests_per_person": RATE}}
        gate = LiveGate(tmp_path / "gate", slow.gate.authority, {"demo": {"kubeconfig": str(upstream)}}, settings=limits).start()
        yield Arena(gate, slow.cluster)
        gate.stop()


@needs_kubectl
def test_a_real_kubectl_waits_as_it_is_told_and_succeeds(before_demo: Arena, tmp_path: Path) -> None:
    """client-go asks again by itself after a 429 with Retry-After (k8s.io/client-go rest/with_retry.go), ten times at most."""
    kubeconfig, said = tmp_path / "kubeconfig", tmp_path / "said"
    before_demo.gate.write_kubeconfig(kubeconfig, "demo", TOKENS["alice"])
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "KUBECACHEDIR": str(tmp_path / "cache")}
    command = [str(KUBECTL), "-v=6", "get", "namespaces", "-o", "name"]
    with before_demo.client() as ann:
        while asks(ann, "alice", "/clusters/demo/version") == 200:
            pass
        with said.open("wb") as errors:
            kubectl = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors)
        while b"429" not in said.read_bytes() and kubectl.poll() is None:
            asks(ann, "alice", "/clusters/demo/version")  # somebody's program goes on in the same name
    out, _ = kubectl.communicate(timeout=60)
    text = said.read_text()
    assert kubectl.returncode == 0 and b"namespace/default" in out, text
    assert "429 Too Many Requests" in text and re.search("Retry-After", text, re.IGNORECASE), text
