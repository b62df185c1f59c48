"""Who a cluster says somebody is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgate.kube.self_subject_review import UserInfo, read_user


def test_all_of_it() -> None:
    info = {"username": "kgate", "groups": ["a", "b"], "uid": "7", "extra": {"z": ["1"], "k": ["2", "3"]}}
    assert read_user(json.dumps({"status": {"userInfo": info}}).encode()) == UserInfo(
        "kgate", ("a", "b"), "7", (("k", ("2", "3")), ("z", ("1",)))
    )


def test_only_a_name() -> None:
    assert read_user(b'{"status": {"userInfo": {"username": "kgate", "groups": null}}}') == UserInfo("kgate")


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (b"<html>", "not JSON"),
        (b"[]", "no status.userInfo"),
        (b'{"status": 1}', "no status.userInfo"),
        (b'{"status": {"userInfo": {"username": 1}}}', "a userInfo of wrong types"),
        (b'{"status": {"userInfo": {"username": "a", "groups": [1]}}}', "a userInfo of wrong types"),
        (b'{"status": {"userInfo": {"username": "a", "extra": {"k": "v"}}}}', "a userInfo of wrong types"),
    ],
)
def test_what_is_no_answer(body: bytes, wrong: str) -> None:
    assert read_user(body) == wrong


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_whatever_a_cluster_sends_is_a_user_or_a_sentence(info: object) -> None:
    read = read_user(json.dumps({"status": {"userInfo": info}}).encode())
    assert isinstance(read, (UserInfo, str))
