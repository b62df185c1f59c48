"""HPACK against the hpack library, RFC 7541's own examples, and what an attacker writes."""

from __future__ import annotations

import pytest
from hpack import Decoder as LibraryDecoder
from hpack import Encoder, HPACKError
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.table import HeaderTable
from hypothesis import given, settings
from hypothesis import strategies as st

from kgate.wire import hpack, hpack_huffman
from kgate.wire.hpack import _STATIC, FIRST_BLOCK, Decoder, HpackError, encode_field, is_sensitive

LARGE = 1 << 20
names = st.one_of(st.sampled_from([entry.name for entry in _STATIC[1:]]), st.binary(min_size=1, max_size=20))
values = st.one_of(st.sampled_from([b"", b"GET", b"200", b"gzip, deflate"]), st.binary(max_size=60), st.binary(min_size=120, max_size=300))
lists = st.lists(st.tuples(names, values), max_size=12)
coder = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)


def test_the_static_table_is_the_rfcs() -> None:
    assert tuple(entry.pair for entry in _STATIC[1:]) == tuple(HeaderTable.STATIC_TABLE)


@given(st.binary(max_size=300))
@settings(max_examples=200)
def test_huffman_reads_what_the_library_writes(text: bytes) -> None:
    assert hpack_huffman.decode(coder.encode(text)) == text


def test_huffman_reads_every_symbol() -> None:
    every = bytes(range(256))
    assert hpack_huffman.decode(coder.encode(every)) == every


@given(st.binary(max_size=8))
@settings(max_examples=300)
def test_what_huffman_reads_is_what_the_library_would_write(coded: bytes) -> None:
    text = hpack_huffman.decode(coded)
    assert text is None or coder.encode(text) == coded


@pytest.mark.parametrize(
    "coded",
    [
        b"\xff\xff\xff\xff",  # EOS, and more
        coder.encode(b"a") + b"\xff",  # eleven bits of padding
        bytes((coder.encode(b"a")[0] & 0xF8,)),  # padding of zeros
        b"\x1f\xff\xff\xff\xff",
    ],
)
def test_huffman_refuses_eos_and_wrong_padding(coded: bytes) -> None:
    assert hpack_huffman.decode(coded) is None


@given(st.lists(lists, max_size=8), st.booleans())
@settings(max_examples=150)
def test_decoder_follows_the_library_through_a_connection(messages: list[list[tuple[bytes, bytes]]], huffman: bool) -> None:
    encoder, decoder = Encoder(), Decoder(LARGE)
    for fields in messages:
        assert decoder.decode(encoder.encode(fields, huffman)) == fields


@given(st.lists(st.tuples(lists, st.sampled_from([0, 40, 100, 1000, 4096])), max_size=8))
@settings(max_examples=100)
def test_decoder_follows_changes_of_the_tables_size(messages: list[tuple[list[tuple[bytes, bytes]], int]]) -> None:
    encoder, decoder = Encoder(), Decoder(LARGE)
    for fields, size in messages:
        encoder.header_table_size = size
        assert decoder.decode(encoder.encode(fields)) == fields


@given(st.lists(lists, max_size=5))
@settings(max_examples=150)
def test_the_library_reads_what_we_write_whatever_table_it_allows(messages: list[list[tuple[bytes, bytes]]]) -> None:
    reader, start = LibraryDecoder(max_header_list_size=LARGE), FIRST_BLOCK
    reader.max_allowed_table_size = 0
    for fields in messages:
        block = start + b"".join(encode_field(*field) for field in fields)
        assert [tuple(field) for field in reader.decode(block, raw=True)] == fields
        start = b""


@given(st.binary(max_size=40))
@settings(max_examples=300)
def test_any_bytes_are_read_as_the_library_reads_them_or_refused(block: bytes) -> None:
    decoder, library = Decoder(LARGE), LibraryDecoder(max_header_list_size=LARGE)
    try:
        ours = decoder.decode(block)
    except HpackError:
        return
    assert ours == [tuple(field) for field in library.decode(block, raw=True)]


def test_rfc_example_c_4_three_requests_with_huffman() -> None:
    decoder = Decoder(LARGE)
    first = [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"www.example.com")]
    assert decoder.decode(bytes.fromhex("828684418cf1e3c2e5f23a6ba0ab90f4ff")) == first
    assert decoder.decode(bytes.fromhex("828684be5886a8eb10649cbf")) == [*first, (b"cache-control", b"no-cache")]
    third = decoder.decode(bytes.fromhex("828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf"))
    assert third is not None and third[-1] == (b"custom-key", b"custom-value") and third[2] == (b":path", b"/index.html")


@pytest.mark.parametrize(
    ("block", "what"),
    [
        (b"\x80", "index 0"),
        (b"\xbe", "an index past the table"),
        (b"\xff\xff\xff\xff\xff\x0f", "a number without end"),
        (b"\xff\x80", "a number cut short"),
        (b"\x7f\x80\x80\x80\x80\x80", "a number of nothing but zeros"),
        (b"\x00\x05ab", "a string cut short"),
        (b"\x00", "a field cut short"),
        (b"\x82\x20", "a table size after a field"),
        (b"\x3f\xe2\x1f", "a table size of 4097"),
        (b"\x00\x81\x00\x00", "zeros as Huffman padding"),
    ],
)
def test_broken_blocks_are_refused(block: bytes, what: str) -> None:
    with pytest.raises(HpackError):
        Decoder(LARGE).decode(block)


def test_an_entry_larger_than_the_table_empties_it() -> None:
    decoder = Decoder(LARGE)
    decoder.decode(b"\x40\x01a\x01b")
    assert decoder.decode(b"\xbe") == [(b"a", b"b")]
    decoder.decode(b"\x40\x01a\x7f\xa1\x1f" + b"x" * 4128)
    with pytest.raises(HpackError):
        decoder.decode(b"\xbe")


@pytest.mark.threat("15")
def test_hpack_bomb_is_read_and_not_kept() -> None:
    """One field of 4000 bytes, then an index of it sixteen thousand times: 64 MB out of 20 KB (CVE-2016-1544)."""
    decoder = Decoder(65536)
    decoder.decode(b"\x40\x01a\x7f\xa1\x1e" + b"x" * 4000)
    assert decoder.decode(b"\xbe" * 16384) is None
    assert decoder.decode(b"\xbe") == [(b"a", b"x" * 4000)], "the table is as it was"


def test_a_list_at_the_limit_is_kept_and_one_byte_more_is_not() -> None:
    assert Decoder(34).decode(b"\x00\x01a\x01b") == [(b"a", b"b")]
    assert Decoder(33).decode(b"\x00\x01a\x01b") is None


def test_a_list_over_the_limit_still_fills_the_table() -> None:
    decoder = Decoder(40)
    assert decoder.decode(b"\x00\x01a\x10" + b"x" * 16 + b"\x40\x01c\x01d") is None
    assert decoder.decode(b"\xbe") == [(b"c", b"d")]


def test_generation_tells_of_every_change_of_the_table() -> None:
    decoder = Decoder(LARGE)
    decoder.decode(b"\x82\x00\x01a\x01b")
    assert decoder.generation == 0
    decoder.decode(b"\x40\x01a\x01b")
    changed = decoder.generation
    assert changed
    decoder.decode(b"\x20")
    assert decoder.generation != changed


def test_credentials_and_identities_are_never_indexed() -> None:
    assert encode_field(b"authorization", b"Bearer x")[0] & 0xF0 == 0x10
    assert encode_field(b"impersonate-user", b"alice")[0] & 0xF0 == 0x10
    assert encode_field(b"accept", b"x")[0] & 0xF0 == 0x00
    assert is_sensitive(b"impersonate-extra-scope") and is_sensitive(b"x-remote-group") and not is_sensitive(b"accept")


@given(lists, st.integers(0, 400), st.one_of(st.none(), st.binary(min_size=1, max_size=4)), st.booleans())
@settings(max_examples=300)
def test_of_damaged_blocks_both_take_the_same_and_read_it_alike(
    fields: list[tuple[bytes, bytes]], where: int, how: bytes | None, huffman: bool
) -> None:
    block = Encoder().encode(fields, huffman)
    at = where % (len(block) + 1)
    damaged = block[:at] + (how or b"") + block[at + 1 :]
    library = LibraryDecoder(LARGE)
    library.max_allowed_table_size = 4096
    try:
        theirs = [(bytes(name), bytes(value)) for name, value in library.decode(damaged, raw=True)]
    except HPACKError:
        with pytest.raises(HpackError):
            Decoder(LARGE).decode(damaged)
    else:
        assert Decoder(LARGE).decode(damaged) == theirs


def forget() -> None:
    """What was read and written before."""
    for memo in (hpack._LITERALS, hpack._PATHS, hpack._READ_NAMES, hpack._REPEATS, hpack._STARTS):
        memo.clear()


def read(blocks: list[bytes], *, forgetful: bool) -> tuple[list[object], int]:
    """What one connection's blocks say, up to the first that says nothing, and the size of the table then."""
    decoder, said = Decoder(LARGE), list[object]()
    for block in blocks:
        if forgetful:
            forget()
        try:
            said.append(decoder.decode(block))
        except HpackError:
            said.append(HpackError)
            break
    return said, decoder._size


written_names = st.sampled_from([b"audit-id", b"etag", b"cookie", b"date", b"x-a", b"x" * 63, b"x" * 200, b""])
written_values = st.one_of(st.sampled_from([b"", b"1", b"gzip, deflate", b"v" * 126, b"v" * 127, b"v" * 300]), st.binary(max_size=8))


@st.composite
def literals(draw: st.DrawFn) -> bytes:
    """A field written out: any of the three sorts, its name by either table or in full, each string coded or not."""
    pattern, prefix = draw(st.sampled_from([(0x40, 0x3F), (0x00, 0x0F), (0x10, 0x0F)]))
    index = draw(st.sampled_from([0, 0, 1, 4, 14, 15, 28, 34, 54, 61, 62, 63]))
    strings = [written_values] if index else [written_names, written_values]
    return hpack._coded_number(index, prefix, pattern) + b"".join(draw(written(draw(text), draw(st.booleans()))) for text in strings)


def written(text: bytes, coded: bool) -> st.SearchStrategy[bytes]:
    """The string as it stands in a block."""
    string = coder.encode(text) if coded and text else text
    return st.just(hpack._coded_number(len(string), 0x7F, 0x80 if coded and text else 0) + string)


@given(st.lists(st.lists(literals(), max_size=4).map(b"".join), min_size=1, max_size=4))
@settings(max_examples=200)
def test_what_was_written_out_before_changes_nothing_about_what_is_read_next(blocks: list[bytes]) -> None:
    forgetful = read(blocks, forgetful=True)
    assert read(blocks, forgetful=False) == forgetful
    assert read(blocks, forgetful=False) == forgetful, "all of it is known now"


@given(st.lists(literals(), min_size=1, max_size=3))
@settings(max_examples=50)
def test_a_block_that_is_cut_anywhere_is_read_as_if_nothing_was_known(fields: list[bytes]) -> None:
    block = b"".join(fields)
    read([block], forgetful=False)
    for end in range(len(block)):
        assert read([block[:end]], forgetful=False) == read([block[:end]], forgetful=True)
        read([block], forgetful=False)


def test_secrets_and_what_is_seldom_twice_are_not_remembered() -> None:
    forget()
    decoder = Decoder(LARGE)
    for name in (b"authorization", b"cookie", b"impersonate-user", b"audit-id", b"etag", b"content-length"):
        decoder.decode(encode_field(name, b"secret"))
        decoder.decode(b"\x40" + bytes((len(name),)) + name + b"\x06secret")
    assert hpack._LITERALS == hpack._PATHS == {}
    decoder.decode(encode_field(b"accept", b"secret"))
    assert len(hpack._LITERALS) == 1


def test_paths_do_not_drive_out_other_fields() -> None:
    forget()
    decoder = Decoder(LARGE)
    decoder.decode(encode_field(b"accept", b"x"))
    for number in range(4096 + 9):
        decoder.decode(encode_field(b":path", b"/%d" % number))
    assert len(hpack._LITERALS) == 1 and 0 < len(hpack._PATHS) <= 4096


@given(lists)
def test_a_field_is_coded_the_same_whatever_was_coded_before(fields: list[tuple[bytes, bytes]]) -> None:
    coded = [encode_field(*field) for field in fields]
    for field, before in zip(fields, coded, strict=True):
        forget()
        assert encode_field(*field) == before == encode_field(*field)


def test_every_entry_of_the_static_table_is_coded_as_its_index() -> None:
    for index, entry in enumerate(_STATIC[1:], 1):
        assert encode_field(*entry.pair) == bytes((0x80 | index,))
