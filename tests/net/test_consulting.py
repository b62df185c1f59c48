"""How others are asked: each question once at a time, only so many at once, who waits before what is renewed, and never longer than its timeout."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from kgate.authorizers.answers import Answers, Lives
from kgate.authorizers.chain import Consulted
from kgate.authorizers.interface import Answer, Opinion, Question, Questions, Unanswered
from kgate.authorizers.webhook import SubjectReviews
from kgate.net.consulting import AT_ONCE, RENEWALS_A_SECOND, TOLD_SECONDS, Consulting, Line

YES, NO = Answer(Opinion.ALLOWED), Answer(Opinion.DENIED, "no")


class Silent(SubjectReviews):
    """Answers when a test says so."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.asked: list[tuple[Question, Deferred[Answer | Unanswered]]] = []

    async def ask(self, question: Question) -> Answer | Unanswered:
        answer: Deferred[Answer | Unanswered] = Deferred()
        self.asked.append((question, answer))
        return await answer


class World:
    def __init__(self) -> None:
        self.clock, self.asker, self.withdrawn, self.flushed = Clock(), Silent("hook"), 0, 0
        self.counted: list[str] = []
        self.answers = Answers(self.clock.seconds, Lives(10.0, 5.0))
        self.consulting = Consulting(self.clock, self.clock.seconds, self._flush, self._withdrawn, self._count)
        self.consulting.use({"hook": Line(Consulted("hook", self.asker, self.answers), 2.0)})

    def _flush(self) -> None:
        self.flushed += 1

    def _count(self, authorizer: str, answer: str) -> None:
        self.counted.append(answer)

    def _withdrawn(self) -> None:
        self.withdrawn += 1

    def fetch(self, *numbers: int) -> Deferred[None]:
        return Deferred.fromCoroutine(self.consulting.fetch(Questions(tuple(question(number) for number in numbers))))

    def answer(self, answer: Answer, at: int = 0) -> None:
        self.asker.asked.pop(at)[1].callback(answer)


def question(number: int) -> Question:
    return Question("hook", number)


@pytest.fixture
def world() -> World:
    return World()


def test_two_who_want_the_same_ask_once(world: World) -> None:
    one, other = world.fetch(1, 2), world.fetch(2)
    assert [asked.body for asked, _ in world.asker.asked] == [1, 2]
    world.answer(YES, 1)
    assert other.called and not one.called
    world.answer(NO)
    assert one.called and world.flushed
    assert [world.answers.of(question(number)) is not None for number in (1, 2)] == [True, True]


def test_only_so_many_are_asked_at_once_and_who_waits_goes_before_what_is_renewed(world: World) -> None:
    waiting = world.fetch(*range(AT_ONCE + 2))
    world.consulting.renew(question(-1))
    world.clock.advance(1)
    world.consulting.tick()
    assert len(world.asker.asked) == AT_ONCE
    world.answer(YES)
    world.consulting.tick()
    assert [asked.body for asked, _ in world.asker.asked][-1] == AT_ONCE and not waiting.called
    for _ in range(3):
        world.answer(YES)
    world.consulting.tick()
    assert [asked.body for asked, _ in world.asker.asked][-2:] == [AT_ONCE + 1, -1]


def test_renewals_are_spread_over_time_and_asked_once(world: World) -> None:
    for number in range(1000):
        for _ in range(3):
            world.consulting.renew(question(number))
    asked = 0
    for _ in range(8):
        world.clock.advance(0.25)
        world.consulting.tick()
        asked += len(world.asker.asked)
        while world.asker.asked:
            world.answer(YES)
    assert asked <= 2 * RENEWALS_A_SECOND + 1
    assert asked >= 8 * min(AT_ONCE, RENEWALS_A_SECOND / 4)


@pytest.mark.threat("13")
def test_threat_13_whoever_takes_too_long_has_denied(world: World) -> None:
    waiting = world.fetch(1)
    world.clock.advance(2.0)
    held = world.answers.of(question(1))
    assert waiting.called and held is not None and not held.allowed
    assert held.text == "it did not answer within 2 s; ask whoever runs this gate"
    assert world.consulting.problems() == {"hook": "did not answer within 2 s"} and world.counted == ["nothing"]
    world.fetch(2)
    world.answer(NO, 1)
    assert world.consulting.problems() == {} and world.counted == ["nothing", "denied"]


def test_a_gate_that_nobody_asks_any_more_is_ready_again_after_a_while(world: World) -> None:
    world.fetch(1)
    world.clock.advance(2.0)
    assert world.consulting.problems() != {}
    world.clock.advance(TOLD_SECONDS)
    assert world.consulting.problems() == {}


def test_a_renewal_that_fails_leaves_the_answer_until_its_own_end(world: World) -> None:
    world.answers.learn(question(1), YES)
    world.consulting.renew(question(1))
    world.clock.advance(1)
    world.consulting.tick()
    world.clock.advance(2)
    held = world.answers.of(question(1))
    assert held is not None and held.allowed and world.withdrawn == 0
    world.clock.advance(7)
    assert world.answers.of(question(1)) is None


def test_an_answer_that_takes_back_has_what_lives_decided_again(world: World) -> None:
    world.answers.learn(question(1), YES)
    world.consulting.renew(question(1))
    world.clock.advance(0.1)
    world.consulting.tick()
    world.answer(NO)
    assert world.withdrawn == 1


def test_an_authorizer_that_a_reload_took_out_keeps_nobody_waiting(world: World) -> None:
    world.consulting.use({})
    assert world.fetch(1).called
