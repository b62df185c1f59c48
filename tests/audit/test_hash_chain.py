"""The chain of an audit file: what of a change to it shows, and what only an anchor tells (class 25)."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgate.audit.chain import Broken, Chain, Flaw, Verified, open_records, sealed_hash, verify

pytestmark = pytest.mark.threat("25")
NOTHING = "0" * 64


def sealed(*records: dict[str, object], head: str = NOTHING) -> list[bytes]:
    chain = Chain(head)
    return [chain.seal(record) for record in records]


LINES = sealed(*({"id": f"r{number}", "event": "request"} for number in range(4)))
HASHES = [json.loads(line)["hash"] for line in LINES]


def test_a_line_is_its_record_what_came_before_and_a_hash_over_both() -> None:
    body = b'{"id":"r0","event":"request","prev":"' + NOTHING.encode() + b'"}'
    assert LINES[0] == body[:-1] + b',"hash":"' + sha256(body).hexdigest().encode() + b'"}\n'
    assert json.loads(LINES[1])["prev"] == HASHES[0] == sealed_hash(LINES[0])
    assert verify(sealed({})) == Verified(1, NOTHING, sealed_hash(sealed({})[0]) or "")


def test_a_whole_file_holds() -> None:
    assert verify(LINES) == verify(LINES, NOTHING) == Verified(4, NOTHING, HASHES[3])
    assert verify([]) == Verified(0, NOTHING, NOTHING)
    assert verify([], HASHES[3]) == Verified(0, NOTHING, HASHES[3])


def test_a_file_goes_on_where_the_one_before_ended() -> None:
    """Alone it says where it begins; with the head of the one before it has to begin there."""
    assert verify(LINES[2:]) == verify(LINES[2:], HASHES[1]) == Verified(2, HASHES[1], HASHES[3])
    assert verify(LINES[2:], HASHES[0]) == Broken(1, Flaw.MISPLACED)


def test_what_was_taken_out_put_in_or_moved_shows_where() -> None:
    stranger = sealed({"id": "x"})[0]
    for lines, line in (
        ([LINES[0], *LINES[2:]], 2),
        ([LINES[0], LINES[0], *LINES[1:]], 2),
        ([LINES[0], LINES[2], LINES[1], LINES[3]], 2),
        ([*LINES[:3], stranger, LINES[3]], 4),
    ):
        assert verify(lines) == Broken(line, Flaw.MISPLACED)
    assert verify(LINES[1:], NOTHING) == Broken(1, Flaw.MISPLACED)


def test_an_end_that_was_cut_off_is_a_shorter_file_and_another_head() -> None:
    """So heads are kept elsewhere: the anchors."""
    assert verify(LINES[:3]) == Verified(3, NOTHING, HASHES[2])


@given(st.integers(0, len(LINES[1]) - 1), st.integers(1, 255))
def test_any_byte_that_was_changed_shows_in_its_line(at: int, by: int) -> None:
    line = bytearray(LINES[1])
    line[at] ^= by
    broken = verify([LINES[0], bytes(line), *LINES[2:]])
    assert isinstance(broken, Broken) and broken.line == 2
    sealed_still = LINES[1][-76:-67] + LINES[1][-3:] == line[-76:-67] + line[-3:]
    assert broken.flaw is (Flaw.CHANGED if sealed_still else Flaw.NOT_A_RECORD)


@pytest.mark.parametrize("line", [b"", b"\n", b"{}\n", LINES[1][:-1], LINES[1][:-1] + b" \n", LINES[1][:40], b"\xff" * 200 + b"\n"])
def test_what_is_no_line_of_a_gates(line: bytes) -> None:
    assert verify([LINES[0], line]) == Broken(2, Flaw.NOT_A_RECORD)


def test_what_was_sealed_and_never_written_can_be_taken_back() -> None:
    chain = Chain()
    first = chain.seal({"id": "r0"})
    before = chain.head
    chain.seal({"id": "lost"})
    chain.head = before
    assert verify([first, chain.seal({"id": "r1"})]) == Verified(2, NOTHING, chain.head)


# --- what a crash left open


def test_what_was_allowed_and_never_ended_is_open() -> None:
    def line(event: str, id_: object, **more: object) -> bytes:
        return sealed({"event": event, "id": id_, **more})[0]

    lines = [
        line("request", "ended", allowed=True),
        line("request", "open", allowed=True),
        line("request", "denied", allowed=False),
        line("request", "undecided"),
        line("stream-start", "watch", allowed=True),
        line("stream-start", "exec", allowed=True),
        line("stream-heartbeat", "of-the-file-before"),
        line("request-end", "ended"),
        line("stream-end", "exec"),
        line("stream-end", "of-the-file-before-too"),
        line("config", "c"),
        line("request", 7, allowed=True),
        b'{"event":"request","id":"torn","allo\n',
        b'["event":"request"]\n',
        b'[{"event":"request"}]\n',
        b'\0\0{"event":"stream-heartbeat"\n',
    ]
    assert list(open_records(lines)) == ["open", "watch", "of-the-file-before"]


def test_only_an_end_closes_a_record_whatever_its_words_end_with() -> None:
    """``"namespace":"front-end"`` looks like the end of an event's name."""
    opened = {"event": "stream-start", "id": "forward", "allowed": True, "namespace": "front-end"}
    later = [{"event": event, "id": "forward", "namespace": "front-end"} for event in ("port", "decision-change")]
    assert list(open_records([sealed(each)[0] for each in (opened, *later)])) == ["forward"]
