"""Several who want the same are told by one fetch, whatever one of them goes on with."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, globalLogPublisher

from kgate.net.fetches import Fetches
from kgate.net.turn import Turn


def broken() -> None:
    raise LookupError("a bug in what somebody goes on with")


def test_a_bug_in_what_one_goes_on_with_does_not_hold_up_the_others() -> None:
    arrived: Deferred[None] = Deferred()
    told, logged = list[str](), list[LogEvent]()

    async def fetch(_: str) -> None:
        await arrived

    fetches = Fetches(Turn())
    fetches.register(str, fetch)
    for then in (lambda: told.append("first"), broken, lambda: told.append("last")):
        fetches("keys", then)
    globalLogPublisher.addObserver(logged.append)
    try:
        arrived.callback(None)
    finally:
        globalLogPublisher.removeObserver(logged.append)
    assert told == ["first", "last"]
    assert [event["log_failure"].type for event in logged] == [LookupError]
