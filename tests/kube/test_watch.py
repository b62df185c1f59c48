"""Where the events of endless answers end, and what is said behind the last one."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgate.kube.cbor import CborEnds, encode_cbor
from kgate.kube.watch import Farewell, Form, WatchFollower, protobuf_error_event
from kgate.model import Action, Cluster, Operation

WATCH = Action(Cluster("c"), "GET", "watch", "/api/v1/pods?watch=1", "/api/v1/pods", resource="pods", follows=True)
LOGS = Action(Cluster("c"), "GET", "get", "/…/log", "/…/log", resource="pods", subresource="log", operation=Operation.LOGS, follows=True)
EVENT = b'{"type":"ADDED","object":{"kind":"Pod","metadata":{"name":"a\\n"}}}\n'


def follower(media: str, action: Action = WATCH) -> WatchFollower:
    made = WatchFollower.of(action, [(b"content-type", media.encode())])
    assert made is not None
    return made


def test_which_follower_an_answer_gets() -> None:
    assert follower("application/json").form is Form.JSON
    assert follower("application/json;stream=watch").form is Form.JSON
    assert follower("application/vnd.kubernetes.protobuf;stream=watch").form is Form.PROTOBUF
    assert follower("application/cbor-seq").form is Form.CBOR
    assert follower("text/plain", LOGS).form is Form.LOG
    assert WatchFollower.of(WATCH, [(b"content-type", b"application/json"), (b"content-encoding", b"br")]) is None
    assert WatchFollower.of(LOGS, [(b"content-encoding", b"gzip")]) is None
    assert WatchFollower.of(WATCH, [(b"content-type", b"text/html")]) is None
    assert WatchFollower.of(WATCH, []) is None
    assert WatchFollower.of(LOGS, [(b"content-length", b"9")]) is None


def test_json_says_farewell_between_events() -> None:
    watch = follower("application/json")
    watch.feed(EVENT)
    farewell = watch.farewell("kgate: closed by policy")
    assert farewell is not None
    assert farewell.complete
    assert farewell.data.endswith(b"\n")
    assert orjson.loads(farewell.data) == {
        "type": "ERROR",
        "object": {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": "kgate: closed by policy",
            "reason": "Forbidden",
            "code": 403,
        },
    }


def test_json_before_the_first_event_and_within_one() -> None:
    watch = follower("application/json")
    assert watch.farewell("x") is not None
    for byte in EVENT[:-1]:
        watch.feed(bytes([byte]))
        assert watch.farewell("x") is None
    watch.feed(EVENT[-1:])
    assert watch.farewell("x") is not None


STAMP = b"2026-11-24T09:30:00.123456789Z "
STAMPED = LOGS.but(target="/…/log?follow=true&timestamps=true")


@pytest.mark.parametrize(
    ("log", "last"),
    [
        (b"", b"kgate: x\n"),
        (STAMP + b"one\n", STAMP + b"kgate: x\n"),
        (b"2025-01-01T00:00:00Z one\n" + STAMP + b"two\n", STAMP + b"kgate: x\n"),
        (b"2025-01-01T00:00:00Z one\n2026-11-24T09:30:00.5+02:00 two", b"\n2026-11-24T09:30:00.5+02:00 kgate: x\n"),
        (STAMP + b"one\n" + STAMP[:9], b"\nkgate: x\n"),
        (STAMP + b"\n", STAMP + b"kgate: x\n"),
        (STAMP + b"one\n\n", b"kgate: x\n"),
        (b"unable to retrieve container logs\n", b"kgate: x\n"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_log_with_timestamps_ends_with_the_last_one(log: bytes, last: bytes, size: int) -> None:
    """stern takes the first word of each line for its time, and begins anew where that is none."""
    for action, said in ((STAMPED, last), (LOGS.but(target="/…/log?timestamps=false"), last[last.find(b"kgate") :])):
        follows = follower("text/plain", action)
        for start in range(0, len(log), size):
            follows.feed(log[start : start + size])
        farewell = follows.farewell("kgate: x")
        assert farewell is not None and not farewell.complete
        assert farewell.data.lstrip(b"\n" if action is not STAMPED else b"") == said


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=300), max_size=5), st.lists(st.integers(1, 50), min_size=1))
def test_protobuf_ends_where_its_lengths_say(events: list[bytes], sizes: list[int]) -> None:
    watch = follower("application/vnd.kubernetes.protobuf;stream=watch")
    stream = b"".join(len(event).to_bytes(4, "big") + event for event in events)
    ends, at = {0}, 0
    for event in events:
        at += 4 + len(event)
        ends.add(at)
    at = turn = 0
    while at < len(stream):
        piece = stream[at : at + sizes[turn % len(sizes)]]
        watch.feed(piece)
        at, turn = at + len(piece), turn + 1
        assert watch.at_boundary is (at in ends)


def fields(data: bytes) -> dict[int, list[bytes | int]]:
    """A protobuf message, read slowly."""
    found: dict[int, list[bytes | int]] = {}
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = varint()
        value: bytes | int = varint()
        if key & 7 == 2:
            assert isinstance(value, int)
            value, at = data[at : at + value], at + value
        found.setdefault(key >> 3, []).append(value)
    assert at == len(data)
    return found


def inner(message: dict[int, list[bytes | int]], *path: int) -> bytes:
    value: bytes | int = b""
    for number in path:
        (value,) = message[number]
        assert isinstance(value, bytes)
        message = fields(value) if number != path[-1] else message
    assert isinstance(value, bytes)
    return value


@pytest.mark.parametrize("length", [0, *range(20, 130), 200, 20_000])
def test_the_protobuf_farewell(length: int) -> None:
    sentence = "x" * length
    event = protobuf_error_event(sentence)
    assert int.from_bytes(event[:4], "big") == len(event) - 4
    message = fields(event[4:])
    assert message[1] == [b"ERROR"]
    raw = inner(message, 2, 1)
    assert raw[:4] == b"k8s\0"
    unknown = fields(raw[4:])
    assert fields(inner(unknown, 1)) == {1: [b"v1"], 2: [b"Status"]}
    status = fields(inner(unknown, 2))
    assert status == {1: [b""], 2: [b"Failure"], 3: [sentence.encode()], 4: [b"Forbidden"], 6: [403]}


def test_a_log_is_told_on_a_line_of_its_own_and_never_ends_well() -> None:
    log = follower("text/plain", LOGS)
    assert log.farewell("kgate: bye") == Farewell(b"kgate: bye\n", complete=False)
    log.feed(b"half a li")
    assert log.farewell("kgate: bye") == Farewell(b"\nkgate: bye\n", complete=False)
    log.feed(b"ne\n")
    assert log.farewell("kgate: bye") == Farewell(b"kgate: bye\n", complete=False)


documents = st.recursive(
    st.one_of(st.integers(0, 2**40), st.text(max_size=30), st.booleans(), st.none(), st.floats(allow_nan=False), st.binary(max_size=300)),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=5), inside, max_size=4),
    max_leaves=12,
)


def head(major: int, argument: int) -> bytes:
    for short, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 24:
            return bytes([major << 5 | argument])
        if argument < 1 << 8 * size:
            return bytes([major << 5 | short]) + argument.to_bytes(size, "big")
    raise AssertionError(argument)


def cbor(value: object, indefinite: bool) -> bytes:
    """CBOR written slowly, with every second container of indefinite length."""
    match value:
        case bool() | None:
            return bytes([0xF4 + {False: 0, True: 1, None: 2}[value]])
        case int():
            return head(0, value)
        case float():
            return b"\xfb" + bytes(8)
        case str():
            return head(3, len(value.encode())) + value.encode()
        case bytes():
            half = len(value) // 2
            return (
                b"\x5f" + head(2, half) + value[:half] + head(2, len(value) - half) + value[half:] + b"\xff"
                if indefinite
                else head(2, len(value)) + value
            )
        case list():
            items = b"".join(cbor(item, not indefinite) for item in value)
            return b"\x9f" + items + b"\xff" if indefinite else head(4, len(value)) + items
        case dict():
            items = b"".join(cbor(key, False) + cbor(item, not indefinite) for key, item in value.items())
            return b"\xbf" + items + b"\xff" if indefinite else b"\xd9\xd9\xf7" + head(5, len(value)) + items
    raise TypeError(value)


@settings(max_examples=150)
@given(st.lists(st.tuples(documents, st.booleans()), min_size=1, max_size=3), st.integers(1, 7))
def test_cbor_ends_where_an_item_ends(items: list[tuple[object, bool]], size: int) -> None:
    ends, stream = {0}, b""
    for item, indefinite in items:
        stream += cbor(item, indefinite)
        ends.add(len(stream))
    follow = CborEnds()
    for at in range(0, len(stream), size):
        follow.feed(stream[at : at + size])
        assert follow.at_boundary is (min(at + size, len(stream)) in ends)


@pytest.mark.parametrize("stream", [b"\xff", b"\x1f", b"\x1c", b"\x81" * 65, b"\x82\xff"])
def test_what_is_no_cbor_has_no_boundary_any_more(stream: bytes) -> None:
    follow = CborEnds()
    follow.feed(stream)
    follow.feed(b"\x00" * 100)
    assert not follow.at_boundary


@pytest.mark.parametrize("head", [b"\x81", b"\x9f", b"\xa1\x00", b"\xbf\x00"])
def test_cbor_is_followed_64_levels_deep(head: bytes) -> None:
    """As deep as API machinery decodes it."""
    for levels, followed in ((64, True), (65, False)):
        follow = CborEnds()
        follow.feed(head * levels + b"\x00" + (b"\xff" * levels if head[0] & 0x1F == 31 else b""))
        assert follow.at_boundary is followed


def test_the_cbor_farewell_is_one_item() -> None:
    watch = follower("application/cbor-seq")
    farewell = watch.farewell("kgate: bye")
    assert farewell is not None
    assert farewell.data.startswith(b"\xd9\xd9\xf7\xa2\x44type\x45ERROR\x46object\xa7")
    watch.feed(farewell.data)
    assert watch.at_boundary
    watch.feed(encode_cbor({"a": 1})[:-1])
    assert watch.farewell("x") is None
