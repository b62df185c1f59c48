"""Class 19: what one address may have open at once, and all together; what is past it is closed, and nobody else pays.

Requests a second, and bytes of recordings, have no quota of their own yet.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import pytest
from arena import HEAD, Arena
from lab.waiting import eventually
from ports import free_port
from proxy_header import speaks_for

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
        raw = socket.create_connection(("127.0.0.1", self._arena.gate.port), 10, source_address=(source, 0))
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
        raw = socket.create_connection(("127.0.0.1", arena.gate.port), 10, source_address=(source, 0))
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
