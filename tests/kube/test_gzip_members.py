"""A watch that is compressed as the API server does since 1.37: one gzip member for each flush."""

from __future__ import annotations

import gzip

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgate.kube.cbor import encode_cbor
from kgate.kube.gzip_members import MOST_INFLATED, GzipMembers, gzip_member
from kgate.kube.watch import Form, WatchFollower, cbor_error_event, error_event, protobuf_error_event
from kgate.model import Action, Cluster

WATCH = Action(Cluster("c"), "GET", "watch", "/api/v1/pods?watch=1", "/api/v1/pods", resource="pods", follows=True)
EVENT = b'{"type":"ADDED","object":{"kind":"Pod","metadata":{"name":"a"}}}\n'
EVENTS = {
    Form.JSON: (EVENT, error_event),
    Form.PROTOBUF: (b"\0\0\0\x03abc", protobuf_error_event),
    Form.CBOR: (encode_cbor({"type": "ADDED"}), cbor_error_event),
}


def follower(form: Form = Form.JSON) -> WatchFollower:
    made = WatchFollower.of(WATCH, [(b"content-type", form.value.encode()), (b"content-encoding", b"gzip")])
    assert made is not None
    return made


@pytest.mark.parametrize("form", EVENTS)
def test_the_farewell_is_a_member_of_its_own_behind_whole_ones(form: Form) -> None:
    event, farewell_of = EVENTS[form]
    watch, body = follower(form), gzip_member(event * 3) + gzip_member(event)
    watch.feed(body)
    farewell = watch.farewell("kgate: bye")
    assert farewell is not None
    assert farewell.complete
    assert gzip.decompress(body + farewell.data) == event * 4 + farewell_of("kgate: bye")


def test_before_the_first_member_there_is_room_for_a_word() -> None:
    farewell = follower().farewell("kgate: bye")
    assert farewell is not None
    assert orjson.loads(gzip.decompress(farewell.data))["object"]["message"] == "kgate: bye"


@pytest.mark.parametrize("form", EVENTS)
def test_nothing_is_said_within_a_member_nor_behind_one_that_ends_within_an_event(form: Form) -> None:
    event, _ = EVENTS[form]
    watch = follower(form)
    for byte in gzip_member(event)[:-1]:
        watch.feed(bytes([byte]))
        assert watch.farewell("x") is None
    watch = follower(form)
    watch.feed(gzip_member(event[:-1]))
    assert watch.farewell("x") is None
    watch.feed(gzip_member(event[-1:]))
    assert watch.farewell("x") is not None


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=6000), max_size=5), st.integers(1, 9000))
def test_what_is_inside_and_where_a_member_ends_however_it_is_cut(texts: list[bytes], size: int) -> None:
    members, inside, at, ends = GzipMembers(), b"", 0, {0}
    stream = b"".join(map(gzip_member, texts))
    for text in texts:
        ends.add(max(ends) + len(gzip_member(text)))
    while at < len(stream):
        inside += b"".join(members.inside(stream[at : at + size]))
        at = min(at + size, len(stream))
        assert members.at_boundary is (at in ends)
    assert inside == b"".join(texts)


@pytest.mark.parametrize("damage", [b"no gzip at all", gzip_member(b"a")[:-8] + bytes(8), gzip_member(b"a") + b"\0"])
def test_what_is_damaged_has_no_boundary_any_more(damage: bytes) -> None:
    members = GzipMembers()
    for data in (damage, gzip_member(EVENT)):
        list(members.inside(data))
        assert not members.at_boundary


@pytest.mark.parametrize("flood", [gzip_member(bytes(4 * MOST_INFLATED)), gzip_member(b"") * 26_000])
def test_a_cluster_cannot_make_the_gate_inflate_without_end(flood: bytes) -> None:
    members = GzipMembers()
    assert sum(map(len, members.inside(flood))) <= MOST_INFLATED
    assert not members.at_boundary
    assert not list(members.inside(gzip_member(EVENT)))


def test_a_large_list_is_followed() -> None:
    members, text = GzipMembers(), EVENT * 30_000
    assert b"".join(members.inside(gzip_member(text))) == text
    assert members.at_boundary
