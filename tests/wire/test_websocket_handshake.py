"""The opening handshake."""

from __future__ import annotations

import pytest

from kgate.wire.websocket_handshake import accept_key, choose, is_key, request_problem, single, values

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="


def test_the_rfcs_own_example() -> None:
    assert accept_key(KEY) == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize(
    "key", [b"", b"short", KEY[:-2], KEY + b"AAAA", b"dGhlIHNhbXBsZSBub25jZR==", b"dGhlIHNhbXBsZSBub25jZQ==\n", b"\xff" * 24]
)
def test_keys_that_are_none(key: bytes) -> None:
    assert is_key(KEY)
    assert not is_key(key)


def test_a_request() -> None:
    good = [(b"sec-websocket-version", b"13"), (b"sec-websocket-key", KEY)]
    assert request_problem(good) == ""
    assert request_problem(good[1:]) == "Sec-WebSocket-Version is not 13"
    assert request_problem([*good, good[0]]) == "Sec-WebSocket-Version is not 13"
    assert request_problem(good[:1]) == "Sec-WebSocket-Key is not 16 bytes in base64"


def test_lists_and_single_values() -> None:
    headers = [(b"a", b"x, y"), (b"b", b"1"), (b"a", b" ,z\t")]
    assert values(headers, b"a") == [b"x", b"y", b"z"]
    assert single(headers, b"b") == b"1"
    assert single(headers, b"a") is None
    assert single(headers, b"c") is None
    assert choose(values(headers, b"a"), [b"z", b"y"]) == b"y"
    assert choose([], [b"z"]) is None
