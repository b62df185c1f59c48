"""Header blocks: the dictionary, both directions against zlib, and the bounds of CVE-2026-35469."""

from __future__ import annotations

import zlib
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgate.wire.spdy_headers import Compressor, Decompressor, dictionary, encode_pairs, last_block, parse_pairs

names = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12).map(str.encode)
blocks = st.lists(st.tuples(names, st.binary(max_size=60)), max_size=6, unique_by=lambda pair: pair[0])
KUBECTL = [(b"streamtype", b"error"), (b"port", b"8080"), (b"requestid", b"0")]


def test_the_dictionary_is_spdys() -> None:
    assert len(dictionary()) == 1423
    assert zlib.adler32(dictionary()) == 0xE3C6A7C2
    assert sha256(dictionary()).hexdigest() == "51d27341373f923f3cd88e1eb7162aeaa3723d7585ff2399201dc06498407f02"


@settings(max_examples=100)
@given(st.lists(blocks, max_size=5))
def test_blocks_come_back_in_order(written: list[list[tuple[bytes, bytes]]]) -> None:
    compressor, decompressor = Compressor(), Decompressor()
    assert [decompressor.read(compressor.write(pairs)) for pairs in written] == written


@settings(max_examples=60)
@given(st.lists(blocks, max_size=3), st.lists(blocks, min_size=1, max_size=3))
def test_our_last_blocks_are_read_behind_anybodys(theirs: list[list[tuple[bytes, bytes]]], ours: list[list[tuple[bytes, bytes]]]) -> None:
    compressor, oracle = Compressor(), zlib.decompressobj(zdict=dictionary())
    for pairs in theirs:
        assert parse_pairs(oracle.decompress(compressor.write(pairs))) == pairs
    for index, pairs in enumerate(ours):
        assert parse_pairs(oracle.decompress(last_block(pairs, begun=bool(theirs or index)))) == pairs


def packed(plain: bytes) -> bytes:
    compressor = zlib.compressobj(9, zdict=dictionary())
    return compressor.compress(plain) + compressor.flush(zlib.Z_SYNC_FLUSH)


@pytest.mark.threat("17")
def test_a_small_block_cannot_become_a_large_one() -> None:
    bomb = packed(encode_pairs([(b"a", bytes(50_000_000))]))
    assert len(bomb) < 64 * 1024
    assert Decompressor().read(bomb) == "a SPDY header block inflates to more than 65536 bytes"


@pytest.mark.threat("17")
@pytest.mark.parametrize(
    ("plain", "sentence"),
    [
        (b"", "no count of pairs"),
        (b"\0\0\0", "no count of pairs"),
        (b"\0\0\0\2" + b"\0\0\0\1a" + b"\0\0\0\0", "cut off"),
        (encode_pairs([(b"n%d" % number, b"") for number in range(65)]), "more than are allowed"),
        ((0xFFFFFFFF).to_bytes(4, "big"), "more than are allowed"),
        (b"\0\0\0\1" + b"\xff\xff\xff\xff" + b"\0\0\0\0", "cut off"),
        (b"\0\0\0\1" + b"\0\0\0\1a" + b"\0\0\0\x05abc", "cut off"),
        (encode_pairs([(b"", b"x")]), "cut off, too long, or its name"),
        (encode_pairs([(b"Port", b"80")]), "lower case"),
        (encode_pairs([(b"n" * 257, b"")]), "too long"),
        (encode_pairs([(b"n", b"v" * 16385)]), "too long"),
        (encode_pairs([(b"port", b"80"), (b"port", b"22")]), "twice"),
        (encode_pairs(KUBECTL) + b"\0\0\0\1", "goes on behind"),
    ],
)
def test_refused(plain: bytes, sentence: str) -> None:
    read = Decompressor().read(packed(plain))
    assert isinstance(read, str)
    assert sentence in read


@pytest.mark.threat("17")
def test_the_largest_that_are_read() -> None:
    largest = [(b"n" * 256, b"v" * 16384), (b"m", b"v" * 16384), (b"o", b"v" * 16384), (b"p", b"v" * (16384 - 291 - 4))]
    assert len(encode_pairs(largest)) == 64 * 1024
    assert Decompressor().read(packed(encode_pairs(largest))) == largest
    assert "inflates" in str(Decompressor().read(packed(encode_pairs([*largest[:3], (b"p", b"v" * (16384 - 291 - 3))]))))
    many = [(b"n%d" % number, b"") for number in range(64)]
    assert Decompressor().read(packed(encode_pairs(many))) == many


@pytest.mark.threat("17")
def test_what_is_no_zlib_stream_of_this_direction() -> None:
    assert Decompressor().read(b"\xff" * 20) == "a SPDY header block is not valid zlib"
    no_dictionary = zlib.compressobj()
    plain = no_dictionary.compress(encode_pairs(KUBECTL)) + no_dictionary.flush(zlib.Z_SYNC_FLUSH)
    assert Decompressor().read(plain) == KUBECTL  # a writer may do without, and Go's reader takes it
    ended = zlib.compressobj(zdict=dictionary())
    assert (
        Decompressor().read(ended.compress(encode_pairs(KUBECTL)) + ended.flush()) == "a SPDY header block ends the direction's zlib stream"
    )


@settings(max_examples=200)
@given(blocks, st.integers(0), st.binary(max_size=3))
def test_any_bytes_give_pairs_or_a_sentence(pairs: list[tuple[bytes, bytes]], at: int, other: bytes) -> None:
    plain = encode_pairs(pairs)
    at %= len(plain)
    for damaged in (plain[:at] + other + plain[at + len(other) :], plain[:at] + other, other + plain[at:]):
        read = parse_pairs(damaged)
        assert isinstance(read, str) or encode_pairs(read) == damaged
