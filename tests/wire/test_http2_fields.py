"""What is remembered of one message for the next changes nothing about what the next is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kgate.wire.errors import LocalProtocolError
from kgate.wire.events import Headers
from kgate.wire.http2_fields import RequestBefore, block, request, response
from kgate.wire.http2_fields import _coded as plainly_coded

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
