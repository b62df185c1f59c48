"""A client that waits to be told that its body is wanted is told so once it is (RFC 9110 section 10.1.1), and where it is not, it never sends it."""

from __future__ import annotations

import pytest
from exchange_world import NOTHING, Both, World
from test_self_review import PATH, Desk

from kgate.exchange.legs import ClientLeg
from kgate.exchange.local import LocalExchange, LocalRequest, LocalResponse, Respond
from kgate.memory import Shares
from kgate.wire.events import InformationReceived, RequestHead, RequestReceived

POST = (
    b"POST /clusters/lab/api/v1/namespaces/a/pods HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer alice\r\n"
    b"Expect: 100-Continue\r\nContent-Length: 2\r\n\r\n"
)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.fixture
def world() -> World:
    return World()


def test_it_is_told_once_there_is_somebody_to_take_it(world: World) -> None:
    world.asks(POST)
    world.durable()
    assert world.pipe.take() == b""
    world.dials()
    assert world.pipe.take() == CONTINUE
    assert b"expect" not in world.cluster_pipe.take()
    world.asks(b"{}")
    assert world.cluster_pipe.take() == b"{}"


def test_a_refusal_comes_instead(world: World) -> None:
    world.use(NOTHING)
    world.asks(POST)
    assert world.pipe.take().startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize("request_", [POST + b"{", POST.replace(b"Expect", b"X-Expect"), POST.replace(b"HTTP/1.1", b"HTTP/1.0")])
def test_who_does_not_wait_is_told_nothing(world: World, request_: bytes) -> None:
    world.asks(request_)
    world.durable()
    world.dials()
    assert world.pipe.take() == b""


@pytest.mark.parametrize("expects", [True, False])
def test_the_same_over_http2(expects: bool) -> None:
    both = Both()
    headers = [(b"authorization", b"Bearer alice"), *([(b"expect", b"100-continue")] if expects else [])]
    asked = both.person.open(RequestHead(b"POST", b"/clusters/lab/api/v1/namespaces/a/pods", b"gate", headers), False)
    both.carry()
    both.world.durable()
    both.world.dials()
    both.carry()
    assert both.told == ([InformationReceived(asked, 100, [])] if expects else [])


class Pages:
    """An application that says what it was sent."""

    def owns(self, path: str) -> bool:
        return True

    def serve(self, request: LocalRequest, respond: Respond) -> None:
        respond(LocalResponse(200, (), request.body))


class Local(World):
    """A world in which every request is for the gate itself."""

    def answer(self, leg: ClientLeg, request: RequestReceived) -> None:
        LocalExchange(leg, request, Pages(), self.clock, lambda _: None, Shares(), leg.address).begin()


def test_what_the_gate_answers_itself_is_invited_too() -> None:
    local = Local()
    local.asks(POST)
    assert local.pipe.take() == CONTINUE
    local.asks(b"{}")
    assert local.pipe.take().endswith(b"\r\n\r\n{}")

    desk = Desk()
    desk.asks(POST.replace(b"/clusters/lab/api/v1/namespaces/a/pods", PATH.encode()))
    assert desk.pipe.take() == CONTINUE
