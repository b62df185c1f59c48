"""The Date of what the gate itself answers, over both protocols (RFC 9110 section 6.6.1)."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import hpack
import pytest
from http2_scene import GET, PREFACE, SETTINGS, Clock, cut, headers
from hypothesis import given
from hypothesis import strategies as st

from kgate.wire import http1, http2
from kgate.wire.dates import Dates
from kgate.wire.events import Headers

EXAMPLE = 784111777.25
"""RFC 9110 section 5.6.7: Sun, 06 Nov 1994 08:49:37 GMT."""
SAID = (b"date", b"Sun, 06 Nov 1994 08:49:37 GMT")


def test_the_form_is_the_one_that_everybody_reads() -> None:
    assert Dates(lambda: EXAMPLE)() == [SAID]


@given(st.lists(st.floats(0, 4e9), min_size=1))
def test_each_answer_has_the_date_of_its_own_second(instants: list[float]) -> None:
    clock = iter(instants)
    dates = Dates(lambda: next(clock))
    for instant in instants:
        ((name, value),) = dates()
        assert name == b"date" and parsedate_to_datetime(value.decode()).timestamp() == int(instant)


def test_a_request_that_http_1_itself_refuses_has_one() -> None:
    server = http1.ServerConnection(date=Dates(lambda: EXAMPLE))
    server.receive(b"GET /pods HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
    assert b"\r\ndate: " + SAID[1] + b"\r\n" in server.data_to_send()


@pytest.mark.parametrize("fields", [[*GET, (b"x", b"x" * 1000)], [(b":method", b"PROPFIND"), *GET[1:]]])
def test_so_has_one_that_http_2_itself_answers(fields: Headers) -> None:
    server = http2.ServerConnection(http2.Http2Limits(header_list=1000), Clock().seconds, Dates(lambda: EXAMPLE))
    server.receive(PREFACE + SETTINGS)
    server.data_to_send()
    server.receive(headers(1, fields))
    answer = cut(server.data_to_send())[0]
    assert SAID in hpack.Decoder().decode(answer.payload, raw=True)


def test_who_has_no_clock_sends_none() -> None:
    server = http1.ServerConnection()
    server.receive(b"\r\r\r")
    assert b"date" not in server.data_to_send()
