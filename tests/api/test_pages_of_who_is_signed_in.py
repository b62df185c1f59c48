"""The gate's pages for somebody who signed in, and whom the gate does not take for anybody: they say why."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest
from twisted.internet.defer import Deferred

from kgate.api.application import Application
from kgate.api.attempts import Attempts
from kgate.api.pages import SESSION_COOKIE, Pages, Place, cookies_of
from kgate.exchange.local import LocalRequest, LocalResponse
from kgate.identity.credentials import Credentials, Rejected
from kgate.store.people import Person
from kgate.store.sessions import Kind, Session

URL = "https://kube.example.com"
OUT = Rejected("alice is deactivated in the company's directory", "ask whoever runs the directory")


class Callers:
    """Everybody is out."""

    async def identify(self, credentials: Credentials) -> Rejected:
        return OUT


class SignIns:
    """The browser's cookie is that of a session which lives."""

    @property
    def store(self) -> SignIns:
        return self

    async def read(self, work: object) -> Session:
        return Session("s1", Kind.BROWSER, Person("alice"), 0.0, 3600.0)


def ask(path: str, token: str | None) -> LocalResponse:
    signins: Any = SignIns()
    plenty = Attempts(lambda: 100)
    pages = Pages(lambda: Place(URL, lambda _: ()), signins, cast("Any", Callers()), lambda *_: token, lambda: 1.0, plenty, plenty)
    answers: Deferred[LocalResponse] = Deferred()
    request = LocalRequest("GET", path, "", (("cookie", f"{SESSION_COOKIE}=held"),), b"", Credentials(address="192.0.2.1"))
    Application(lambda: None, pages.routes()).serve(request, answers.callback)
    return cast("LocalResponse", answers.result)


@pytest.mark.parametrize("path", ["/", "/kubeconfig"])
def test_whoever_is_out_reads_why_and_can_sign_in_as_somebody_else(path: str) -> None:
    answer = ask(path, "token")
    assert answer.status == 403 and b'href="/login"' in answer.body
    assert b"Alice is deactivated in the company&#39;s directory. What to do: ask whoever runs the directory." in answer.body


@pytest.mark.parametrize("path", ["/", "/kubeconfig"])
def test_a_gate_without_a_key_does_not_send_whoever_signed_in_to_sign_in_again(path: str) -> None:
    answer = ask(path, None)
    assert answer.status == 503 and b"The gate has no key to sign tokens with. What to do: try again in a moment" in answer.body


@pytest.mark.threat("19")
def test_a_head_full_of_cookies_costs_a_stranger_nothing_that_others_wait_for() -> None:
    """As many as a head may have: each name was counted among all of them, which held up everybody for a second."""
    header = ";".join(f"{number:x}=" for number in range(11_000))
    assert len(header) < 64 * 1024
    request = LocalRequest("GET", "/", "", (("cookie", header), ("cookie", f"{SESSION_COOKIE}=held; 1=again")), b"", Credentials())
    began = time.thread_time()
    found = cookies_of(request)
    assert time.thread_time() - began < 0.25
    assert found[SESSION_COOKIE] == "held" and len(found) == 11_000 and "1" not in found
