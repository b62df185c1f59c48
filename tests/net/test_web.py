"""Asking other people's web servers over real TLS: a whole answer in time, or a sentence that says why not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from authority import Authority
from reactors import turn_until
from twisted.internet.defer import Deferred
from web_server import Page, WebServer, document, web_server

from kgate.net.web import Asking, Reply, Unreachable


@pytest.fixture
def reactor(global_reactor: Any) -> Any:
    return global_reactor


@pytest.fixture(scope="module")
def web() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


def ask(reactor: Any, asking: Asking, url: str, method: str = "GET", **how: Any) -> Reply | Unreachable:
    answers: list[Reply | Unreachable] = []
    Deferred.fromCoroutine(asking.ask(method, url, **how)).addCallback(answers.append)
    turn_until(reactor, lambda: bool(answers))
    return answers[0]


def test_a_whole_answer(reactor: Any, web: WebServer) -> None:
    web.pages["/keys"] = document({"keys": []})
    answer = ask(reactor, Asking(reactor, web.pem), f"{web.url}/keys?x=1", headers=[("accept", "application/json")])
    assert isinstance(answer, Reply)
    assert (answer.status, answer.body, answer.header("content-type")) == (200, b'{"keys": []}', "application/json")
    assert (web.seen[-1].path, web.seen[-1].headers["accept"]) == ("/keys?x=1", "application/json")


def test_a_body_goes_along(reactor: Any, web: WebServer) -> None:
    web.pages["/echo"] = lambda seen: Page(201, seen.body)
    answer = ask(reactor, Asking(reactor, web.pem), f"{web.url}/echo", "POST", body=b"token=x")
    assert isinstance(answer, Reply)
    assert (answer.status, answer.body) == (201, b"token=x")


def test_a_redirect_is_an_answer_like_any_other(reactor: Any, web: WebServer) -> None:
    web.pages["/moved"] = Page(302, headers=(("location", f"{web.url}/keys"),))
    before = len(web.seen)
    answer = ask(reactor, Asking(reactor, web.pem), f"{web.url}/moved")
    assert isinstance(answer, Reply)
    assert answer.status == 302
    assert web.paths()[before:] == ["/moved"]


def test_too_much_is_not_read(reactor: Any, web: WebServer) -> None:
    web.pages["/huge"] = Page(200, b"x" * 5_000_000)
    assert ask(reactor, Asking(reactor, web.pem), f"{web.url}/huge", limit=1000) == Unreachable("answered with more than 1000 bytes")


def test_whoever_is_slow_is_not_waited_for(reactor: Any, web: WebServer) -> None:
    release = threading.Event()
    web.pages["/slow"] = Page(200, before=lambda: release.wait(10) and None)
    assert ask(reactor, Asking(reactor, web.pem), f"{web.url}/slow", seconds=0.2) == Unreachable("did not answer within 0.2 s")
    release.set()


def test_another_authority_is_not_believed(reactor: Any, web: WebServer) -> None:
    other = Authority("somebody else").certificate.decode()
    answer = ask(reactor, Asking(reactor, other), f"{web.url}/keys")
    assert answer == Unreachable("cannot be trusted: certificate verify failed")


def test_the_system_does_not_know_our_authority(reactor: Any, web: WebServer) -> None:
    assert ask(reactor, Asking(reactor), f"{web.url}/keys") == Unreachable("cannot be trusted: certificate verify failed")


def test_the_certificate_must_be_for_that_name(reactor: Any) -> None:
    with web_server(None, "elsewhere.example") as web:
        answer = ask(reactor, Asking(reactor, web.pem), f"{web.url}/keys")
        assert answer == Unreachable("cannot be trusted: its certificate is for another name")


def test_nobody_there(reactor: Any) -> None:
    answer = ask(reactor, Asking(reactor), "https://127.0.0.1:1/keys")
    assert isinstance(answer, Unreachable)
    assert answer.text.startswith("cannot be reached: Connection was refused")


@pytest.mark.parametrize(
    "url", ["", "https://", "https://h:port/", "https://[", "https://h /", "https://\N{SNOWMAN}/", "https://h/\r\nX: y"]
)
def test_an_address_that_is_none(reactor: Any, url: str) -> None:
    assert ask(reactor, Asking(reactor), url) == Unreachable("has an address that is none")
