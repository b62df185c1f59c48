"""Redirects of proxied servers: what leads to the same server goes on, as a reference that means the same wherever the client has the cluster."""

from __future__ import annotations

from urllib.parse import urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgate.kube.redirects import proxied_headers, relative
from kgate.kube.refusal import Refusal
from kgate.kube.requestinfo import parse_action
from kgate.model import Action, Cluster

POD = "/api/v1/namespaces/proxy/pods/https:web:8080/proxy"
NODE = "/api/v1/nodes/node-1/proxy"


def asked(target: str) -> Action:
    action = parse_action(Cluster("lab"), b"GET", target.encode())
    assert isinstance(action, Action)
    return action


parts = st.lists(st.sampled_from(["a", "b", "c:d", "login", "proxy", "x%20y", "...", "@"]), max_size=5)
tails = st.builds(lambda each, slash: "".join(f"/{part}" for part in each) + slash, parts, st.sampled_from(["", "/"]))
ends = st.sampled_from(["", "?a=b", "?next=/../x", "#top", "?a#b"])


@given(st.sampled_from([POD, NODE]), tails, tails, ends, st.sampled_from(["", "/clusters/lab", "/behind/kubectl/proxy"]))
def test_it_leads_to_the_same_place_by_whichever_path_the_client_asks(server: str, tail: str, other: str, end: str, before: str) -> None:
    location = f"{server}/{other.removeprefix('/')}{end}"
    found = relative(asked(f"{server}{tail}?q=1"), location)
    assert urljoin(f"https://gate{before}{server}{tail}?q=1", found) == f"https://gate{before}{location}"
    assert found and not found.startswith("/")


@pytest.mark.threat("12")
@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example.com/", "//evil.example.com/", "/\\evil.example.com/", "/api/v1/secrets", POD.replace("web", "other") + "/",
        POD, POD + "x/", f"{POD}/../../../../secrets", f"{POD}//evil.example.com",
        f"{POD}/%2e%2E/%2e%2e/x", f"{POD}/./x", f"{POD}/a\\b", f"{POD}/a b", f"{POD}/a\r\nx: y", f"{POD}/\xe4",
        "next", "?a=b", "", f"https://gate{POD}/x", f"http:{POD}/x",
    ],
)  # fmt: skip
def test_threat_12_what_leads_elsewhere_is_refused(location: str) -> None:
    found = proxied_headers(302, [(b"location", location.encode("latin-1"))], asked(f"{POD}/x"))
    assert isinstance(found, Refusal) and found.status == 502


@pytest.mark.threat("12")
def test_threat_12_so_are_two_places() -> None:
    assert isinstance(proxied_headers(302, [(b"location", POD.encode() + b"/x")] * 2, asked(f"{POD}/x")), Refusal)


def test_the_rest_of_its_head_is_as_of_any_answer() -> None:
    head = [(b"location", POD.encode() + b"/login?next=x"), (b"set-cookie", b"a=b"), (b"content-length", b"0")]
    assert proxied_headers(303, head, asked(f"{POD}/admin/")) == [(b"content-length", b"0"), (b"location", b"../login?next=x")]
