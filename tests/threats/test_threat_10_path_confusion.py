"""Class 10: paths that the gate and the API server could read differently (CVE-2019-9901, CVE-2021-29492)."""

from __future__ import annotations

import pytest
from arena import HEAD, Arena

pytestmark = pytest.mark.threat("10")


@pytest.mark.parametrize(
    "target",
    [
        b"//api/v1/pods",
        b"/api//v1/pods",
        b"/api/v1/namespaces//pods",
        b"/api/v1/./pods",
        b"/api/v1/namespaces/../pods",
        b"/api/v1/namespaces/a/../../pods",
        b"/api/v1/namespaces/%2e%2e/pods",
        b"/api/v1/namespaces/.%2e/pods",
        b"/api/v1/namespaces/default%2Fpods",
        b"/api/v1/namespaces/default%2fpods",
        b"/api/v1/namespaces/a%5Cb/pods",
        b"/api/v1/namespaces/a%00/pods",
        b"/api/v1/namespaces/a%zz/pods",
        b"/api/v1/namespaces/a%2/pods",
        b"/api/v1/namespaces/%ff/pods",
        b"/api/v1/pods?watch=true;a=b",
        b"/api/v1/pods?watch=%zz",
        b"/api/v1/pods#fragment",
        b"/../prod/api/v1/pods",
        b"/..%2fprod/api/v1/pods",
    ],
)
def test_it_is_a_bad_request_and_nothing_is_forwarded(arena: Arena, target: bytes) -> None:
    assert arena.get(target) in (400, 404)
    assert arena.cluster.heads == []


@pytest.mark.parametrize("form", [b"https://localhost/clusters/lab/api/v1/pods", b"localhost:443", b"*"])
def test_other_forms_of_a_target_are_refused(arena: Arena, form: bytes) -> None:
    assert arena.ask(b"GET " + form + b" HTTP/1.1\r\n" + HEAD + b"\r\n") in (400, 404)
    assert arena.cluster.heads == []


def test_what_was_parsed_is_what_is_forwarded_to_the_byte(arena: Arena) -> None:
    target = b"/api/v1/namespaces/a/pods/?labelSelector=app%3Dweb%2Ctier%20in%20(x)&limit=5"
    assert arena.get(target) == 200
    assert arena.cluster.heads[0].split(b" ")[1] == target
