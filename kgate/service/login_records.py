"""Sign-ins and sign-outs on record: the events ``login`` and ``logout``, with everything but secrets."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from kgate.api.signing_in import Asker
from kgate.audit.record import Record, safe
from kgate.service.records import Records
from kgate.store.people import Person


class LoginRecords:
    """Writes them."""

    def __init__(self, records: Records) -> None:
        self._records = records

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
        if not allowed:
            self._records.event("login", fields)
            return True
        durable: Deferred[bool] = Deferred()
        self._records.event("login", fields, durable.callback)
        return await durable

    async def logout(self, address: str, person: Person, session: str, reason: str) -> None:
        """A session ended before its time."""
        fields = {**_who(person, session), **({"source_ip": address} if address else {}), "reasons": [safe(reason)]}
        self._records.event("logout", fields)


def _who(person: Person | None, session: str) -> Record:
    if person is None:
        return {}
    fields: Record = {"user": safe(person.user), "groups": [safe(group) for group in person.groups], "issuer": person.issuer}
    return fields | ({"session": session} if session else {})
