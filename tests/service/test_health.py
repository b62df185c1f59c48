"""``/healthz`` of the public listener: a balancer's probe, who shows nothing, hears of the gate; a person at a cluster's host asks that cluster."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

import pytest
from arena import ALICE, Arena
from authority import Authority
from running import Make
from test_tls import ssl_connection


@pytest.fixture(scope="module")
def arena(make_shared: Make) -> Arena:
    made = make_shared({"hosts": ["lab.example.com", "localhost"]})
    made.gate.start()
    return made


@pytest.fixture(autouse=True)
def _nothing_recorded(arena: Arena) -> None:
    arena.cluster.reset()


@pytest.mark.parametrize("host", [b"127.0.0.1", b"localhost", b"lab.example.com:8443"])
def test_whoever_shows_nothing_hears_of_the_gate_itself(arena: Arena, host: bytes) -> None:
    assert arena.ask(b"GET /healthz HTTP/1.1\r\nHost: " + host + b"\r\n\r\n") == 200
    assert arena.cluster.heads == []


def test_a_person_at_the_gates_own_host_hears_of_the_gate_itself(arena: Arena) -> None:
    assert arena.ask(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n" + ALICE + b"\r\n\r\n") == 200
    assert arena.cluster.heads == []


@pytest.mark.parametrize(("target", "host"), [(b"/healthz", b"localhost"), (b"/clusters/lab/healthz", b"127.0.0.1")])
def test_a_person_asks_the_cluster_that_they_name(arena: Arena, target: bytes, host: bytes) -> None:
    """kubectl get --raw /healthz said that a cluster was well which could not be reached."""
    assert arena.ask(b"GET " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\n" + ALICE + b"\r\n\r\n") == 200
    assert [head.split(b" HTTP/")[0] for head in arena.cluster.heads] == [b"GET /healthz"]


def test_so_does_somebody_with_a_certificate(arena: Arena, authority: Authority) -> None:
    context = arena.gate.context()
    carol = authority.leaf(common_name="carol", organizations=("developers",), client=True)
    context.load_cert_chain(*carol.write(arena.gate.folder, "carol"))
    with ssl_connection(arena, context) as tls:
        tls.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert tls.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert len(arena.cluster.heads) == 1


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n", 200),
        (b"GET /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\n" + ALICE + b"\r\n", 404),
        (b"GET /clusters/lab/api HTTP/1.1\r\nHost: localhost\r\n", 401),
        (b"GET /kgate/v1/whoami HTTP/1.1\r\nHost: 127.0.0.1\r\n" + ALICE + b"\r\n", 200),
        (b"GET /clusters/lab/api HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n", 400),
    ],
)
def test_whatever_the_gate_itself_answers_has_the_date(arena: Arena, request_: bytes, status: int) -> None:
    """RFC 9110 section 6.6.1 demands one of whoever has a clock."""
    with arena.client() as client:
        before = int(time.time())
        client.send(request_ + b"\r\n")
        assert client.status() == status
    (date,) = [line[6:] for line in client.last_head.split(b"\r\n") if line.lower().startswith(b"date: ")]
    assert before <= parsedate_to_datetime(date.decode()).timestamp() <= time.time()
