"""Which of the live streams a roll call is about.

Nothing that whoever asks may not see is ever found, by its id neither: what is hidden and what is not there are the same to them. A user's name fits in
any case of its letters, as in a lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import orjson

from kgate.model import RollCall, Stream

MOST_BYTES = 1024 * 1024
"""Of the sessions that one process describes, and of those in one answer; those that do not fit are counted."""


def called(call: RollCall, streams: Iterable[Stream]) -> list[Stream]:
    """Those that fit, the newest first."""
    return sorted((each for each in streams if _fits(call, each)), key=lambda each: each.started, reverse=True)


def _fits(call: RollCall, stream: Stream) -> bool:
    if not _visible(call, stream):
        return False
    if call.id:
        return stream.id == call.id
    return (
        (call.everything or stream.action.follows)
        and call.cluster in {"", stream.action.cluster.name}
        and call.whose.casefold() in {"", stream.identity.user.casefold()}
    )


def _visible(call: RollCall, stream: Stream) -> bool:
    identity = stream.identity
    return stream.action.cluster.name in call.clusters or (identity.user, identity.issuer) == (call.user, call.issuer)


def fitting(described: Iterable[Mapping[str, object]], most: int = MOST_BYTES) -> Iterable[Mapping[str, object]]:
    """The first that are ``most`` bytes of JSON together."""
    left = most
    for record in described:
        left -= len(orjson.dumps(record))
        if left < 0:
            return
        yield record
