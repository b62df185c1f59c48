"""Sign-ins and sign-outs on record: the events ``login`` and ``logout``, with everything but secrets."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from kgate.api.signing_in import Asker
from kgate.audit.record import Record, event_record, safe
from kgate.store.people import Person

Append = Callable[[Record, "Callable[[bool], None] | None"], None]


class LoginRecords:
    """Writes them. ``append`` is the journal's, ``next_id`` gives a record's id."""

    def __init__(self, append: Append, next_id: Callable[[], str], gate: str, wall: Callable[[], float]) -> None:
        self._append, self._next_id, self._gate, self._wall = append, next_id, gate, wall

    async def login(self, allowed: bool, asker: Asker, person: Person | None, session: str, reason: str, how: str) -> bool:
        """Somebody signed in, or could not; whether that is durable. Nobody waits for the record of a failure."""
        fields: Record = {
            **_who(person, session),
            "source_ip": asker.address,
            **({"user_agent": safe(asker.user_agent, 1024)} if asker.user_agent else {}),
            "method": how,
            "allowed": allowed,
            **({"reasons": [safe(reason)]} if reason else {}),
        }
        record = event_record("login", self._next_id(), self._gate, self._wall(), **fields)
        if not allowed:
            self._append(record, None)
            return True
        durable: Deferred[bool] = Deferred()
        self._append(record, durable.callback)
        return await durable

    async def logout(self, address: str, person: Person, session: str, reason: str) -> None:
        """A session ended before its time."""
        fields = {**_who(person, session), **({"source_ip": address} if address else {}), "reasons": [safe(reason)]}
        self._append(event_record("logout", self._next_id(), self._gate, self._wall(), **fields), None)


def _who(person: Person | None, session: str) -> Record:
    if person is None:
        return {}
    fields: Record = {"user": safe(person.user), "groups": [safe(group) for group in person.groups], "issuer": person.issuer}
    return fields | ({"session": session} if session else {})
