"""Fetching security events: one question at a time, and only what is durable is acknowledged."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred

from kgate.identity.notice_tokens import Refused
from kgate.identity.notices import Kind, Notice, Subject
from kgate.net.database import StoreUnavailableError
from kgate.net.notices import Received
from kgate.net.polling import REST_SECONDS, Poller
from kgate.net.web import Reply, Unreachable

TAKEN = Received(Notice("https://t", "j", Kind.LOGOUT, Subject(sub="a"), 0.0), True)


@define
class Transmitter:
    """Holds each question until the test answers it."""

    asked: list[dict[str, Any]] = field(factory=list)
    waiting: list[Deferred[Reply | Unreachable]] = field(factory=list)
    now: float = 0.0
    taken: list[str] = field(factory=list)
    broken: bool = False

    async def ask(
        self, method: str, url: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b"", *, limit: int = 0, seconds: float = 0.0
    ) -> Reply | Unreachable:
        self.asked.append(json.loads(body))
        self.waiting.append(Deferred())
        return await self.waiting[-1]

    async def take(self, token: str) -> Received | Refused:
        if self.broken:
            raise StoreUnavailableError("the store does not answer")
        self.taken.append(token)
        errors = {"bad": "invalid_key", "later": "unavailable"}
        return Refused(errors[token], "nobody's") if token in errors else TAKEN

    def answers(self, sets: object, status: int = 200) -> None:
        self.waiting.pop().callback(Reply(status, (), json.dumps({"sets": sets}).encode()))


async def bearer() -> str:
    return "secret"


def scene() -> tuple[Transmitter, Poller]:
    transmitter = Transmitter()
    return transmitter, Poller("https://t/poll", transmitter, bearer, transmitter.take, lambda: transmitter.now)


def test_one_question_is_under_way_and_the_next_acknowledges_what_it_brought() -> None:
    transmitter, poller = scene()
    poller.tick()
    poller.tick()
    assert len(transmitter.asked) == 1
    transmitter.answers({"1": "good", "2": "bad"})
    poller.tick()
    assert transmitter.taken == ["good", "bad"]
    assert transmitter.asked[1]["ack"] == ["1"] and transmitter.asked[1]["setErrs"]["2"]["err"] == "invalid_key"


def test_what_could_not_be_verified_for_now_comes_again_and_holds_up_nothing_else() -> None:
    transmitter, poller = scene()
    poller.tick()
    transmitter.answers({"1": "later", "2": "good"})
    assert "nobody's" in poller.problem
    poller.tick()
    assert len(transmitter.asked) == 1  # it rests: the same would come at once
    transmitter.now = REST_SECONDS
    poller.tick()
    assert transmitter.asked[1]["ack"] == ["2"] and transmitter.asked[1]["setErrs"] == {}


def test_what_could_not_be_kept_is_not_acknowledged() -> None:
    transmitter, poller = scene()
    transmitter.broken = True
    poller.tick()
    transmitter.answers({"1": "good"})
    assert "does not answer" in poller.problem
    transmitter.broken, transmitter.now = False, REST_SECONDS
    poller.tick()
    assert transmitter.asked[1]["ack"] == []
    transmitter.answers({"1": "good"})
    poller.tick()
    assert (transmitter.asked[2]["ack"], poller.problem) == (["1"], "")


def test_a_transmitter_that_fails_is_left_alone_for_a_while_and_shows() -> None:
    transmitter, poller = scene()
    for answer in (Unreachable("does not answer"), Reply(500, (), b""), Reply(200, (), b"[]"), Reply(200, (), b'{"sets": {"1": 7}}')):
        poller.tick()
        transmitter.waiting.pop().callback(answer)
        assert poller.problem
        poller.tick()
        assert transmitter.waiting == []
        transmitter.now += REST_SECONDS
    assert transmitter.taken == []


def test_a_poller_that_was_stopped_asks_nothing_more() -> None:
    transmitter, poller = scene()
    poller.tick()
    poller.stop()
    transmitter.answers({"1": "good"})
    poller.tick()
    assert len(transmitter.asked) == 1
