"""Where TLS records end, against a list of all ends."""

from __future__ import annotations

from itertools import accumulate, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from kgate.net.records import RECORD, Records

EVERYTHING = 1 << 30


def record(carried: int) -> bytes:
    return b"\x17\x03\x03" + carried.to_bytes(2, "big") + bytes(carried)


def reads(wire: bytes, cuts: list[int]) -> list[memoryview]:
    places = sorted({0, *(cut % (len(wire) + 1) for cut in cuts), len(wire)})
    return [memoryview(wire)[start:end] for start, end in pairwise(places)]


lengths = st.one_of(st.integers(0, 40), st.integers(250, 260), st.sampled_from([RECORD, RECORD + 256]))


@settings(max_examples=300)
@given(st.lists(lengths, min_size=1, max_size=8), st.lists(st.integers(0, 200_000), max_size=12), st.integers(1, 40_000))
def test_wherever_reads_are_cut_and_however_much_is_taken_each_end_is_counted_once(lengths: list[int], cuts: list[int], most: int) -> None:
    records = [record(length) for length in lengths]
    ends = list(accumulate(map(len, records)))
    followed, passed, counted = Records(), 0, 0
    for data in reads(b"".join(records), cuts):
        start = 0
        while start < len(data):
            end, ended = followed.follow(data, start, most)
            assert start < end <= len(data)
            assert end == len(data) or passed + end in ends
            assert end - start <= most or ended <= 1
            counted += ended
            assert counted == sum(1 for each in ends if each <= passed + end)
            start = end
        passed += len(data)


@given(st.lists(lengths, min_size=1, max_size=3), st.integers(0, 60))
def test_alone_is_what_is_one_record_and_nothing_else(lengths: list[int], missing: int) -> None:
    """Before the record come others, of which the last lacks ``missing`` bytes."""
    *before, data = map(record, lengths)
    followed = Records()
    wire = b"".join(before)
    cut = wire[: len(wire) - missing]
    followed.follow(memoryview(cut), 0, EVERYTHING)
    assert followed.alone(memoryview(data)) == (cut in {b"".join(before[:number]) for number in range(len(before) + 1)})
    assert not Records().alone(memoryview(data + b"\x17"))
    assert not Records().alone(memoryview(data[:-1]))
    assert not Records().alone(memoryview(data + data))


def test_a_length_that_no_record_has_is_taken_for_its_end_so_that_it_is_found_out() -> None:
    wire = memoryview(b"\x17\x03\x03\xff\xff")
    for cut in range(6):
        followed = Records()
        assert [followed.follow(part, 0, EVERYTHING)[1] for part in (wire[:cut], wire[cut:])] == [int(cut == 5), int(cut < 5)]
