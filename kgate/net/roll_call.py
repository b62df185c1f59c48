"""A roll call over every process that shares the store: this one answers at once, the others by the change feed, and who kept silent is named.

A person who looks for what is live during an incident must not take silence for nothing: whoever should have answered and did not is part of the
answer. Where no other process is here, nothing is written; where the store cannot be asked, the answer is this process's own and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from attrs import asdict, fields, frozen
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TimedOut
from twisted.logger import Logger

from kgate.model import Present, RollCall
from kgate.net.database import Database, Keys, StoreUnavailableError
from kgate.store.roll_calls import OLD_SECONDS, TOPIC, answer, answered, asked, be_absent, be_present, begin, call, others, over

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


_KNOWN = frozenset(each.name for each in fields(RollCall))


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
        self._heard_of: dict[str, float] = {}
        """The calls of the last minute: what one of them ends is found only once, and the next is read before the answer to the last one is written."""
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
        """Of a call, an answer, or a process of this one's name that began, which took this one for its predecessor. None: of any of them."""
        if keys is None or f"began {self._name}" in keys:
            self._be_present()
        if keys is None or any(key.startswith("asked ") for key in keys):
            self._unless_unavailable(self._reply())
        for id_ in self._asked:
            if keys is None or f"answered {id_}" in keys:
                self._unless_unavailable(self._collect(id_))

    async def _reply(self) -> None:
        heard_at = self._database.now()
        found = await self._database.read_in_turn(lambda connection: asked(connection, self._id, self._wall()))
        self._heard_of = {id_: at for id_, at in self._heard_of.items() if heard_at - at < 2 * OLD_SECONDS}
        for id_, body in found.items():
            if id_ not in self._heard_of:
                self._heard_of[id_] = heard_at
                self._unless_unavailable(self._say(id_, body, heard_at))

    async def _say(self, id_: str, body: str, heard_at: float) -> None:
        wanted = _call(body)
        if wanted is None:
            return
        said = _written(self._answer(wanted, heard_at))
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
        if self._said is None or self._database.now() - self._said >= PRESENT_SECONDS:
            self._be_present()

    def _be_present(self) -> None:
        word = begin if self._said is None else be_present
        self._said = self._database.now()
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


def _call(body: str) -> RollCall | None:
    """None where a newer release asks for something that this one does not know: then it keeps silent, and is named."""
    said = orjson.loads(body)
    return RollCall(**said | {"clusters": tuple(said["clusters"])}) if said.keys() <= _KNOWN else None
