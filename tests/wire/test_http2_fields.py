"""What is remembered of one message for the next changes nothing about what the next is."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgate.wire.errors import LocalProtocolError
from kgate.wire.events import Headers
from kgate.wire.hpack import encode_field
from kgate.wire.http2_fields import Refusal, Request, RequestBefore, Response, block, request, response
from kgate.wire.http2_fields import coded as plainly_coded

NAMES = st.sampled_from(
    [
        b":method",
        b":path",
        b":scheme",
        b":authority",
        b"host",
        b"cookie",
        b"te",
        b"x-a",
        b"X-B",
        b"content-length",
        b"audit-id",
        b"authorization",
    ]
)
VALUES = st.sampled_from(
    [b"GET", b"/", b"/api/v1/pods", b"no path", b"https", b"a.example", b"b.example", b"trailers", b"5", b" x", b"\x00", b""]
)
USUAL = [(b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/"), (b":authority", b"a.example"), (b"x-a", b"1")]


@st.composite
def messages(draw: st.DrawFn) -> Headers:
    """The usual request with a few things changed, or anything."""
    fields = list(USUAL)
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(fields)))
        field = (draw(NAMES), draw(VALUES))
        fields[place : place + draw(st.integers(0, 1))] = [field]
    return fields


@given(st.lists(messages(), min_size=1, max_size=8))
def test_requests_of_one_connection_are_read_as_each_alone(sequence: list[Headers]) -> None:
    before = RequestBefore()
    for fields in sequence:
        assert before.request(list(fields)) == request(list(fields))


def test_a_request_that_differs_only_in_its_path_is_what_it_says() -> None:
    before = RequestBefore()
    first = before.request(list(USUAL))
    second = before.request([field if field[0] != b":path" else (b":path", b"/other") for field in USUAL])
    assert first.head.target == b"/" and second.head.target == b"/other"
    assert first.head.headers == second.head.headers == [(b"x-a", b"1")]


@given(st.lists(st.tuples(NAMES, VALUES), max_size=4), st.lists(st.tuples(NAMES, VALUES), max_size=4))
def test_a_field_that_was_sound_once_makes_no_other_sound(one: Headers, other: Headers) -> None:
    status = (b":status", b"200")
    response([status, *one])
    request([*USUAL, *one])
    again = response([status, *other])
    assert again == response([status, *other])
    if any(name != name.lower() or name.startswith(b":") or value in (b" x", b"\x00") for name, value in other):
        assert hasattr(again, "text"), "malformed fields must be refused, whatever came before"


@given(st.lists(st.tuples(NAMES.filter(bytes.islower), VALUES), max_size=6))
def test_fields_are_coded_the_same_with_and_without_the_memo(fields: Headers) -> None:
    def coded() -> bytes | None:
        try:
            return b"".join(plainly_coded(name, value) for name, value in fields)
        except LocalProtocolError:
            return None

    def remembered() -> bytes | None:
        try:
            return block(fields)
        except LocalProtocolError:
            return None

    assert coded() == remembered() == remembered()


@pytest.mark.parametrize("code", range(256))
def test_each_character_is_judged_by_itself(code: int) -> None:
    character = bytes((code,))
    of_a_name = re.fullmatch(rb"[a-z0-9!#$%&'*+.^`|~-]", character) is not None
    of_a_value = re.fullmatch(rb"[\t\x20-\x7e\x80-\xff]", character) is not None
    of_a_path = re.fullmatch(rb"[\x21\x22\x24-\x7e]", character) is not None
    taken = [isinstance(request([*USUAL, field]), Request) for field in ((b"x" + character, b"1"), (b"x", b"1" + character + b"1"))]
    assert taken == [of_a_name, of_a_value]
    assert isinstance(response([(b":status", b"200"), (b"x" + character, b"1")]), Response) == (of_a_name or character == b"_")
    path = [(name, b"/" + character if name == b":path" else value) for name, value in USUAL]
    before = RequestBefore()
    before.request(list(USUAL))
    assert isinstance(request(path), Request) == isinstance(before.request(path), Request) == of_a_path


@pytest.mark.parametrize("code", range(256))
def test_each_character_is_sent_or_not_by_itself(code: int) -> None:
    character = bytes((code,))
    for field, allowed in (
        ((b"x" + character, b"1"), rb"[a-z0-9!#$%&'*+.^`|~_-]"),
        ((b"x", b"1" + character + b"1"), rb"[\t\x20-\x7e\x80-\xff]"),
    ):
        if re.fullmatch(allowed, character):
            assert block([field]) == plainly_coded(*field) == encode_field(*field)
        else:
            for _ in range(2):
                with pytest.raises(LocalProtocolError):
                    block([field])


@pytest.mark.parametrize("name", [b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"])
def test_what_speaks_of_the_connection_is_never_sent(name: bytes) -> None:
    for _ in range(2):
        assert block([(name, b"x")]) == b""
        with pytest.raises(LocalProtocolError):
            block([(name, b"\x00")])


def test_a_name_that_means_something_does_so_each_time() -> None:
    for _ in range(3):
        assert isinstance(response([(b":status", b"200"), (b"connection", b"close")]), Refusal)
        assert isinstance(request([*USUAL, (b"te", b"gzip")]), Refusal)
        assert request([*USUAL, (b"content-length", b"5")]).length == 5


@pytest.mark.parametrize("value", [b" ", b"\t", b" x", b"x ", b"\tx", b"x\t", b"x y", b"", b"\t \t", b"\x80x\xff"])
def test_blanks_around_a_value_are_refused_and_never_sent(value: bytes) -> None:
    assert isinstance(request([*USUAL, (b"x", value)]), Request) == (value == value.strip())
    assert block([(b"x", value)]) == encode_field(b"x", value.strip())
