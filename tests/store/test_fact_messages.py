"""The last message of each source: believed once, by whichever gate it came to, and known to all."""

from __future__ import annotations

from sqlalchemy import Engine

from kgate.store.changes import latest, since
from kgate.store.facts import TOPIC, Message, keep_message, last_messages

ON, OFF = Message("ci", 10.0, '{"freeze": "on"}'), Message("ci", 11.0, '{"freeze": "off"}')


def test_a_later_message_takes_the_place_of_the_one_before_and_nothing_else_does(engine: Engine) -> None:
    with engine.begin() as connection:
        begin = latest(connection)
        assert keep_message(connection, ON, 1.0)
        assert not keep_message(connection, ON, 2.0)
        assert keep_message(connection, OFF, 3.0)
        assert not keep_message(connection, ON, 4.0)  # one that was recorded, played again
        assert keep_message(connection, Message("pager", 1.0, "{}"), 5.0)
        assert last_messages(connection) == (OFF, Message("pager", 1.0, "{}"))
        assert [change.topic for change in since(connection, begin).changes] == [TOPIC] * 3
