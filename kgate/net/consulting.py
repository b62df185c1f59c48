"""Asking the other authorizers: each distinct question once at a time, only so many at the same time, renewals no faster than the authorizer bears.

Requests that wait come first. Renewals (what lives under an answer that is about to end) are the rest of the capacity and are spread over time, so a
thousand watches of one moment do not become a thousand questions of one moment. Each question has the authorizer's own deadline; what cannot be
had in time is a denial for those who waited, and leaves an answer that still counts as it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.logger import Logger
from twisted.python.failure import Failure

from kgate.authorizers.chain import Consulted
from kgate.authorizers.interface import Answer, Opinion, Question, Questions, Unanswered

log = Logger()

AT_ONCE = 64
"""Questions to one authorizer at the same time."""
RENEWALS_A_SECOND = 200.0
TOLD_SECONDS = 30.0


@frozen(eq=False)
class Line:
    """One authorizer and how long it may take (seconds)."""

    consulted: Consulted
    timeout: float


class Consulting:
    """See the module. ``withdrawn`` is called when an answer takes back what was allowed: what lives is to be decided again.

    ``count`` is told each authorizer and its answer; ``now`` is monotonic.
    """

    def __init__(
        self,
        reactor: Any,
        now: Callable[[], float],
        flush: Callable[[], None],
        withdrawn: Callable[[], None],
        count: Callable[[str, str], None],
    ) -> None:
        self._reactor, self._now, self._flush, self._withdrawn, self._count = reactor, now, flush, withdrawn, count
        self._failed: dict[str, tuple[str, float]] = {}
        self._lines: Mapping[str, Line] = {}
        self._under_way: dict[Question, list[Deferred[None]]] = {}
        self._rooms: defaultdict[str, DeferredSemaphore] = defaultdict(lambda: DeferredSemaphore(AT_ONCE))
        self._renewals: dict[Question, None] = {}
        self._allowance, self._counted = 1.0, now()

    def use(self, lines: Mapping[str, Line]) -> None:
        """The authorizers of the configuration in force."""
        self._lines = lines
        self._failed = {name: failure for name, failure in self._failed.items() if name in lines}

    def problems(self) -> dict[str, str]:
        """Authorizers that did not answer when they were last asked, and why not.

        For a while only: where nothing is asked, nobody would ever find out that it is over.
        """
        recent = self._now() - TOLD_SECONDS
        return {name: text for name, (text, at) in self._failed.items() if at > recent}

    async def fetch(self, wanted: Questions) -> None:
        """Ask all of them; done when each was answered or given up."""
        for arrived in [self._ask(question) for question in wanted.each]:
            await arrived

    def renew(self, question: Question) -> None:
        """Ask again in the background, when there is room."""
        if question not in self._under_way:
            self._renewals.setdefault(question)

    def tick(self) -> None:
        """Called a few times a second: start as many renewals as time has allowed."""
        now = self._now()
        self._allowance = min(self._allowance + (now - self._counted) * RENEWALS_A_SECOND, RENEWALS_A_SECOND)
        self._counted = now
        while self._renewals and self._allowance >= 1 and self._has_room(next(iter(self._renewals))):
            question = next(iter(self._renewals))
            del self._renewals[question]
            self._allowance -= 1
            self._ask(question)

    def _has_room(self, question: Question) -> bool:
        return self._rooms[question.authorizer].tokens > 0

    def _ask(self, question: Question) -> Deferred[None]:
        """Fires when it was answered or given up; whoever wants what is being asked waits for the same answer."""
        arrived: Deferred[None] = Deferred()
        waiting = self._under_way.get(question)
        if waiting is not None:
            waiting.append(arrived)
            return arrived
        self._under_way[question] = [arrived]
        asked = Deferred.fromCoroutine(self._asked(question))
        asked.addErrback(lambda failure: log.failure("asking {name} failed", failure, name=question.authorizer))
        return arrived

    async def _asked(self, question: Question) -> None:
        room = self._rooms[question.authorizer]
        await room.acquire()
        line = self._lines.get(question.authorizer)  # a reload may have taken it out; whoever waits then asks the new chain
        answer = await self._answer(question, line) if line is not None else None
        try:
            withdrawn = line is not None and answer is not None and self._learn(question, line.consulted, answer)
        finally:
            for arrived in self._under_way.pop(question):
                arrived.callback(None)
            room.release()
        if withdrawn:
            self._withdrawn()
        self._flush()

    async def _answer(self, question: Question, line: Line) -> Answer | Unanswered:
        asked = Deferred.fromCoroutine(line.consulted.asker.ask(question))
        asked.addTimeout(line.timeout, self._reactor)
        asked.addErrback(_failed, line)
        return await asked

    def _learn(self, question: Question, consulted: Consulted, answer: Answer | Unanswered) -> bool:
        if isinstance(answer, Answer):
            self._failed.pop(consulted.name, None)
            self._count(consulted.name, answer.opinion.value)
            return consulted.answers.learn(question, answer)
        self._count(consulted.name, "nothing")
        if self._failed.get(consulted.name, ("",))[0] != answer.text:
            log.error("authorizer {name} {text}", name=consulted.name, text=answer.text)
        self._failed[consulted.name] = answer.text, self._now()
        if consulted.answers.of(question) is not None:
            return False  # the answer that there is counts until its own end
        return consulted.answers.learn(question, Answer(Opinion.NONE, f"it {answer.text}; ask whoever runs this gate", 0.0))


def _failed(failure: Failure, line: Line) -> Unanswered:
    """What an asker did not say itself. Anything but a timeout is a bug of a third party's, which must not let anybody in."""
    if failure.check(TookTooLong, CancelledError) is not None:
        return Unanswered(f"did not answer within {line.timeout:g} s")
    log.failure("authorizer {name} failed", failure, name=line.consulted.name)
    return Unanswered("failed, as the gate's log says")
