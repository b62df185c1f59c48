"""TLS over our own sockets, on a real reactor, against stdlib clients in threads."""

from __future__ import annotations

import contextlib
import gc
import ipaddress
import select
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from authority import Authority
from reactors import dispose, make_reactor, turn_until

from kgate.errors import KgateError
from kgate.net.contexts import client_context, server_context
from kgate.net.listener import Listener, bind
from kgate.net.tls import TlsTransport
from kgate.net.turn import Turn


class Echo:
    """Carried over TLS: sends back what comes, pausing its peer while it cannot."""

    def __init__(self, transport: TlsTransport, address: str, answer: bytes) -> None:
        self.transport, self.address, self.answer = transport, address, answer
        self.lost_because: str | None = None

    def received(self, data: bytes) -> None:
        if data == b"farewell":
            self.transport.write(b"so long")
            self.transport.close()
            return
        if data == b"?":
            self.transport.write(self.answer)
            self.transport.close()
            return
        if data == b"part":
            self.transport.write(b"so long")
            self.transport.part()
            return
        self.transport.write(data)
        if self.transport.congested:
            self.transport.pause_reading()

    def drained(self) -> None:
        self.transport.resume_reading()

    def ended(self) -> None:
        self.transport.close()

    def lost(self, reason: str) -> None:
        self.lost_because = reason


class World:
    """A reactor, a listener with a certificate, and a client that trusts it."""

    def __init__(self, folder: Path) -> None:
        self.reactor = make_reactor()
        self.turn = Turn()
        self.authority = Authority()
        certificate, key = self.authority.leaf("localhost", "127.0.0.1").write(folder, "server")
        self.context = server_context(certificate, key, self.authority.certificate.decode())
        self.echoes: list[Echo] = []
        self.balancers: tuple[Any, ...] = ()
        self.answer = b""
        """To a question mark."""
        self.pool = ThreadPoolExecutor(4)

    def listen(self) -> int:
        listener = Listener(self.reactor, self.turn, bind("127.0.0.1", 0, shared=False), lambda: self.context, self._serve, self.balancers)
        listener.start()
        return listener.port

    def _serve(self, transport: TlsTransport, address: str) -> Any:
        echo = Echo(transport, address, self.answer)
        self.echoes.append(echo)
        return echo

    def client(self, alpn: list[str] | None = None) -> ssl.SSLContext:
        return client_context(self.authority.certificate.decode(), alpn=alpn)

    def run(self, work: Any, *args: Any) -> Any:
        """``work`` in a thread while the reactor turns."""
        future: Future[Any] = self.pool.submit(work, *args)
        turn_until(self.reactor, future.done)
        return future.result()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.pool.shutdown()
    dispose(made.reactor)


def dial(world: World, port: int, before: bytes = b"", alpn: list[str] | None = None) -> ssl.SSLSocket:
    raw = socket.create_connection(("127.0.0.1", port), 60)
    raw.sendall(before)
    return world.client(alpn).wrap_socket(raw, server_hostname="localhost")


def ask(world: World, port: int, data: bytes, before: bytes = b"", alpn: list[str] | None = None) -> bytes:
    with dial(world, port, before, alpn) as tls:
        tls.setblocking(False)  # one thread for both ways: an SSL object takes no two at once
        answer, left = bytearray(), memoryview(data)
        while len(answer) < len(data):
            assert any(select.select([tls], [tls] if left else [], [], 60)), f"{len(answer)} bytes came back, and then nothing for a minute"
            with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                while left:
                    left = left[tls.send(left[:16384]) :]
            with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                while piece := tls.recv(65536):
                    answer += piece
        return bytes(answer)


def test_what_is_sent_comes_back(world: World) -> None:
    assert world.run(ask, world, world.listen(), b"hello") == b"hello"
    turn_until(world.reactor, lambda: world.echoes[0].lost_because is not None)


def test_eight_megabytes_both_ways_at_once_arrive_whole(world: World) -> None:
    data = bytes(range(256)) * 32768
    assert world.run(ask, world, world.listen(), data) == data


def test_one_write_may_be_larger_than_the_kernel_takes_in_one_call(world: World) -> None:
    data = bytes(range(256)) * (80 * 1024)  # 20 MB, 1,280 records
    port = world.listen()

    def read_all() -> bytes:
        with dial(world, port) as tls:
            tls.sendall(b"?")
            return b"".join(iter(lambda: tls.recv(65536), b""))

    world.answer = data
    assert world.run(read_all) == data


def test_alpn_is_agreed_on_and_its_absence_is_seen(world: World) -> None:
    port = world.listen()
    world.run(ask, world, port, b"x", b"", ["h2", "http/1.1"])
    world.run(ask, world, port, b"x")
    assert [echo.transport.alpn for echo in world.echoes] == ["h2", None]


AES_128, AES_256, CHACHA = "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"


@pytest.mark.parametrize("order", [(AES_128, AES_256, CHACHA), (CHACHA, AES_256), (AES_256, AES_128)], ids=lambda order: order[0])
def test_the_client_chooses_among_the_suites(world: World, order: tuple[str, ...]) -> None:
    def suite(port: int) -> str:
        context = world.client()
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # whose order Python lets a client choose
        context.set_ciphers(":".join(order))
        with context.wrap_socket(socket.create_connection(("127.0.0.1", port), 60), server_hostname="localhost") as tls:
            return (tls.cipher() or ("none",))[0]

    assert world.run(suite, world.listen()) == order[0]


@pytest.mark.parametrize("weak", ["ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA", "AES128-GCM-SHA256"])
def test_a_suite_that_http2_forbids_is_not_taken(world: World, weak: str) -> None:
    def shake_hands(port: int) -> str:
        context = world.client()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(weak)
        with socket.create_connection(("127.0.0.1", port), 60) as raw, pytest.raises(ssl.SSLError) as refused:
            context.wrap_socket(raw, server_hostname="localhost")
        return str(refused.value)

    assert "handshake failure" in world.run(shake_hands, world.listen()).lower()


def test_a_farewell_arrives_though_the_client_is_still_sending(world: World) -> None:
    def talk(port: int) -> bytes:
        with dial(world, port) as tls:
            tls.sendall(b"farewell")
            return tls.recv(100) + tls.recv(100)

    assert world.run(talk, world.listen()) == b"so long"


def test_a_peer_that_sends_on_after_the_farewell_is_dropped_before_its_time(world: World) -> None:
    def talk(port: int) -> None:
        with dial(world, port) as tls:
            tls.sendall(b"farewell")
            assert tls.recv(100) == b"so long"
            with contextlib.suppress(OSError):
                while True:
                    tls.sendall(bytes(65536))

    world.run(talk, world.listen())
    turn_until(world.reactor, lambda: world.echoes[0].lost_because is not None)
    assert world.echoes[0].lost_because == "it went on sending"


def test_a_client_that_was_told_to_go_may_go_by_itself(world: World) -> None:
    def talk(port: int) -> bytes:
        with dial(world, port) as tls:
            tls.sendall(b"part")
            return tls.recv(100)

    assert world.run(talk, world.listen()) == b"so long"
    turn_until(world.reactor, lambda: world.echoes[0].lost_because is not None)


def test_a_client_that_was_told_to_go_and_stays_is_closed(world: World) -> None:
    def talk(port: int) -> bytes:
        with dial(world, port) as tls:
            tls.sendall(b"part")
            return tls.recv(100) + tls.recv(100)

    assert world.run(talk, world.listen()) == b"so long"


@pytest.mark.threat("11")
def test_threat_11_a_proxy_header_counts_only_from_a_configured_balancer(world: World) -> None:
    header = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes([203, 0, 113, 9, 10, 0, 0, 1]) + b"\x00\x01\x00\x02"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        world.run(ask, world, world.listen(), b"x", header)  # to anybody else it is garbage before TLS

    world.balancers = (ipaddress.ip_network("127.0.0.0/8"),)
    assert world.run(ask, world, world.listen(), b"x", header) == b"x"
    assert world.echoes[-1].address == "203.0.113.9"


def test_a_port_in_use_is_said_with_what_to_do() -> None:
    first = bind("127.0.0.1", 0, shared=False)
    with pytest.raises(KgateError, match="another program has it"):
        bind("127.0.0.1", first.getsockname()[1], shared=False)
    first.close()


def quits_before_the_handshake(world: World, port: int) -> None:
    socket.create_connection(("127.0.0.1", port), 60).close()


def speaks_no_tls(world: World, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 60) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\n\r\n")
        raw.recv(100)


def asks_and_closes(world: World, port: int) -> None:
    assert ask(world, port, b"hello") == b"hello"


def is_told_to_go(world: World, port: int) -> None:
    with dial(world, port) as tls:
        tls.sendall(b"farewell")
        assert tls.recv(100) == b"so long"
        assert tls.recv(100) == b""


@pytest.mark.parametrize("client", [quits_before_the_handshake, speaks_no_tls, asks_and_closes, is_told_to_go])
def test_a_connection_that_is_over_is_gone_at_once(world: World, client: Callable[[World, int], None]) -> None:
    """The garbage collector comes seldom, and does not weigh what OpenSSL holds for a connection."""
    port = world.listen()
    world.run(asks_and_closes, world, port)  # what is made once
    turn_until(world.reactor, lambda: world.echoes[0].lost_because is not None)
    world.echoes.clear()
    gc.collect()
    gc.disable()
    try:
        before = of_connections()
        world.run(client, world, port)
        turn_until(world.reactor, lambda: all(echo.lost_because is not None for echo in world.echoes))
        world.echoes.clear()
        turn_until(world.reactor, lambda: of_connections() == before)
    finally:
        gc.enable()


def of_connections() -> Counter[str]:
    """How many objects there are that only a connection has."""
    names = {"TlsTransport", "StreamSocket", "_Arrival", "Echo", "SSLObject", "MemoryBIO"}
    return Counter(name for each in gc.get_objects() if (name := type(each).__qualname__) in names)
