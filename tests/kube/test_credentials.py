"""Where a client's bearer token stands."""

from __future__ import annotations

from base64 import urlsafe_b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgate.kube.credentials import BEARER_PROTOCOL, WebSocketOffer, bearer_token, websocket_offer
from kgate.kube.refusal import Refusal


def hidden(token: bytes) -> bytes:
    return BEARER_PROTOCOL + urlsafe_b64encode(token).rstrip(b"=")


def test_nobody_said_who_they_are() -> None:
    assert bearer_token([(b"accept", b"*/*")]) is None


def test_the_usual_place() -> None:
    assert bearer_token([(b"authorization", b"Bearer abc.def-ghi")]) == "abc.def-ghi"
    assert bearer_token([(b"authorization", b"bearer abc")]) == "abc"


@pytest.mark.parametrize("value", [b"Basic YTpi", b"Bearer", b"Bearer ", b"Bearer a b", b"Bearer  a", b"Bearer a\xe9", b"abc", b""])
def test_anything_else_there_is_refused_with_what_to_do(value: bytes) -> None:
    refusal = bearer_token([(b"authorization", value)])
    assert isinstance(refusal, Refusal) and refusal.status == 401 and "kgate login" in refusal.message


def test_a_browser_hides_it_among_the_subprotocols() -> None:
    value = hidden(b"abc.def") + b", v4.channel.k8s.io ,v5.channel.k8s.io"
    assert websocket_offer([value]) == WebSocketOffer([b"v4.channel.k8s.io", b"v5.channel.k8s.io"], "abc.def")
    assert bearer_token([(b"sec-websocket-protocol", value)]) == "abc.def"


@given(st.from_regex(rb"[\x21-\x7e]{1,60}", fullmatch=True))
@settings(max_examples=100)
def test_any_token_can_be_hidden(token: bytes) -> None:
    assert websocket_offer([b"v4.channel.k8s.io", hidden(token)]) == WebSocketOffer([b"v4.channel.k8s.io"], token.decode())


@pytest.mark.threat("02")
@pytest.mark.parametrize(
    "values",
    [
        [BEARER_PROTOCOL + b", v4.channel.k8s.io"],
        [BEARER_PROTOCOL + b"YQ==, v4.channel.k8s.io"],
        [BEARER_PROTOCOL + b"Y, v4.channel.k8s.io"],
        [BEARER_PROTOCOL + b"Y+/A, v4.channel.k8s.io"],
        [hidden(b"a\nb"), b"v4.channel.k8s.io"],
        [hidden("é".encode()), b"v4.channel.k8s.io"],
        [hidden(b"a"), hidden(b"b"), b"v4.channel.k8s.io"],
        [hidden(b"a")],
    ],
)
def test_what_cannot_be_read_in_one_way_is_refused(values: list[bytes]) -> None:
    refusal = websocket_offer(values)
    assert isinstance(refusal, Refusal) and refusal.status in (400, 401)


@pytest.mark.threat("02")
def test_two_credentials_are_one_too_many() -> None:
    both = [(b"authorization", b"Bearer a"), (b"sec-websocket-protocol", hidden(b"b") + b",v4.channel.k8s.io")]
    for headers in (both, [both[0], both[0]]):
        refusal = bearer_token(headers)
        assert isinstance(refusal, Refusal) and refusal.status == 400
