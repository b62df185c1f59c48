"""``TlsTransport`` between a client in memory and a socket that keeps what it is given."""

from __future__ import annotations

import contextlib
import os
import ssl
import subprocess
import sys
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
from authority import Authority
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kgate.net.contexts import client_context, server_context
from kgate.net.records import RECORD
from kgate.net.tls import TlsTransport


class Wire:
    """What the transport takes for its socket."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.open = True
        self.congested = False

    def write(self, data: bytes) -> None:
        self.sent += data

    gather = write

    def close(self, patient: bool = False) -> None:
        self.open = False

    def resume_reading(self) -> None:
        pass

    def pause_reading(self) -> None:
        pass


class World:
    """Carries what the transport decrypts; ``client`` is the other end. ``enough``: pieces after which it closes. ``suite``: of TLS 1.2, "" is 1.3.
    Without ``acquainted`` the handshake is left to the test. ``keys``: where the client writes its secrets."""

    def __init__(self, folder: Path, suite: str = "", *, acquainted: bool = True, keys: Path | None = None) -> None:
        authority = Authority()
        certificate, key = authority.leaf("localhost").write(folder, "server")
        self.wire: Any = Wire()
        self.transport = TlsTransport(server_context(certificate, key, authority.certificate.decode()), self, server_side=True)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = client_context(authority.certificate.decode())
        if keys is not None:
            context.keylog_filename = str(keys)
        if suite:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(suite)
        self.client = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self.pieces: list[bytes] = []
        self.over = False
        self.lost_because: str | None = None
        self.enough = 1000
        self.transport.start(self.wire)
        for _ in range(2 if acquainted else 0):
            self.shake_hands()
            self.flow()

    def shake_hands(self) -> None:
        with contextlib.suppress(ssl.SSLWantReadError):
            self.client.do_handshake()

    def flow(self) -> None:
        """What each side has for the other gets there, in one piece."""
        self.transport.received(memoryview(self.outgoing.read()))
        assert self.lost_because is None
        self.incoming.write(bytes(self.wire.sent))
        self.wire.sent.clear()

    def record(self, data: bytes) -> bytes:
        """What carries ``data``."""
        self.client.write(data)
        return self.outgoing.read()

    def say(self, data: bytes) -> None:
        for start in range(0, len(data), RECORD):
            self.client.write(data[start : start + RECORD])

    def connected(self, transport: TlsTransport) -> World:
        return self

    def received(self, data: bytes) -> None:
        self.pieces.append(data)
        if len(self.pieces) == self.enough:
            self.transport.close()

    def ended(self) -> None:
        self.over = True

    def lost(self, reason: str) -> None:
        self.lost_because = reason

    def drained(self) -> None:
        pass


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_all_records_of_one_read_are_given_on_together(world: World) -> None:
    data = bytes(range(256)) * 1024  # 16 records
    world.say(data)
    world.flow()
    assert world.pieces == [data]


def test_records_that_go_straight_out_are_given_on_one_by_one(world: World) -> None:
    world.transport.pass_through()
    data = bytes(range(256)) * 1024
    world.say(data)
    world.flow()
    assert world.pieces == [data[start : start + RECORD] for start in range(0, len(data), RECORD)]


def test_nothing_is_given_on_after_a_close_though_it_came_with_what_was(world: World) -> None:
    world.transport.pass_through()
    world.enough = 1
    world.say(bytes(16 * RECORD))
    world.flow()
    assert len(world.pieces) == 1


def test_what_comes_before_a_close_notify_is_given_on_before_the_end(world: World) -> None:
    world.transport.pass_through()
    world.say(bytes(9 * RECORD))
    with contextlib.suppress(ssl.SSLWantReadError):
        world.client.unwrap()
    world.flow()
    assert sum(map(len, world.pieces)) == 9 * RECORD
    assert world.over


def test_records_before_one_that_is_broken_count_and_the_connection_ends(world: World) -> None:
    world.transport.pass_through()
    world.say(bytes(8 * RECORD))
    broken = bytearray(world.outgoing.read())
    broken[-1] ^= 1
    world.transport.received(memoryview(broken))
    assert world.lost_because is not None
    assert "bad record mac" in world.lost_because
    assert 0 < sum(map(len, world.pieces)) < 8 * RECORD


@pytest.fixture(params=["", "ECDHE+AESGCM", "ECDHE+CHACHA20"])
def suited(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return World(tmp_path, request.param)


sizes = st.integers(1, 30) | st.integers(1000, 1060) | st.sampled_from([RECORD - 1, RECORD])


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(sizes, min_size=1, max_size=6), st.lists(st.integers(0, 40) | st.integers(1000, 1090), max_size=6))
def test_whatever_a_read_ends_with_all_whole_records_are_given_on(suited: World, sizes: list[int], beyond: list[int]) -> None:
    """Each read ends so many bytes behind a record's end: one record, one with its neighbour's beginning, two, the rest of one and another."""
    suited.pieces.clear()
    said = [bytes([index + 1]) * size for index, size in enumerate(sizes)]
    records = [suited.record(data) for data in said]
    ends = [sum(map(len, records[: index + 1])) for index in range(len(records))]
    wire = b"".join(records)
    cuts = sorted({min(end + more, len(wire)) for end, more in zip(ends, beyond, strict=False)} | {0, len(wire)})
    for start, end in pairwise(cuts):
        suited.transport.received(memoryview(wire[start:end]))
        whole = sum(1 for one in ends if one <= end)
        assert b"".join(suited.pieces) == b"".join(said[:whole])


def test_what_a_read_leaves_of_the_next_record_does_not_hide_the_one_behind_it(suited: World) -> None:
    for size, beyond in product(range(1, 25), range(23)):
        one, two, three = (suited.record(data) for data in (b"a", b"b", b"c" * size))
        for read in (one + two[:beyond], two[beyond:] + three):
            suited.transport.received(memoryview(read))
        assert b"".join(suited.pieces) == b"ab" + b"c" * size
        suited.pieces.clear()


SHORT_TAG = """
openssl_conf = all
[all]
ssl_conf = tls
[tls]
system_default = suites
[suites]
Ciphersuites = TLS_AES_128_CCM_8_SHA256
"""
IN_A_PROCESS = """
import sys
sys.path = sys.argv[2:]
from pathlib import Path
from test_tls_transport import World, test_what_a_read_leaves_of_the_next_record_does_not_hide_the_one_behind_it as test
world = World(Path(sys.argv[1]))
assert world.client.cipher()[0] == "TLS_AES_128_CCM_8_SHA256"
test(world)
"""


def test_nor_does_it_where_the_system_allows_a_suite_with_a_shorter_tag(tmp_path: Path) -> None:
    configuration = tmp_path / "openssl.cnf"
    configuration.write_text(SHORT_TAG)
    command = [sys.executable, "-c", IN_A_PROCESS, str(tmp_path), *sys.path]
    done = subprocess.run(command, env=os.environ | {"OPENSSL_CONF": str(configuration)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.lists(st.integers(1, RECORD) | st.just(RECORD), min_size=6, max_size=12),
    st.lists(st.integers(0, 150_000), max_size=3),
    st.integers(-6, 6),
)
def test_wherever_large_reads_end_all_whole_records_are_given_on(suited: World, sizes: list[int], cuts: list[int], near: int) -> None:
    suited.pieces.clear()
    said = [bytes([index + 1]) * size for index, size in enumerate(sizes)]
    records = [suited.record(data) for data in said]
    ends = [sum(map(len, records[: index + 1])) for index in range(len(records))]
    wire = b"".join(records)
    for start, end in pairwise(sorted({min(cut, len(wire)) for cut in (0, *cuts, ends[4] + near, len(wire))})):
        suited.transport.received(memoryview(wire[start:end]))
        assert b"".join(suited.pieces) == b"".join(said[: sum(1 for one in ends if one <= end)])


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.integers(1, 60) | st.just(RECORD), max_size=4), st.lists(st.integers(0, 20_000) | st.integers(-200, 0), max_size=6))
def test_wherever_reads_end_what_comes_with_the_handshakes_end_is_given_on(tmp_path: Path, sizes: list[int], cuts: list[int]) -> None:
    world = World(tmp_path, acquainted=False)
    world.shake_hands()
    world.flow()
    world.shake_hands()
    said = [bytes([index + 1]) * size for index, size in enumerate([*sizes, 1])]
    wire = world.outgoing.read() + b"".join(map(world.record, said))
    for start, end in pairwise(sorted({0, *(cut % (len(wire) + 1) for cut in cuts), len(wire)})):
        world.transport.received(memoryview(wire[start:end]))
    assert b"".join(world.pieces) == b"".join(said)
    world.pieces.clear()
    world.transport.received(memoryview(world.record(b"later")))
    assert world.pieces == [b"later"]


def test_records_that_carry_nothing_for_us_do_not_hide_those_that_do(tmp_path: Path) -> None:
    """A server's tickets (RFC 8446 section 4.6.1), which come when it likes."""
    authority = Authority()
    certificate, key = authority.leaf("localhost").write(tmp_path, "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.num_tickets = 2
    for together in (False, True):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = context.wrap_bio(incoming, outgoing, server_side=True)
        told = World(tmp_path, acquainted=False)
        wire: Any = Wire()
        transport = TlsTransport(client_context(authority.certificate.decode()), told, server_side=False, server_hostname="localhost")
        transport.start(wire)
        incoming.write(bytes(wire.sent))
        with contextlib.suppress(ssl.SSLWantReadError):
            server.do_handshake()
        wire.sent.clear()
        transport.received(memoryview(outgoing.read()))
        incoming.write(bytes(wire.sent))
        server.do_handshake()
        tickets = outgoing.read()
        server.write(b"hello")
        for data in (
            [tickets + outgoing.read()] if together else [tickets[: len(tickets) // 2], tickets[len(tickets) // 2 :], outgoing.read()]
        ):
            transport.received(memoryview(data))
        assert told.pieces == [b"hello"]
        assert told.lost_because is None


def test_a_record_in_crumbs_is_given_on_with_its_last(suited: World) -> None:
    for data in (b"a", b"two", bytes(RECORD)):
        wire = suited.record(data)
        for at in range(len(wire)):
            assert suited.pieces == []
            suited.transport.received(memoryview(wire[at : at + 1]))
        assert suited.pieces == [data]
        suited.pieces.clear()


def test_a_close_notify_behind_a_short_record_ends_it(suited: World) -> None:
    suited.say(b"x")
    with contextlib.suppress(ssl.SSLWantReadError):
        suited.client.unwrap()
    suited.flow()
    assert suited.pieces == [b"x"]
    assert suited.over
