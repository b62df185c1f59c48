"""Which requests a page of another site had a browser send: what a client certificate beside them does not vouch for."""

from __future__ import annotations

import pytest

from kgate.kube.browsers import from_another_site, from_browser

pytestmark = pytest.mark.threat("23")
GATE = b"gate.example.com:8443"
LINK = {"mode": b"navigate", "dest": b"document"}


def fields(**said: bytes) -> list[tuple[bytes, bytes]]:
    """Field by field; ``site``, ``mode``, ``dest`` are Fetch Metadata's."""
    return [(name.encode() if name in ("origin", "accept") else b"sec-fetch-" + name.encode(), value) for name, value in said.items()]


@pytest.mark.parametrize("site", [b"cross-site", b"same-site"])
@pytest.mark.parametrize(
    "rest",
    [
        {"mode": b"websocket", "dest": b"websocket", "origin": b"https://elsewhere.example"},
        {"mode": b"no-cors", "dest": b"empty"},
        {"mode": b"navigate", "dest": b"iframe"},
        {"mode": b"cors", "dest": b"document"},
        {"origin": b"https://gate.example.com:8443"},  # of a page that was redirected here
        {},
    ],
)
def test_another_site_s_is_by_what_the_browser_says(site: bytes, rest: dict[str, bytes]) -> None:
    assert from_another_site(b"GET", GATE, fields(site=site, **rest))
    assert from_another_site(b"POST", GATE, fields(site=site, **LINK)), "a form that sends itself"


@pytest.mark.parametrize("site", [b"same-origin", b"none"])
def test_its_own_pages_and_the_address_bar_are_not(site: bytes) -> None:
    assert not from_another_site(b"POST", GATE, fields(site=site, mode=b"cors", dest=b"empty"))


def test_nor_is_a_link_that_somebody_followed() -> None:
    assert not from_another_site(b"GET", GATE, fields(site=b"cross-site", **LINK))


@pytest.mark.parametrize(
    ("authority", "origin"),
    [
        (GATE, b"https://gate.example.com:8443"),
        (GATE, b"https://Gate.Example.com:8443"),
        (b"Gate.example.com", b"https://gate.example.com"),
        (b"gate.example.com:443", b"https://gate.example.com"),
        (b"gate.example.com", b"https://gate.example.com:443"),
        (b"[::1]:8443", b"https://[::1]:8443"),
    ],
)
def test_where_only_the_origin_is_said_it_has_to_be_the_gate_s(authority: bytes, origin: bytes) -> None:
    """fabric8's client and Python's websocket-client send the origin that they ask."""
    assert not from_another_site(b"GET", authority, fields(origin=origin))


@pytest.mark.parametrize(
    "origin",
    [
        b"null", b"", b"https://", b"http://gate.example.com:8443", b"https://gate.example.com", b"https://elsewhere.example", b"https://[::1",
        b"https://gate.example.com:8443.elsewhere.example", b"https://gate.example.com:x", b"file://", b"chrome-extension://gate.example.com:8443",
    ],
)  # fmt: skip
def test_any_other_origin_is_another_site_s(origin: bytes) -> None:
    assert from_another_site(b"GET", GATE, fields(origin=origin))


def test_who_says_neither_is_no_browser() -> None:
    assert not from_browser(fields(accept=b"*/*", mode=b"cors"))
    assert from_browser(fields(origin=b"null")) and from_browser(fields(site=b"none"))


def test_nor_is_kubectl_proxy_which_hands_on_what_one_says() -> None:
    """Seen of kubectl 1.37: Sec-Fetch-Site, Origin, and X-Forwarded-For of its own."""
    assert not from_browser([*fields(site=b"same-origin", origin=b"http://127.0.0.1:8001"), (b"x-forwarded-for", b"127.0.0.1")])
