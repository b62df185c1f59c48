"""SPDY's header blocks: name and value pairs, and the zlib stream that each direction keeps for the connection's life.

    block = u32 count, then (u32 length, name, u32 length, value)*;  several values of one name are joined by NUL

Every block of a direction has to go through its decompressor, wanted or not, since later ones refer back to it. A block of 48 KB can inflate to
50 MB (CVE-2026-35469), so output, count and lengths are bounded here, before anything is allocated for them. Strict where Go's framer is lax or
where two readers could differ: names are lower-case, single and not empty, and a block ends exactly where its count says.
"""

from __future__ import annotations

import zlib
from functools import cache
from importlib.resources import files
from typing import Final

HeaderPairs = list[tuple[bytes, bytes]]

BLOCK_MAX: Final = 64 * 1024
"""Bytes of one block, inflated. kubectl's are below 300."""
COUNT_MAX: Final = 64
NAME_MAX: Final = 256
VALUE_MAX: Final = 16 * 1024


@cache
def dictionary() -> bytes:
    """The dictionary that SPDY/3 fixes for both directions: 1423 bytes, Adler-32 0xe3c6a7c2."""
    return files("kgate.wire").joinpath("spdy3-dictionary.bin").read_bytes()


class Decompressor:
    """One direction's header blocks, in order."""

    __slots__ = ("_zlib",)

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(zdict=dictionary())

    def read(self, block: bytes) -> HeaderPairs | str:
        """The pairs of a block, or the sentence that says what is wrong; the direction is lost then."""
        try:
            plain = self._zlib.decompress(block, BLOCK_MAX + 1)
        except zlib.error:
            return "a SPDY header block is not valid zlib"
        if len(plain) > BLOCK_MAX:  # whatever zlib has kept back for want of room is behind that one byte more
            return f"a SPDY header block inflates to more than {BLOCK_MAX} bytes"
        if self._zlib.eof:
            return "a SPDY header block ends the direction's zlib stream"
        return parse_pairs(plain)


def parse_pairs(plain: bytes) -> HeaderPairs | str:
    """Name and value pairs of an inflated block, or what is wrong with it."""
    count, at = int.from_bytes(plain[:4], "big"), 4
    if len(plain) < 4 or count > COUNT_MAX:
        return "a SPDY header block has no count of pairs, or more than are allowed"
    pairs: HeaderPairs = []
    names = set()
    for _ in range(count):
        name, at = _text(plain, at)
        value, at = _text(plain, at)
        if not 0 < len(name) <= NAME_MAX or name != name.lower() or len(value) > VALUE_MAX or at > len(plain):
            return "a SPDY header is cut off, too long, or its name is not in lower case"
        if name in names:
            return "a SPDY header is there twice"
        names.add(name)
        pairs.append((name, value))
    return pairs if at == len(plain) else "a SPDY header block goes on behind its last pair"


def _text(plain: bytes, at: int) -> tuple[bytes, int]:
    """A counted string and where it ends; an end beyond the block tells that it is cut off."""
    start = at + 4
    end = start + int.from_bytes(plain[at:start], "big") if start <= len(plain) else start
    return plain[start:end], end


def encode_pairs(pairs: HeaderPairs) -> bytes:
    """The block before compression."""
    parts = [len(pairs).to_bytes(4, "big")]
    for pair in pairs:
        for text in pair:
            parts += (len(text).to_bytes(4, "big"), text)
    return b"".join(parts)


class Compressor:
    """One direction's header blocks, written by us from the first one on."""

    __slots__ = ("_zlib",)

    def __init__(self) -> None:
        self._zlib = zlib.compressobj(zdict=dictionary())

    def write(self, pairs: HeaderPairs) -> bytes:
        """The compressed block, flushed to a whole byte."""
        return self._zlib.compress(encode_pairs(pairs)) + self._zlib.flush(zlib.Z_SYNC_FLUSH)


def last_block(pairs: HeaderPairs, *, begun: bool) -> bytes:
    """A block of our own behind those that someone else wrote in this direction. No block of theirs may follow it.

    A deflate stream is a row of blocks that may refer back to earlier output but need not (RFC 1951 section 3.2): written alone, as raw
    deflate, ours can be read behind any whole-byte end. Where nothing was written yet (not ``begun``), it has to bring the zlib header.
    """
    if not begun:
        return Compressor().write(pairs)
    alone = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return alone.compress(encode_pairs(pairs)) + alone.flush(zlib.Z_SYNC_FLUSH)
