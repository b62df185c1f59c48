"""What is held of the bodies of requests for the gate itself: so much of one address, and of all (security.md class 19)."""

from __future__ import annotations

import pytest
from exchange_world import World

from kgate.exchange.legs import ClientLeg
from kgate.exchange.local import MOST_OF_ALL, MOST_OF_ONE, LocalExchange, LocalRequest, Respond
from kgate.memory import Shares
from kgate.wire.events import RequestReceived

POST = b"POST /kgate/v1/whoami HTTP/1.1\r\nHost: gate\r\nContent-Length: 11\r\n\r\n"


class Local(World):
    """A world in which every request is for the gate itself, which holds its bodies and never answers."""

    held: Shares

    def answer(self, leg: ClientLeg, request: RequestReceived) -> None:
        LocalExchange(leg, request, self, self.clock, lambda _: None, self.held, leg.address).begin()

    def owns(self, path: str) -> bool:
        return True

    def serve(self, request: LocalRequest, respond: Respond) -> None: ...


@pytest.mark.threat("19")
@pytest.mark.parametrize(("who", "most"), [("192.0.2.1", MOST_OF_ONE), ("192.0.2.2", MOST_OF_ALL)])
def test_where_there_is_no_room_for_more_of_one_or_of_anybodys_it_is_refused_and_let_go(who: str, most: int) -> None:
    local = Local()
    local.held = Shares()
    local.held.take(who, most - 10)
    local.asks(POST + b"0123456789")
    assert local.pipe.take() == b"" and local.held.all == most
    local.asks(b"0")
    assert local.pipe.take().startswith(b"HTTP/1.1 503 ") and local.held.all == most - 10


def test_of_whoever_gave_all_back_nothing_is_kept() -> None:
    shares = Shares()
    shares.take("a")
    shares.take("a", 2)
    shares.take("b")
    assert (shares.of("a"), shares.of("b"), shares.all) == (3, 1, 4)
    shares.let_go("a", 2)
    shares.let_go("b")
    shares.let_go("c", 0)  # a request without a body
    assert (shares.of("a"), shares.of("b"), shares.all) == (1, 0, 1)
    assert list(shares._of) == ["a"]
