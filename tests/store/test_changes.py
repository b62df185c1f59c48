"""The change feed: what was written, by whomever, in the order in which it became visible, each once."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sqlalchemy import Engine, delete, event

from kgate.store.changes import KEPT_SECONDS, Change, changes, latest, prune, publish, since
from kgate.store.engine import READS


def test_what_comes_after_a_row_is_news_and_nothing_else(engine: Engine) -> None:
    with engine.begin() as connection:
        publish(connection, "sessions", "a", 1.0)
        here = latest(connection)
        assert since(connection, here) == (here, (), True)
        publish(connection, "sessions", "b", 2.0)
        publish(connection, "keys", "k", 2.0)
        news = since(connection, here)
    assert news.changes == (Change("sessions", "b"), Change("keys", "k")) and news.complete


def test_what_was_rolled_back_never_happened(engine: Engine) -> None:
    connection = engine.connect()
    publish(connection, "sessions", "a", 1.0)
    connection.rollback()
    assert latest(connection) == 0
    connection.close()


def test_whoever_was_away_for_too_long_reads_everything(engine: Engine) -> None:
    with engine.begin() as connection:
        publish(connection, "sessions", "a", 1.0)
        here = latest(connection)
        publish(connection, "sessions", "b", 2.0)
        publish(connection, "sessions", "c", 2.0 + KEPT_SECONDS)
        prune(connection, 3.0 + KEPT_SECONDS)
        assert not since(connection, here).complete
        newest = latest(connection)
        prune(connection, 3.0 + 9 * KEPT_SECONDS)
        assert since(connection, newest) == (newest, (), True)


def test_whoever_was_away_since_before_there_was_anything_reads_everything(engine: Engine) -> None:
    with engine.begin() as connection:
        assert since(connection, 0) == (0, (), True)
        publish(connection, "sessions", "a", 1.0)
        assert since(connection, 0).complete
        publish(connection, "sessions", "b", 2.0 + KEPT_SECONDS)
        prune(connection, 3.0 + KEPT_SECONDS)
        assert not since(connection, 0).complete


def test_what_is_written_while_an_empty_feed_is_read_is_news_for_the_next_look(engine: Engine, engines: Callable[[], Engine]) -> None:
    """PostgreSQL's statements see what was committed between them. It was taken for a gap, and everything was read anew."""
    other = engines()

    def writes(*_: object) -> None:
        with other.begin() as connection:
            publish(connection, "locks", "a", 1.0)

    with engine.execution_options(**{READS: True}).begin() as connection:
        event.listen(engine, "after_cursor_execute", writes, once=True)
        news = since(connection, 0)
    with engine.begin() as connection:
        assert (news, since(connection, news.latest)) == ((0, (), True), (1, (Change("locks", "a"),), True))


def test_a_store_that_was_brought_back_from_a_backup_is_read_once_anew(engine: Engine) -> None:
    with engine.begin() as connection:
        publish(connection, "sessions", "a", 1.0)
        here = latest(connection)
        publish(connection, "sessions", "b", 2.0)
        lost = latest(connection)
        connection.execute(delete(changes).where(changes.c.id > here))
        assert since(connection, lost) == (here, (), False)
        assert since(connection, here) == (here, (), True)


def test_a_reader_misses_nothing_of_many_writers(engine: Engine, engines: Callable[[], Engine]) -> None:
    writers, each = 4, 25

    def write(number: int) -> None:
        own = engines()
        for count in range(each):
            with own.begin() as connection:
                publish(connection, "sessions", f"{number}-{count}", 1.0)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    seen, keys = 0, []
    while True:
        written = not any(thread.is_alive() for thread in threads)  # looked at first: what is read below then has all of it
        with engine.begin() as connection:
            news = since(connection, seen)
        seen, keys = news.latest, keys + [change.key for change in news.changes]
        if written and not news.changes:
            break
    assert sorted(keys) == sorted(f"{number}-{count}" for number in range(writers) for count in range(each))
