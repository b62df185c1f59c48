"""A gate that lost touch with its store while somebody's request waited for an answer admits nobody by what it knew before."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import pytest
from test_shadow_follows_streams import WATCH, Transport, World

from kgate.service.gateway import ADMITS_SECONDS


class Store:
    """Heard of so many seconds ago."""

    age = 0.0


@pytest.mark.threat("14")
@pytest.mark.parametrize(("age", "status"), [(ADMITS_SECONDS - 1, b""), (ADMITS_SECONDS + 1, b"HTTP/1.1 503 ")])
def test_threat_14_touch_that_was_lost_while_a_request_waited(age: float, status: bytes) -> None:
    world, store, asked = World(), Store(), list[Callable[[], None]]()

    def fetch(wanted: Hashable, then: Callable[[], None]) -> None:
        asked.append(then)

    world.gate._fetch, world.gate.store = fetch, store
    world.people.unsure.add("alice")
    transport = Transport()
    world.gate.serve(transport, "192.0.2.1").received(WATCH)
    (answer,) = asked
    world.people.unsure.clear()
    store.age = age
    answer()
    world.gate.turn.flush()
    assert transport.take().startswith(status) and len(world.gate.live) == (not status)
