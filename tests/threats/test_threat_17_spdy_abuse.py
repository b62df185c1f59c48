"""Class 17: SPDY lengths, counts, zlib bombs and stream identifiers that cost or confuse whoever reads them (CVE-2026-35469)."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from arena import Arena
from tunnels import Tunnel, exec_over_spdy, forward_over_spdy

from kgate.wire import spdy
from kgate.wire.spdy_headers import Compressor, HeaderPairs, dictionary, encode_pairs
from kgate.wire.spdy_session import Received, Session

pytestmark = pytest.mark.threat("17")

STDIN: HeaderPairs = [(b"streamtype", b"stdin")]
ERROR: HeaderPairs = [(b"streamtype", b"error")]


def packed(plain: bytes) -> bytes:
    """A header block of whatever bytes."""
    compressor = zlib.compressobj(9, zdict=dictionary())
    return compressor.compress(plain) + compressor.flush(zlib.Z_SYNC_FLUSH)


def opening(stream: int, block: bytes, kind: int = spdy.SYN_STREAM) -> bytes:
    """SYN_STREAM (or SYN_REPLY) with this header block."""
    return spdy.control_frame(kind, stream.to_bytes(4, "big") + (bytes(6) if kind == spdy.SYN_STREAM else b"") + block)


def openings(*streams: tuple[int, HeaderPairs]) -> list[bytes]:
    """SYN_STREAMs as a client writes them, one zlib stream for all."""
    compressor = Compressor()
    return [opening(stream, compressor.write(headers)) for stream, headers in streams]


BOMB = packed(encode_pairs([(b"a", bytes(50_000_000))]))
MISCHIEF = {
    "a block that inflates to 50 MB": [opening(1, BOMB)],
    "a block of 4 billion pairs": [opening(1, packed(b"\xff\xff\xff\xff"))],
    "a name of 4 billion bytes": [opening(1, packed(b"\0\0\0\1\xff\xff\xff\xff" + bytes(8)))],
    "a block that is no zlib": [opening(1, b"\xff" * 40)],
    "SETTINGS of 4 billion entries": [spdy.control_frame(spdy.SETTINGS, b"\xff\xff\xff\xff")],
    "SETTINGS of fewer entries than its length": [spdy.control_frame(spdy.SETTINGS, b"\0\0\0\0" + bytes(8))],
    "a control frame of 16 MB": [spdy.WORDS.pack(0x80030001, 0xFFFFFF) + bytes(1000)],
    "a RST_STREAM with a frame hidden in it": [spdy.control_frame(spdy.RST_STREAM, bytes(8) + spdy.ping(1))],
    "a PING that is too short": [spdy.control_frame(spdy.PING, b"\0")],
    "a GOAWAY that is too long": [spdy.control_frame(spdy.GOAWAY, bytes(12))],
    "a SYN_STREAM that is too short": [spdy.control_frame(spdy.SYN_STREAM, bytes(9))],
    "an unknown control frame": [spdy.control_frame(77, b"")],
    "SPDY/2": [b"\x80\x02" + spdy.ping(1)[2:]],
    "an unknown flag": [spdy.WORDS.pack(1, 0x80 << 24 | 1) + b"x"],
    "stream 0": openings((0, STDIN)),
    "an even stream": openings((2, STDIN)),
    "the same stream twice": openings((1, STDIN), (1, ERROR)),
    "a stream below the one before": openings((3, STDIN), (1, ERROR)),
    "a channel twice": openings((1, STDIN), (3, STDIN)),
    "a channel that nobody knows": openings((1, [(b"streamtype", b"root")])),
    "data on a stream that was not opened": [spdy.data_frame(1, b"x")],
    "data on stream 0": [spdy.data_frame(0, b"x")],
    "an answer from the client": [opening(1, packed(encode_pairs([])), spdy.SYN_REPLY)],
}
"""Frames of which the last is the wrong one."""


@pytest.mark.parametrize("name", MISCHIEF)
def test_a_client_that_does_it_loses_its_tunnel_and_the_cluster_hears_nothing_of_it(arena: Arena, name: str) -> None:
    with exec_over_spdy(arena) as tunnel:
        *good, bad = spdy.ping(7), *MISCHIEF[name]
        tunnel.client.send(b"".join([*good, bad]))
        tunnel.said_at_the_end()
        assert b"".join(good).startswith(tunnel.far.heard)
        assert tunnel.ending()["closed_by"] == "protocol"
    arena.cluster.reset()
    assert arena.get(b"/api/v1/pods") == 200


def _opened(arena: Arena) -> tuple[Tunnel, Session]:
    """An exec with its error stream (1) and stdin (3)."""
    tunnel, client = exec_over_spdy(arena), Session(client=True)
    client.open(ERROR)
    client.open(STDIN)
    opened = client.data_to_send()
    tunnel.client.send(opened)
    tunnel.far.hears(len(opened))
    return tunnel, client


FROM_THE_CLUSTER = {
    "a block that inflates to 50 MB": opening(1, BOMB, spdy.SYN_REPLY),
    "a stream of the cluster's own": opening(2, packed(encode_pairs(STDIN))),
    "an answer to what was not asked": opening(99, packed(encode_pairs([])), spdy.SYN_REPLY),
    "data on a stream that was not opened": spdy.data_frame(99, b"x"),
    "SETTINGS of 4 billion entries": spdy.control_frame(spdy.SETTINGS, b"\xff\xff\xff\xff"),
}


@pytest.mark.parametrize("name", FROM_THE_CLUSTER)
def test_a_cluster_that_does_it_is_cut_off_and_the_person_reads_why(arena: Arena, name: str) -> None:
    tunnel, client = _opened(arena)
    with tunnel:
        tunnel.far.say(FROM_THE_CLUSTER[name])
        said = tunnel.said_at_the_end()
        assert FROM_THE_CLUSTER[name] not in said
        assert tunnel.ending()["closed_by"] == "protocol"
    told = [event for event in client.receive(said) if isinstance(event, Received) and event.stream == 1]
    assert b'"message":"kgate: closed: ' in told[0].data


def test_a_bomb_costs_no_memory(arena: Arena) -> None:
    before = _peak(arena, forget=True)
    for _ in range(3):
        with exec_over_spdy(arena) as tunnel:
            tunnel.client.send(opening(1, BOMB))
            tunnel.said_at_the_end()
    assert _peak(arena) - before < 20 * 1024 * 1024


def test_streams_that_never_end_are_bounded(arena: Arena) -> None:
    """A port-forward opens two for each connection; 4096 are live at most."""

    def stream(number: int) -> tuple[int, HeaderPairs]:
        kind = b"data" if number % 2 else b"error"
        return 2 * number + 1, [(b"streamtype", kind), (b"port", b"8080"), (b"requestid", b"%d" % (number // 2))]

    with forward_over_spdy(arena) as tunnel:
        tunnel.client.send(b"".join(openings(*map(stream, range(5000)))))
        assert b"more than 4096 SPDY streams at once" in tunnel.said_at_the_end()
        assert tunnel.ending()["closed_by"] == "protocol"


def test_what_kubectl_says_passes_to_the_byte(arena: Arena) -> None:
    tunnel, client = _opened(arena)
    with tunnel:
        client.send(3, b"typed", fin=True)
        before, typed = bytes(tunnel.far.heard), client.data_to_send()
        tunnel.client.send(typed)
        assert tunnel.far.hears(len(before) + len(typed)) == before + typed


def _peak(arena: Arena, *, forget: bool = False) -> int:
    """The most memory that the gate had, in bytes; ``forget`` begins to count anew (proc(5), clear_refs)."""
    process = arena.gate.process
    assert process is not None
    if forget:
        Path(f"/proc/{process.pid}/clear_refs").write_text("5")
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
