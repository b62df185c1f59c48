"""The gate's pages while the store does not answer: they say so, as pages, and that it is worth trying again."""

from __future__ import annotations

from typing import Any, cast

import pytest
from attrs import define
from twisted.internet.defer import Deferred

from kgate.api.application import Application
from kgate.api.attempts import Attempts
from kgate.api.pages import SESSION_COOKIE, Pages, Place
from kgate.exchange.local import LocalRequest, LocalResponse
from kgate.identity.credentials import Credentials
from kgate.net.database import StoreUnavailableError

URL = "https://kube.example.com"


class Silent:
    """A store that does not answer."""

    async def read(self, work: object) -> object:
        raise StoreUnavailableError("the store does not answer")

    write = read


@define
class Nobodys:
    """Sign-ins that need the store for everything."""

    store: Silent

    def providers(self) -> tuple[()]:
        return ()


def ask(method: str, target: str) -> LocalResponse:
    signins: Any = Nobodys(Silent())
    plenty = Attempts(lambda: 100)
    pages = Pages(lambda: Place(URL, lambda _: ()), signins, cast("Any", None), lambda session, until: None, lambda: 0.0, plenty, plenty)
    path, _, query = target.partition("?")
    headers = (("cookie", f"{SESSION_COOKIE}=held"), ("origin", URL))
    answers: Deferred[LocalResponse] = Deferred()
    request = LocalRequest(method, path, query, headers, b"user_code=BCDF-GHJK", Credentials(address="192.0.2.1"))
    Application(lambda: None, pages.routes()).serve(request, answers.callback)
    return cast("LocalResponse", answers.result)


@pytest.mark.parametrize(
    ("method", "target"),
    [("GET", "/"), ("GET", "/kubeconfig"), ("POST", "/logout"), ("GET", "/device?user_code=BCDF-GHJK"), ("POST", "/device")],
)
def test_a_page_says_that_the_store_does_not_answer(method: str, target: str) -> None:
    answer = ask(method, target)
    assert (answer.status, dict(answer.headers)["content-type"]) == (503, "text/html; charset=utf-8")
    assert b"The store does not answer. What to do: try again in a while." in answer.body
