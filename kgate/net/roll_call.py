"""A roll call over every process that shares the store: this one answers at once, the others by the change feed, and who kept silent is named.

A person who looks for what is live during an incident must not take silence for nothing: whoever should have answered and did not is part of the
answer. Where no other process is here, nothing is written; where the store cannot be asked, the answer is this process's own and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from attrs import asdict, frozen
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TimedOut
from twisted.logger import Logger

from kgate.model import Present, RollCall
from kgate.net.database import Database, Keys, StoreUnavailableError
from kgate.store.roll_calls import TOPIC, answer, answered, asked, be_absent, be_present, begin, call, others, over

log = Logger()

PRESENT_SECONDS = 20.0
"""Between two words that this process is here."""
WAIT_SECONDS = 2.0
"""For the others' answers: SQLite's feed is looked at five times a second."""
STORE_SECONDS = 2 * WAIT_SECONDS
"""For all that the store has to do with it."""


@frozen
class Answers:
    """What came, and the names of those who should have answered and did not."""

    present: tuple[Present, ...]
    silent: tuple[str, ...] = ()
    problem: str = ""
    """Why nobody else could be asked; empty where they were."""


@frozen
class _Asked:
    expected: Mapping[str, str]
    done: Deferred[None]
    came: dict[str, str]


class RollCalls:
    """See the module. ``answer(call, heard_at)`` is what this process says, and does; ``id_`` is its own, ``name`` for people."""

    def __init__(
        self,
        clock: Any,
        database: Database,
        id_: str,
        name: str,
        wall: Callable[[], float],
        new_id: Callable[[], str],
        answer: Callable[[RollCall, float], Present],
    ) -> None:
        self._clock, self._database, self._id, self._name, self._wall = clock, database, id_, name, wall
        self._new_id, self._answer = new_id, answer
        self._asked: dict[str, _Asked] = {}
        self._said: float | None = None
        database.follow(TOPIC, self._heard)

    # --- asking

    async def ask(self, wanted: RollCall) -> Answers:
        """Everybody's answer."""
        own = self._answer(wanted, self._database.now())
        asking = Deferred.fromCoroutine(self._others(wanted))
        asking.addTimeout(STORE_SECONDS, self._clock)
        try:
            answers = await asking
        except StoreUnavailableError as error:
            return Answers((own,), problem=str(error))
        except TimedOut:
            return Answers((own,), problem="the gate's store does not answer in time")
        return Answers((own, *answers.present), answers.silent)

    async def _others(self, wanted: RollCall) -> Answers:
        expected = await self._database.read(lambda connection: others(connection, self._id, self._wall()))
        came = await self._ask_others(wanted, expected) if expected else {}
        return Answers(tuple(map(_read, came.values())), tuple(sorted(name for id_, name in expected.items() if id_ not in came)))

    async def _ask_others(self, wanted: RollCall, expected: Mapping[str, str]) -> Mapping[str, str]:
        id_, body = self._new_id(), orjson.dumps(asdict(wanted)).decode()
        waiting = self._asked[id_] = _Asked(expected, Deferred(), {})
        waiting.done.addTimeout(WAIT_SECONDS, self._clock)
        waiting.done.addErrback(lambda failure: failure.trap(TimedOut) and None)
        try:
            await self._database.write(lambda connection: call(connection, id_, self._id, body, self._wall()))
            await waiting.done
            return waiting.came
        finally:
            del self._asked[id_]
            self._unless_unavailable(self._database.write(lambda connection: over(connection, id_)))

    # --- what others say

    def _heard(self, keys: Keys) -> None:
        words = (
            [key.partition(" ") for key in keys]
            if keys is not None
            else [("asked", "", ""), *(("answered", "", id_) for id_ in self._asked)]
        )
        if any(word == "asked" for word, _, _ in words):
            self._unless_unavailable(self._reply())
        for word, _, id_ in words:
            if word == "answered" and id_ in self._asked:
                self._unless_unavailable(self._collect(id_))

    async def _reply(self) -> None:
        heard_at = self._database.now()
        found = await self._database.read_in_turn(lambda connection: asked(connection, self._id, self._wall()))
        for id_, body in found.items():
            await self._say(id_, _written(self._answer(_call(body), heard_at)))

    async def _say(self, id_: str, said: str) -> None:
        await self._database.write(lambda connection: answer(connection, id_, self._id, said, self._wall()))

    async def _collect(self, id_: str) -> None:
        came = await self._database.read(lambda connection: answered(connection, id_))
        waiting = self._asked.get(id_)
        if waiting is None:
            return
        waiting.came.update(came)
        if not waiting.done.called and waiting.expected.keys() <= waiting.came.keys():
            waiting.done.callback(None)

    # --- being here

    def tick(self) -> None:
        """Say from time to time that this process is here."""
        now = self._database.now()
        if self._said is None or now - self._said >= PRESENT_SECONDS:
            word = begin if self._said is None else be_present
            self._said = now
            self._unless_unavailable(self._database.write(lambda connection: word(connection, self._id, self._name, self._wall())))

    def leave(self) -> None:
        """It ends."""
        self._unless_unavailable(self._database.write(lambda connection: be_absent(connection, self._id)))

    def _unless_unavailable(self, work: Any) -> None:
        """Where the store does not answer, /readyz says so, and whoever asked names who kept silent."""
        done = Deferred.fromCoroutine(work)
        done.addErrback(lambda failure: failure.trap(StoreUnavailableError))
        done.addErrback(lambda failure: log.failure("a roll call went wrong", failure))


def _written(present: Present) -> str:
    return orjson.dumps(asdict(present)).decode()


def _read(body: str) -> Present:
    said = orjson.loads(body)
    return Present(said["gate"], tuple(said["sessions"]), said["found"])


def _call(body: str) -> RollCall:
    """Raises TypeError where a newer release asks for something that this one does not know: then it keeps silent, and is named."""
    said = orjson.loads(body)
    return RollCall(**said | {"clusters": tuple(said["clusters"])})
